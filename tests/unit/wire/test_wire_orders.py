"""Orders: to bytes and back, and no bytes that do anything but that or a refusal."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from borealis_wire import strict_json
from borealis_wire.events import RefusalCode, RunContext, ScriptType
from borealis_wire.keys import SigningKey
from borealis_wire.limits import MAX_FILES_BYTES, MAX_TIMEOUT_SECONDS
from borealis_wire.orders import (
    CancelOrder,
    FileDigest,
    JobOrder,
    KeysStatement,
    parse_cancel,
    parse_job,
    parse_keys,
    safe_file_name,
    script_digest,
)
from borealis_wire.refusal import Refused
from vector_material import GUID, RUN_ID, members, order

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
TIMES = st.integers(0, 2**40) | st.floats(0, 2**40)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMES = st.text(st.sampled_from("abcdefghijkLMNO0123456789_-ü"), min_size=1, max_size=20)
NO_NUL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
VALUES = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT, st.lists, max_leaves=4)


@st.composite
def jobs(draw: st.DrawFn) -> JobOrder:
    issued = draw(TIMES)
    names = draw(st.lists(NAMES, max_size=4, unique_by=str.casefold))
    sizes = st.integers(0, MAX_FILES_BYTES // 4)
    entry = st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1, max_size=10)
    variable = st.fixed_dictionaries({"name": entry, "value": VALUES})
    return JobOrder(
        job_id=draw(st.integers(-(2**63), 2**63 - 1) | TEXT),
        run_id=draw(TEXT),
        device_guid=draw(TEXT),
        context=draw(st.sampled_from(RunContext)),
        script_type=draw(st.sampled_from(ScriptType)),
        script_sha256=draw(DIGESTS),
        issued_at=issued,
        expires_at=issued + draw(st.integers(1, 2**30)),
        timeout_seconds=draw(st.integers(0, MAX_TIMEOUT_SECONDS)),
        files=tuple(FileDigest(name, draw(DIGESTS), draw(sizes)) for name in names),
        environment=draw(st.dictionaries(entry, NO_NUL, max_size=4)),
        variables=tuple(draw(st.lists(variable, max_size=3))),
    )


@pytest.mark.slow
@given(jobs())
def test_a_job_order_comes_back(job: JobOrder) -> None:
    assert parse_job(job.to_payload()) == job
    assert parse_job(job.to_payload()).to_payload() == job.to_payload()


@pytest.mark.slow
@given(TEXT, TEXT, TIMES, st.integers(1, 2**30))
def test_a_cancel_order_comes_back(run_id: str, guid: str, issued: float, lifetime: int) -> None:
    cancel = CancelOrder(run_id, guid, issued, issued + lifetime)
    assert parse_cancel(cancel.to_payload()) == cancel


@pytest.mark.slow
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4), st.lists(TEXT, max_size=4), TIMES)
def test_a_key_statement_comes_back(seeds: list[bytes], revoked: list[str], issued: float) -> None:
    keys = tuple(SigningKey.from_seed(seed).public for seed in seeds)
    statement = KeysStatement(keys, tuple(revoked), issued)
    assert parse_keys(statement.to_payload()) == statement


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=12,
)


def tolerant(parse: Any, payload: bytes) -> None:
    try:
        parse(payload)
    except Refused as refusal:
        assert refusal.detail
        assert len(refusal.detail) < 300


@given(st.binary(max_size=300))
@example(b"\xff")
@example(b"[" * 5000)
@example(b"null")
def test_any_bytes_are_an_order_or_a_refusal(payload: bytes) -> None:
    for parse in (parse_job, parse_cancel, parse_keys):
        tolerant(parse, payload)


@pytest.mark.slow
@given(st.data())
def test_any_value_in_any_member_is_an_order_or_a_refusal(data: st.DataObject) -> None:
    value = members()
    name = data.draw(st.sampled_from(sorted(value)))
    value[name] = data.draw(ANY_JSON)
    try:
        payload = strict_json.canonical(value)
    except strict_json.JsonError:
        return
    tolerant(parse_job, payload)


@pytest.mark.slow
@given(st.data())
def test_any_value_in_a_statement_or_cancel_is_an_order_or_a_refusal(data: st.DataObject) -> None:
    statement: dict[str, Any] = {"keys": [], "revoked": [], "issued_at": 1}
    cancel: dict[str, Any] = {"run_id": RUN_ID, "device_guid": GUID, "issued_at": 1, "expires_at": 2}
    for parse, value in ((parse_keys, statement), (parse_cancel, cancel)):
        name = data.draw(st.sampled_from(sorted(value)))
        try:
            payload = strict_json.canonical(value | {name: data.draw(ANY_JSON)})
        except strict_json.JsonError:
            return
        tolerant(parse, payload)


@pytest.mark.slow
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_a_payload_with_bytes_altered_is_an_order_or_a_refusal(at: int, noise: bytes) -> None:
    payload = order().to_payload()
    at %= len(payload)
    tolerant(parse_job, payload[:at] + noise + payload[at + len(noise) :])


@pytest.mark.slow
@given(st.text(max_size=20))
def test_rejects_any_member_that_is_not_known(name: str) -> None:
    if name in members() or name == "optional":
        return
    try:
        payload = strict_json.canonical(members() | {name: 1})
        allowed = strict_json.canonical(members() | {name: 1, "optional": [name]})
    except strict_json.JsonError:
        return
    with pytest.raises(Refused) as refusal:
        parse_job(payload)
    assert refusal.value.code is RefusalCode.MALFORMED
    assert parse_job(allowed) == parse_job(order().to_payload())


def test_rejects_a_known_member_that_is_called_optional_and_left_out() -> None:
    value = members()
    del value["expires_at"]
    with pytest.raises(Refused, match="missing expires_at"):
        parse_job(strict_json.canonical(value | {"optional": ["expires_at"]}))


@given(st.text() | st.text(st.sampled_from("abC.:/\\*? \0\n$1\u00b9nulco"), max_size=12))
def test_a_file_name_stays_in_its_folder(name: str) -> None:
    try:
        assert safe_file_name(name) == name
    except Refused:
        return
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name not in {"", ".", ".."}
    assert len(name.encode("utf-8", "replace")) <= 255
    assert name[-1] not in ". "


BAD_NAMES = [
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "C:x",
    "x\0",
    "x\n",
    "x.",
    "x ",
    "a:stream",
    "a" * 129,
    "ü" * 128,
    None,
    7,
    ["a"],
]
DEVICES = ["NUL", "nul.txt", "Com1", "COM\u00b9.log", "CONIN$", "NUL .txt", "aux.tar.gz"]


@pytest.mark.parametrize("name", [*BAD_NAMES, *DEVICES])
def test_rejects_file_name(name: Any) -> None:
    with pytest.raises(Refused) as refusal:
        safe_file_name(name)
    assert refusal.value.code is RefusalCode.MALFORMED


@pytest.mark.parametrize("name", ["a", ".profile", "grüße.txt", "com10", "nulx", "a b.txt", "x" * 128, "console.log"])
def test_ordinary_file_names_are_taken(name: str) -> None:
    assert safe_file_name(name) == name


def test_a_script_digest_is_of_its_bytes() -> None:
    assert script_digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_refusal_tells_an_operator_what_to_do() -> None:
    for code in RefusalCode:
        assert Refused(code, "why").diagnostics().endswith(".")
