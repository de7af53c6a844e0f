"""What an order must pass: a table of refusals, and a search for any change that slips through (threats 9)."""

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.role_api import JobFile
from borealis_agent.trust import TrustedKeys, apply_keys, keys_after_enrolment, verify_cancel, verify_job
from borealis_wire import base64s, strict_json
from borealis_wire.envelope import CANCEL_TYPE, JOB_TYPE, KEYS_TYPE, seal
from borealis_wire.events import RefusalCode, RunContext, ScriptType
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.limits import MAX_ENVELOPE_PAYLOAD_BYTES, MAX_FILES, MAX_FILES_BYTES, MAX_SCRIPT_BYTES
from borealis_wire.orders import CancelOrder, FileDigest, JobOrder, KeysStatement
from borealis_wire.refusal import Refused

NOW = 1_760_000_000.0
GUID = "6F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10"
ENGINE, THIEF, NEXT = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
TRUSTED: dict[str, VerifyKey] = {ENGINE.public.key_id: ENGINE.public}
SCRIPT = "echo hällo\n"
FILE = b"from a file\0"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def order(**changes: Any) -> JobOrder:
    members: dict[str, Any] = {
        "job_id": 7,
        "run_id": "0b5f2c9e-0000-4000-8000-000000000001",
        "device_guid": GUID,
        "context": RunContext.SYSTEM,
        "script_type": ScriptType.BASH,
        "script_sha256": digest(SCRIPT.encode()),
        "issued_at": NOW - 10,
        "expires_at": NOW + 3600,
        "timeout_seconds": 60,
        "files": (FileDigest("note.txt", digest(FILE), len(FILE)),),
        "environment": {"LANG": "C"},
        "variables": ({"name": "greeting", "value": "hello"},),
    }
    return JobOrder(**{**members, **changes})


