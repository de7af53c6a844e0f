"""The test vectors: made anew they are the same bytes, and a second library agrees with every one of them."""

import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

import make_vectors
from borealis_agent.trust.policy import apply_keys, verify_cancel, verify_entry, verify_job, verify_screen
from borealis_agent.trust.signing_keys import TrustedKeys
from borealis_wire.desktop import DESKTOP_ENTRY
from borealis_wire.enrolment_token import parse_enrolment_token
from borealis_wire.entry import EntryKind
from borealis_wire.envelope import open_envelope
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.files import FILES_ENTRY
from borealis_wire.forward import FORWARD_ENTRY
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.macro import parse_macro
from borealis_wire.refusal import Refused
from borealis_wire.shell import SHELL_ENTRY

FOLDER = Path(make_vectors.FOLDER)


def load(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FOLDER / name).read_text("ascii"))
    return value


KEYS, TOKENS, PROOFS = load("keys.json"), load("enrolment_tokens.json"), load("proofs.json")
MACROS, ENTRIES = load("macros.json"), load("entries.json")
KINDS: tuple[EntryKind[Any], ...] = (SHELL_ENTRY, DESKTOP_ENTRY, FILES_ENTRY, FORWARD_ENTRY)
ENVELOPES, ORDERS, SCREENS = load("envelopes.json"), load("orders.json"), load("screens.json")


def public_key(spki_base64: str) -> Ed25519PublicKey:
    key = load_der_public_key(base64.b64decode(spki_base64))
    assert isinstance(key, Ed25519PublicKey)
    return key


def named(items: list[dict[str, Any]]) -> list[Any]:
    return [
        pytest.param(item, id=item.get("name") or item.get("why") or str(index)) for index, item in enumerate(items)
    ]


@pytest.mark.parametrize("name", sorted(make_vectors.FILES))
def test_made_anew_they_are_the_same_bytes(name: str) -> None:
    assert (FOLDER / name).read_bytes() == make_vectors.render(make_vectors.FILES[name]())


def test_nothing_else_lies_beside_them_and_each_is_explained() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*make_vectors.FILES, "README.md"}
    readme = (FOLDER / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in make_vectors.FILES)


def test_the_check_of_the_command_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert make_vectors.main(["--check"]) == 0
    assert capsys.readouterr().out == "differ: none\n"


@pytest.mark.parametrize("vector", named(KEYS["valid"]))
def test_keys_hold_by_a_second_library(vector: dict[str, str]) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"]))
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert vector["pkcs8_pem"] == pem
    assert vector["public_raw"] == private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    assert vector["spki_base64"] == base64.b64encode(spki).decode()
    assert vector["fingerprint"] == hashlib.sha256(spki).hexdigest()
    assert vector["key_id"] == vector["fingerprint"][:16]
    assert vector["signature"] == base64.b64encode(private.sign(bytes.fromhex(vector["message"]))).decode()
    assert load_pem_private_key(vector["pkcs8_pem"].encode(), None) is not None


@pytest.mark.parametrize("vector", named(KEYS["valid"]))
def test_keys_hold_by_ours(vector: dict[str, str]) -> None:
    key = SigningKey.from_pkcs8_pem(vector["pkcs8_pem"])
    assert key.seed.hex() == vector["seed"]
    assert VerifyKey.from_spki_base64(vector["spki_base64"]) == key.public
    assert key.public.verifies(base64.b64decode(vector["signature"]), bytes.fromhex(vector["message"]))


@pytest.mark.parametrize("vector", named(KEYS["invalid_spki_base64"]))
def test_rejects_what_is_no_key(vector: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        VerifyKey.from_spki_base64(vector["text"])


@pytest.mark.parametrize("vector", named(TOKENS["valid"]))
def test_enrolment_tokens_say_what_they_should(vector: dict[str, str]) -> None:
    token = parse_enrolment_token(vector["text"])
    assert (token.url, token.code, token.ca_pin) == (vector["url"], vector["code"], vector["ca_pin"])


@pytest.mark.parametrize("vector", named(TOKENS["invalid"]))
def test_rejects_what_is_no_enrolment_token(vector: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_enrolment_token(vector["text"])


def test_proofs_hold_by_a_second_library() -> None:
    key = public_key(PROOFS["agent_pubkey"])
    server, client = base64.b64decode(PROOFS["server_nonce"]), base64.b64decode(PROOFS["client_nonce"])
    reference = PROOFS["approval_reference"].encode()
    leaf = hashlib.sha256(base64.b64decode(PROOFS["leaf_certificate_der"])).digest()
    assert leaf.hex() == PROOFS["leaf_sha256"]
    first = server + reference + client
    parts = [b"borealis-enrolment-proof-v2", server, reference, client, leaf]
    second = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    assert (PROOFS["proof_message"], PROOFS["proof_v2_message"]) == (first.hex(), second.hex())
    key.verify(base64.b64decode(PROOFS["proof_sig"]), first)
    key.verify(base64.b64decode(PROOFS["proof_v2"]), second)
    assert len(PROOFS["refused_proof_v2"]) == 4
    for refused in PROOFS["refused_proof_v2"]:
        with pytest.raises(InvalidSignature):
            key.verify(base64.b64decode(refused["proof_v2"]), second)


@pytest.mark.parametrize("vector", named(ENVELOPES["pae"]))
def test_the_encoding_is_that_of_dsse(vector: dict[str, str]) -> None:
    kind, payload = vector["type"].encode(), bytes.fromhex(vector["payload"])
    assert vector["pae"] == dsse_pae(kind, payload).hex()


def dsse_pae(kind: bytes, payload: bytes) -> bytes:
    """Written anew from the specification, not from ours."""
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])


def test_the_example_of_the_specification_is_among_them() -> None:
    assert bytes.fromhex(ENVELOPES["pae"][0]["pae"]) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@pytest.mark.parametrize("vector", named(ENVELOPES["sealed"]))
def test_envelopes_hold_by_a_second_library_and_by_ours(vector: dict[str, Any]) -> None:
    envelope, text = vector["envelope"], vector["payload_text"]
    payload = base64.b64decode(envelope["payload"])
    assert payload.decode() == text
    assert hashlib.sha256(payload).hexdigest() == vector["payload_sha256"]
    canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical == text
    (signature,) = envelope["signatures"]
    message = dsse_pae(envelope["payloadType"].encode(), payload)
    public_key(ENVELOPES["signing_key"]).verify(base64.b64decode(signature["sig"]), message)
    key = VerifyKey.from_spki_base64(ENVELOPES["signing_key"])
    opened = open_envelope(envelope, expected_type=envelope["payloadType"], trusted={key.key_id: key})
    assert (opened.payload, opened.key_id) == (payload, signature["keyid"])


def look_at(case: dict[str, Any]) -> TrustedKeys | None:
    """What the device of the vectors does with a message."""
    device = ORDERS["device"]
    trusted = {item["key_id"]: VerifyKey.from_spki_base64(item["public_key"]) for item in device["trusted_keys"]}
    if case["event"] == "quick_job_run":
        context = RunContext(device["context"])
        verify_job(case["payload"], trusted=trusted, device_guid=device["guid"], context=context, now=device["now"])
        return None
    if case["event"] == "quick_job_cancel":
        verify_cancel(case["payload"], trusted=trusted, device_guid=device["guid"], now=device["now"])
        return None
    current = TrustedKeys(trusted, frozenset(device["revoked"]), device["key_statement_issued_at"])
    return apply_keys(case["payload"], current=current)


@pytest.mark.parametrize("case", named(ORDERS["accepted"]))
def test_a_device_accepts(case: dict[str, Any]) -> None:
    after = look_at(case)
    if after is not None:
        assert sorted(after.keys) == case["trusted_after"]


@pytest.mark.parametrize("case", named(ORDERS["refused"]))
def test_rejects_order(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        look_at(case)
    assert refusal.value.code == case["code"]


def test_every_refusal_that_a_message_can_earn_has_a_vector() -> None:
    by_itself = {  # of the device's state, not of the message
        RefusalCode.INTERPRETER_MISSING,
        RefusalCode.BUSY,
        RefusalCode.HOST_KEY_CHANGED,
        RefusalCode.OLDER_RELEASE,
        RefusalCode.NOT_UPDATABLE,
    }
    assert {case["code"] for case in ORDERS["refused"]} == set(RefusalCode) - by_itself
    names = [case["name"] for case in (*ORDERS["accepted"], *ORDERS["refused"])]
    assert len(names) == len(set(names))
    assert len(ORDERS["refused"]) >= 100


def test_every_accepted_order_is_signed_by_the_trusted_key_by_a_second_library() -> None:
    key = public_key(ORDERS["device"]["trusted_keys"][0]["public_key"])
    key_id = ORDERS["device"]["trusted_keys"][0]["key_id"]
    for case in ORDERS["accepted"]:
        envelope = case["payload"]["envelope"]
        (signature,) = [item["sig"] for item in envelope["signatures"] if item["keyid"] == key_id]
        message = dsse_pae(envelope["payloadType"].encode(), base64.b64decode(envelope["payload"]))
        key.verify(base64.b64decode(signature), message)


@pytest.mark.parametrize("case", named([case for case in ORDERS["refused"] if case["code"] == "bad_signature"]))
def test_a_second_library_finds_the_same_signatures_bad(case: dict[str, Any]) -> None:
    key = public_key(ORDERS["device"]["trusted_keys"][0]["public_key"])
    envelope = case["payload"]["envelope"]
    message = dsse_pae(envelope["payloadType"].encode(), base64.b64decode(envelope["payload"]))
    for signature in envelope["signatures"]:
        with pytest.raises((InvalidSignature, ValueError)):
            key.verify(base64.b64decode(signature["sig"]), message)


def look_at_screen_order(case: dict[str, Any]) -> None:
    """What the device of ``screens.json`` does with a message."""
    device = SCREENS["device"]
    trusted = {item["key_id"]: VerifyKey.from_spki_base64(item["public_key"]) for item in device["trusted_keys"]}
    context = RunContext(device["context"])
    verify_screen(case["payload"], trusted=trusted, device_guid=device["guid"], context=context, now=device["now"])


@pytest.mark.parametrize("case", named(SCREENS["accepted"]))
def test_a_device_follows_order_to_look(case: dict[str, Any]) -> None:
    look_at_screen_order(case)
    envelope = case["payload"]["envelope"]
    message = dsse_pae(envelope["payloadType"].encode(), base64.b64decode(envelope["payload"]))
    key = public_key(SCREENS["device"]["trusted_keys"][0]["public_key"])
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)