def job(signer: SigningKey = ENGINE, *, payload: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """The payload of ``quick_job_run`` with an order sealed by ``signer``."""
    return {
        "job_id": 7,
        "run_id": "outside the envelope",
        "script_type": "powershell",
        "script_content": base64s.encode(SCRIPT.encode()),
        "files": [{"file_name": "note.txt", "size": 1, "mime_type": "", "data": base64s.encode(FILE)}],
        "environment": {"LD_PRELOAD": "/evil.so"},
        "timeout_seconds": 0,
        "run_mode": "current_user",
        "signing_key": THIEF.public.spki_base64,
        "envelope": seal(JOB_TYPE, payload or order(**changes).to_payload(), signer),
    }


def refusal(
    payload: Any, *, context: RunContext = RunContext.SYSTEM, guid: str = GUID, now: float = NOW
) -> RefusalCode:
    with pytest.raises(Refused) as caught:
        verify_job(payload, trusted=TRUSTED, device_guid=guid, context=context, now=now)
    assert caught.value.diagnostics()
    return caught.value.code


def test_a_job_that_was_sealed_for_us_is_what_the_envelope_says() -> None:
    payload = job()
    verified = verify_job(payload, trusted=TRUSTED, device_guid=GUID, context=RunContext.SYSTEM, now=NOW)
    assert verified.order == order()
    assert verified.order.timeout_seconds == 60
    assert verified.order.environment == {"LANG": "C"}
    assert verified.script == SCRIPT.encode()
    assert verified.files == (JobFile("note.txt", FILE),)
    assert verified.key_id == ENGINE.public.key_id
    assert verified.payload is payload


@pytest.mark.parametrize("encoding", ["base64", "plain", None])
def test_the_script_comes_in_base64_or_plain(encoding: str | None) -> None:
    payload = job()
    if encoding is not None:
        payload["script_encoding"] = encoding
    if encoding == "plain":
        payload["script_content"] = SCRIPT
    verified = verify_job(payload, trusted=TRUSTED, device_guid=GUID, context=RunContext.SYSTEM, now=NOW)
    assert verified.script == SCRIPT.encode()


def changed(**members: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {**job(), **members}


def in_envelope(change: Callable[[dict[str, Any]], None]) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        payload = job()
        change(payload["envelope"])
        return payload

    return make


def raw(**members: Any) -> Callable[[], dict[str, Any]]:
    """An order with members that our own types would not let through, sealed rightly all the same."""

    def make() -> dict[str, Any]:
        document = json.loads(order().to_payload())
        document.update(members)
        document = {name: value for name, value in document.items() if value != "GONE"}
        return job(payload=strict_json.canonical(document))

    return make


DUPLICATE = order().to_payload().replace(b'"timeout_seconds":60', b'"timeout_seconds":60,"timeout_seconds":61')
TWO_FILES = (FileDigest("a", digest(b"a"), 1), FileDigest("A", digest(b"a"), 1))

REFUSALS: list[tuple[str, RefusalCode, Callable[[], Any]]] = [
    ("no_object", RefusalCode.MALFORMED, lambda: [job()]),
    ("nothing", RefusalCode.MALFORMED, lambda: None),
    ("no_envelope", RefusalCode.MALFORMED, lambda: {k: v for k, v in job().items() if k != "envelope"}),
    ("upstream_signature_only", RefusalCode.MALFORMED, changed(envelope=None, signature="x", sig_alg="ed25519")),
    ("no_script", RefusalCode.MALFORMED, changed(script_content=None)),
    ("unknown_encoding", RefusalCode.MALFORMED, changed(script_encoding="utf-16")),
    ("unhashable_encoding", RefusalCode.MALFORMED, changed(script_encoding=["base64"])),
    ("script_no_base64", RefusalCode.MALFORMED, changed(script_content="!!!!")),
    ("script_loose_base64", RefusalCode.MALFORMED, changed(script_content=base64s.encode(SCRIPT.encode()) + "\n")),
    ("script_no_utf8", RefusalCode.MALFORMED, changed(script_content=base64s.encode(b"\xff\xfe"))),
    ("plain_surrogate", RefusalCode.MALFORMED, changed(script_content="\ud800", script_encoding="plain")),
    ("files_no_list", RefusalCode.MALFORMED, changed(files={"a": 1})),
    ("file_no_object", RefusalCode.MALFORMED, changed(files=["a"])),
    ("file_no_data", RefusalCode.MALFORMED, changed(files=[{"file_name": "note.txt"}])),
    ("file_no_base64", RefusalCode.MALFORMED, changed(files=[{"file_name": "note.txt", "data": "?"}])),
    ("file_path", RefusalCode.MALFORMED, changed(files=[{"file_name": "../note.txt", "data": ""}])),
    ("file_twice", RefusalCode.MALFORMED, lambda: {**job(), "files": job()["files"] * 2}),
    ("script_too_large", RefusalCode.TOO_LARGE, changed(script_content="A" * (MAX_SCRIPT_BYTES * 4 // 3 + 8))),
    (
        "plain_too_large",
        RefusalCode.TOO_LARGE,
        changed(script_content="ä" * (MAX_SCRIPT_BYTES // 2 + 1), script_encoding="plain"),
    ),
    (
        "too_many_files",
        RefusalCode.TOO_LARGE,
        changed(files=[{"file_name": f"f{n}", "data": ""} for n in range(MAX_FILES + 1)]),
    ),
    (
        "files_too_large",
        RefusalCode.TOO_LARGE,
        changed(files=[{"file_name": "f", "data": "A" * (MAX_FILES_BYTES * 4 // 3 + 4 * MAX_FILES + 4)}]),
    ),
    (
        "envelope_too_large",
        RefusalCode.TOO_LARGE,
        in_envelope(lambda e: e.update(payload="A" * (MAX_ENVELOPE_PAYLOAD_BYTES * 2))),
    ),
    ("too_many_signatures", RefusalCode.TOO_LARGE, in_envelope(lambda e: e.update(signatures=e["signatures"] * 5))),
    ("envelope_extra_member", RefusalCode.MALFORMED, in_envelope(lambda e: e.update(key=THIEF.public.spki_base64))),
    ("other_payload_type", RefusalCode.UNSUPPORTED_TYPE, in_envelope(lambda e: e.update(payloadType=CANCEL_TYPE))),
    ("unknown_payload_type", RefusalCode.UNSUPPORTED_TYPE, in_envelope(lambda e: e.update(payloadType="text/plain"))),
    ("signature_stripped", RefusalCode.BAD_SIGNATURE, in_envelope(lambda e: e.update(signatures=[]))),
    ("signature_emptied", RefusalCode.BAD_SIGNATURE, in_envelope(lambda e: e["signatures"][0].update(sig=""))),
    (
        "signature_of_another_job",
        RefusalCode.BAD_SIGNATURE,
        lambda: {**job(), "envelope": {**job()["envelope"], "signatures": job(job_id=8)["envelope"]["signatures"]}},
    ),
    (
        "payload_of_another_job",
        RefusalCode.BAD_SIGNATURE,
        lambda: {**job(), "envelope": {**job()["envelope"], "payload": job(job_id=8)["envelope"]["payload"]}},
    ),
    (
        "key_id_of_the_thief",
        RefusalCode.UNKNOWN_KEY,
        in_envelope(lambda e: e["signatures"][0].update(keyid=THIEF.public.key_id)),
    ),
    (
        "thiefs_key_under_our_id",
        RefusalCode.BAD_SIGNATURE,
        lambda: {
            **job(),
            "envelope": {
                **job(THIEF)["envelope"],
                "signatures": [{"keyid": ENGINE.public.key_id, "sig": job(THIEF)["envelope"]["signatures"][0]["sig"]}],
            },
        },
    ),
    ("key_in_the_message", RefusalCode.UNKNOWN_KEY, lambda: job(THIEF)),
    (
        "sealed_as_another_type",
        RefusalCode.UNSUPPORTED_TYPE,
        lambda: {**job(), "envelope": seal(CANCEL_TYPE, order().to_payload(), ENGINE)},
    ),
    ("duplicate_member", RefusalCode.MALFORMED, lambda: job(payload=DUPLICATE)),
    ("not_a_number", RefusalCode.MALFORMED, lambda: job(payload=order().to_payload().replace(b"60", b"NaN"))),
    ("no_utf8", RefusalCode.MALFORMED, lambda: job(payload=b"\xff")),
    ("unknown_member", RefusalCode.MALFORMED, raw(run_as="root")),
    ("missing_member", RefusalCode.MALFORMED, raw(environment="GONE")),
    ("empty_run_id", RefusalCode.MALFORMED, raw(run_id="")),
    ("long_run_id", RefusalCode.MALFORMED, raw(run_id="x" * 257)),
    ("time_out_no_number", RefusalCode.MALFORMED, raw(timeout_seconds="60")),
    ("time_out_negative", RefusalCode.MALFORMED, raw(timeout_seconds=-1)),
    ("time_out_true", RefusalCode.MALFORMED, raw(timeout_seconds=True)),
    ("expires_before_issued", RefusalCode.MALFORMED, raw(expires_at=NOW - 20)),
    ("environment_no_text", RefusalCode.MALFORMED, raw(environment={"A": 1})),
    ("unknown_script_type", RefusalCode.UNSUPPORTED_TYPE, raw(script_type="perl")),
    ("unknown_context", RefusalCode.WRONG_CONTEXT, raw(context="admin")),
    ("signed_path", RefusalCode.MALFORMED, raw(files=[{"name": "../x", "sha256": "0" * 64, "size": 0}])),
    ("two_names_in_one_folder", RefusalCode.MALFORMED, lambda: job(files=TWO_FILES)),
    ("other_device", RefusalCode.WRONG_DEVICE, lambda: job(device_guid="0F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10")),
    ("lower_case_device", RefusalCode.WRONG_DEVICE, lambda: job(device_guid=GUID.lower())),
    ("other_context", RefusalCode.WRONG_CONTEXT, lambda: job(context=RunContext.INTERACTIVE)),
    ("expired", RefusalCode.EXPIRED, lambda: job(issued_at=NOW - 100, expires_at=NOW)),
    ("a_later_day", RefusalCode.EXPIRED, lambda: job(issued_at=NOW - 90_000, expires_at=NOW - 86_400)),
    ("from_the_future", RefusalCode.NOT_YET_VALID, lambda: job(issued_at=NOW + 121)),
    ("other_script", RefusalCode.DIGEST_MISMATCH, changed(script_content=base64s.encode(b"rm -rf /"))),
    (
        "script_with_a_line_more",
        RefusalCode.DIGEST_MISMATCH,
        changed(script_content=SCRIPT + "\n", script_encoding="plain"),
    ),
    ("file_gone", RefusalCode.DIGEST_MISMATCH, changed(files=[])),
    (
        "file_more",
        RefusalCode.DIGEST_MISMATCH,
        lambda: {**job(), "files": [*job()["files"], {"file_name": "b", "data": ""}]},
    ),
    (
        "file_renamed",
        RefusalCode.DIGEST_MISMATCH,
        lambda: {**job(), "files": [{**job()["files"][0], "file_name": "x.txt"}]},
    ),
    (
        "file_changed",
        RefusalCode.DIGEST_MISMATCH,
        lambda: {**job(), "files": [{**job()["files"][0], "data": base64s.encode(b"from a file\1")}]},
    ),
    (
        "file_longer",
        RefusalCode.DIGEST_MISMATCH,
        lambda: {**job(), "files": [{**job()["files"][0], "data": base64s.encode(FILE + b"x")}]},
    ),
]


@pytest.mark.parametrize(("code", "make"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_rejects(code: RefusalCode, make: Callable[[], Any]) -> None:
    assert refusal(make()) is code


def test_rejects_for_the_first_reason_in_the_documented_order() -> None:
    everything = job(THIEF, device_guid="other", context=RunContext.INTERACTIVE, issued_at=NOW - 2, expires_at=NOW - 1)
    everything["script_content"] = base64s.encode(b"other")
    assert refusal(everything) is RefusalCode.UNKNOWN_KEY
    rows: list[tuple[dict[str, Any], RefusalCode]] = [
        ({"device_guid": "other", "context": RunContext.INTERACTIVE, "expires_at": NOW - 1}, RefusalCode.WRONG_DEVICE),
        ({"context": RunContext.INTERACTIVE, "expires_at": NOW - 1}, RefusalCode.WRONG_CONTEXT),
        ({"expires_at": NOW - 1}, RefusalCode.EXPIRED),
        ({}, RefusalCode.DIGEST_MISMATCH),
    ]
    for changes, code in rows:
        assert refusal({**job(**changes), "script_content": ""}) is code


def test_rejects_every_job_of_a_device_without_guid() -> None:
    assert refusal(job(device_guid="x"), guid="") is RefusalCode.WRONG_DEVICE


@pytest.mark.parametrize("ahead", [0, 119, 120])
def test_clocks_may_differ_by_two_minutes(ahead: float) -> None:
    payload = job(issued_at=NOW + ahead)
    verified = verify_job(payload, trusted=TRUSTED, device_guid=GUID, context=RunContext.SYSTEM, now=NOW)
    assert verified.order.issued_at == NOW + ahead


def test_a_second_signature_by_a_trusted_key_counts() -> None:
    payload = job(THIEF)
    payload["envelope"]["signatures"] += job()["envelope"]["signatures"]
    verified = verify_job(payload, trusted=TRUSTED, device_guid=GUID, context=RunContext.SYSTEM, now=NOW)
    assert verified.key_id == ENGINE.public.key_id


def test_a_member_listed_as_optional_is_ignored() -> None:
    payload = raw(optional=["hint"], hint="nice to know")()
    assert verify_job(payload, trusted=TRUSTED, device_guid=GUID, context=RunContext.SYSTEM, now=NOW).order == order()


SEALED = job()
PAYLOAD_TEXT = SEALED["envelope"]["payload"]


@given(st.integers(0, len(base64s.decode(PAYLOAD_TEXT)) - 1), st.integers(1, 255))
def test_rejects_any_changed_byte_of_the_sealed_payload(position: int, change: int) -> None:
    body = bytearray(base64s.decode(PAYLOAD_TEXT))
    body[position] ^= change
    payload = copy.deepcopy(SEALED)
    payload["envelope"]["payload"] = base64s.encode(bytes(body))
    assert refusal(payload) is RefusalCode.BAD_SIGNATURE


@given(st.integers(0, 63), st.integers(1, 255))
def test_rejects_any_changed_byte_of_the_signature(position: int, change: int) -> None:
    signature = bytearray(base64s.decode(SEALED["envelope"]["signatures"][0]["sig"]))
    signature[position] ^= change
    payload = copy.deepcopy(SEALED)
    payload["envelope"]["signatures"][0]["sig"] = base64s.encode(bytes(signature))
    assert refusal(payload) is RefusalCode.BAD_SIGNATURE


@given(st.integers(0, len(SCRIPT.encode()) - 1), st.integers(1, 255))
def test_rejects_any_changed_byte_of_the_script(position: int, change: int) -> None:
    script = bytearray(SCRIPT.encode())
    script[position] ^= change
    payload = {**SEALED, "script_content": base64s.encode(bytes(script))}
    assert refusal(payload) in {RefusalCode.DIGEST_MISMATCH, RefusalCode.MALFORMED}


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_rejects_any_changed_byte_of_a_file(position: int, change: int) -> None:
    data = bytearray(FILE)
    data[position] ^= change
    payload = {**SEALED, "files": [{"file_name": "note.txt", "data": base64s.encode(bytes(data))}]}
    assert refusal(payload) is RefusalCode.DIGEST_MISMATCH


@given(
    st.sampled_from(
        [
            ("job_id", 8),
            ("run_id", "another"),
            ("device_guid", "another"),
            ("context", "interactive"),
            ("script_type", "python"),
            ("script_sha256", "0" * 64),
            ("files", []),
            ("environment", {"LANG": "C", "LD_PRELOAD": "x"}),
            ("variables", []),
            ("timeout_seconds", 61),
            ("issued_at", NOW - 11),
            ("expires_at", NOW + 3601),
        ]
    )
)
def test_rejects_any_changed_member_and_any_reencoding(change: tuple[str, Any]) -> None:
    document = json.loads(base64s.decode(PAYLOAD_TEXT))
    name, value = change
    for body in ({**document, name: value}, {k: v for k, v in document.items() if k != name}):
        payload = copy.deepcopy(SEALED)
        payload["envelope"]["payload"] = base64s.encode(strict_json.canonical(body))
        assert refusal(payload) is RefusalCode.BAD_SIGNATURE
    payload = copy.deepcopy(SEALED)
    payload["envelope"]["payload"] = base64s.encode(json.dumps(document, indent=1).encode())
    assert refusal(payload) is RefusalCode.BAD_SIGNATURE


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES, st.sampled_from([None, "envelope", "script_content", "script_encoding", "files", "signatures"]))
def test_rejects_whatever_else_comes_with_a_code_and_never_breaks(value: Any, where: str | None) -> None:
    payload: Any = copy.deepcopy(SEALED)
    if where is None:
        payload = value
    elif where == "signatures":
        payload["envelope"]["signatures"] = value
    else:
        payload[where] = value
    for check in (
        lambda: verify_job(payload, trusted=TRUSTED, device_guid=GUID, context=RunContext.SYSTEM, now=NOW),
        lambda: verify_cancel(payload, trusted=TRUSTED, device_guid=GUID, now=NOW),
        lambda: apply_keys(payload, current=TrustedKeys(TRUSTED)),
    ):
        try:
            check()
        except Refused as refused:
            assert refused.code in set(RefusalCode)


class TestCancel:
    """``quick_job_cancel`` is sealed like a job."""

    ORDER = CancelOrder("run-1", GUID, NOW - 1, NOW + 60)

    def check(self, payload: Any) -> CancelOrder:
        return verify_cancel(payload, trusted=TRUSTED, device_guid=GUID, now=NOW)

    def test_an_order_is_read_with_and_without_wrapping(self) -> None:
        envelope = seal(CANCEL_TYPE, self.ORDER.to_payload(), ENGINE)
        assert self.check({"run_id": "other", "envelope": envelope}) == self.ORDER
        assert self.check(envelope) == self.ORDER

    @pytest.mark.parametrize(
        ("changes", "signer", "code"),
        [
            ({"device_guid": "other"}, ENGINE, RefusalCode.WRONG_DEVICE),
            ({"issued_at": NOW + 200, "expires_at": NOW + 300}, ENGINE, RefusalCode.NOT_YET_VALID),
            ({"expires_at": NOW - 0.5}, ENGINE, RefusalCode.EXPIRED),
            ({}, THIEF, RefusalCode.UNKNOWN_KEY),
        ],
    )
    def test_rejects(self, changes: dict[str, Any], signer: SigningKey, code: RefusalCode) -> None:
        fields = {name: getattr(self.ORDER, name) for name in ("run_id", "device_guid", "issued_at", "expires_at")}
        payload = CancelOrder(**{**fields, **changes}).to_payload()
        with pytest.raises(Refused) as caught:
            self.check({"envelope": seal(CANCEL_TYPE, payload, signer)})
        assert caught.value.code is code

    def test_rejects_a_job_in_its_place(self) -> None:
        with pytest.raises(Refused) as caught:
            self.check(job())
        assert caught.value.code is RefusalCode.UNSUPPORTED_TYPE


class TestKeys:
    """``signing_keys_changed``: only a trusted key may change what is trusted."""

    CURRENT = TrustedKeys(TRUSTED, issued_at=100.0)

    def statement(
        self, *keys: VerifyKey, revoked: tuple[str, ...] = (), at: float = 200.0, signer: SigningKey = ENGINE
    ) -> dict[str, Any]:
        return {"envelope": seal(KEYS_TYPE, KeysStatement(keys, revoked, at).to_payload(), signer)}

    def test_a_rotation_is_followed_step_by_step(self) -> None:
        one = apply_keys(self.statement(NEXT.public, ENGINE.public), current=self.CURRENT)
        assert list(one.keys) == [NEXT.public.key_id, ENGINE.public.key_id]
        assert one.current == NEXT.public
        two = apply_keys(
            self.statement(NEXT.public, revoked=(ENGINE.public.key_id,), at=300.0, signer=NEXT), current=one
        )
        assert (list(two.keys), two.issued_at) == ([NEXT.public.key_id], 300.0)
        assert two.revoked == {ENGINE.public.key_id}

    @pytest.mark.parametrize("at", [0.0, 99.9, 100.0])
    def test_rejects_a_statement_that_is_not_newer(self, at: float) -> None:
        with pytest.raises(Refused) as caught:
            apply_keys(self.statement(NEXT.public, at=at), current=self.CURRENT)
        assert caught.value.code is RefusalCode.REPLAYED

    def test_rejects_a_statement_by_an_unknown_or_revoked_key(self) -> None:
        for current in (self.CURRENT, TrustedKeys(TRUSTED, frozenset({THIEF.public.key_id}))):
            with pytest.raises(Refused) as caught:
                apply_keys(self.statement(THIEF.public, signer=THIEF), current=current)
            assert caught.value.code is RefusalCode.UNKNOWN_KEY

    def test_rejects_the_return_of_a_revoked_key(self) -> None:
        current = TrustedKeys(TRUSTED, frozenset({NEXT.public.key_id}), 100.0)
        after = apply_keys(self.statement(ENGINE.public, NEXT.public), current=current)
        assert list(after.keys) == [ENGINE.public.key_id]
        with pytest.raises(Refused) as caught:
            apply_keys(self.statement(NEXT.public), current=current)
        assert caught.value.code is RefusalCode.MALFORMED


class TestKeysAfterEnrolment:
    """Whoever has the TLS key but not the signing key brings in no key of his own (threats 8)."""

    PINNED = TrustedKeys(TRUSTED, frozenset({THIEF.public.key_id}), 100.0)

    def offered(self, *keys: VerifyKey) -> TrustedKeys:
        return TrustedKeys({key.key_id: key for key in keys}, issued_at=200.0)

    def test_a_first_enrolment_takes_what_is_offered(self) -> None:
        offered = self.offered(NEXT.public)
        for pinned, same in ((TrustedKeys(), True), (TrustedKeys(), False), (self.PINNED, False)):
            assert keys_after_enrolment(offered, pinned=pinned, same_engine=same, fresh=False) is offered

    def test_rejects_another_signing_key_at_an_enrolment_that_nobody_asked_for(self) -> None:
        with pytest.raises(Refused) as caught:
            keys_after_enrolment(self.offered(NEXT.public), pinned=self.PINNED, same_engine=True, fresh=False)
        assert caught.value.code is RefusalCode.UNKNOWN_KEY

    def test_rejects_a_key_beside_the_pinned_one(self) -> None:
        offered = self.offered(NEXT.public, ENGINE.public)
        kept = keys_after_enrolment(offered, pinned=self.PINNED, same_engine=True, fresh=False)
        assert kept is self.PINNED

    def test_a_person_with_a_fresh_code_may_bring_a_new_key_but_no_revoked_one(self) -> None:
        offered = self.offered(NEXT.public, THIEF.public)
        taken = keys_after_enrolment(offered, pinned=self.PINNED, same_engine=True, fresh=True)
        assert list(taken.keys) == [NEXT.public.key_id]
        assert (taken.revoked, taken.issued_at) == (self.PINNED.revoked, 200.0)
        with pytest.raises(Refused):
            keys_after_enrolment(self.offered(THIEF.public), pinned=self.PINNED, same_engine=True, fresh=True)