@pytest.mark.parametrize("case", named(SCREENS["refused"]))
def test_rejects_order_to_look(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        look_at_screen_order(case)
    assert refusal.value.code == case["code"]


def test_orders_to_look_are_named_once_and_earn_every_code_that_they_can() -> None:
    names = [case["name"] for case in (*SCREENS["accepted"], *SCREENS["refused"])]
    assert len(names) == len(set(names))
    of_jobs_alone = {RefusalCode.INTERPRETER_MISSING, RefusalCode.BUSY, RefusalCode.DIGEST_MISMATCH}
    of_jobs_alone |= {RefusalCode.REPLAYED, RefusalCode.TOO_LARGE}
    codes = {case["code"] for case in SCREENS["refused"]}
    assert codes == {case["code"] for case in ORDERS["refused"]} - of_jobs_alone


def enter(case: dict[str, Any]) -> Any:
    """What the device of ``entries.json`` does with a connection's first line; gives the order."""
    device = ENTRIES["device"]
    assert case["line"]["type"] == "open"
    return verify_entry(
        case["line"]["envelope"],
        kind={kind.payload_type: kind for kind in KINDS}[case["payload_type"]],
        trusted={item["key_id"]: VerifyKey.from_spki_base64(item["public_key"]) for item in device["trusted_keys"]},
        device_guid=device["guid"],
        context=RunContext(device["context"]),
        now=device["now"],
    )


@pytest.mark.parametrize("case", named(ENTRIES["accepted"]))
def test_a_device_lets_in_who_brings_the_order(case: dict[str, Any]) -> None:
    envelope = case["line"]["envelope"]
    assert enter(case).to_payload() == base64.b64decode(envelope["payload"])
    message = dsse_pae(envelope["payloadType"].encode(), base64.b64decode(envelope["payload"]))
    key = public_key(ENTRIES["device"]["trusted_keys"][0]["public_key"])
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)


@pytest.mark.parametrize("case", named(ENTRIES["refused"]))
def test_rejects_order_to_enter(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        enter(case)
    assert refusal.value.code == case["code"]


def test_orders_to_enter_are_named_once_and_are_of_every_kind() -> None:
    cases = [*ENTRIES["accepted"], *ENTRIES["refused"]]
    assert len(cases) == len({case["name"] for case in cases})
    for kind in KINDS:
        refused = {case["code"] for case in ENTRIES["refused"] if case["payload_type"] == kind.payload_type}
        assert {"bad_signature", "unknown_key", "wrong_device", "expired", "not_yet_valid", "malformed"} <= refused
        assert any(case["payload_type"] == kind.payload_type for case in ENTRIES["accepted"])


@pytest.mark.parametrize("vector", named(MACROS["refused"]))
def test_rejects_each_order_about_a_macro_that_is_none(vector: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        parse_macro(vector["script"].encode())
    assert caught.value.code is RefusalCode.MALFORMED


def test_the_scripts_of_macros_read_as_their_settings() -> None:
    for vector in MACROS["settings"]:
        order = json.loads(vector["script"])
        assert (order["action"], order["settings"]) == ("start", vector["settings"])
        assert {name: vector["settings"][name] for name in vector["given"]} == vector["given"]
