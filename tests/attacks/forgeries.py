"""Every way to change, strip, move or re-encode a job, with the refusal that it earns; see ``test_attacks_orders``."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.attacks.forging import (
    THIEF,
    Forger,
    Payload,
    cancel_of,
    mac_signature,
    with_envelope,
    with_signature,
)

from borealis_wire import base64s
from borealis_wire.envelope import CANCEL_TYPE, KEYS_TYPE
from borealis_wire.events import RunContext
from borealis_wire.limits import MAX_ENVELOPE_PAYLOAD_BYTES, MAX_SCRIPT_BYTES


def dup(sealed: bytes, name: str, value: str) -> bytes:
    """The same object with a second member of a name it has already."""
    return sealed[:-1] + f',"{name}":{value}}}'.encode()


def _with_file(job: Payload, **members: Any) -> Payload:
    first, *more = job["files"]
    return {**job, "files": [{**first, **members}, *more]}


def _recoded(job: Payload, change: Callable[[str], str]) -> Payload:
    return with_envelope(job, payload=change(job["envelope"]["payload"]))


FORGERIES: dict[str, tuple[str, Callable[[Forger], Any]]] = {
    # whose signature
    "own-key": ("unknown_key", lambda f: f.by_thief("own-key")),
    "own-key-under-the-engines-id": (
        "bad_signature",
        lambda f: with_envelope(
            f.by_thief("own-key-under-the-engines-id"),
            signatures=[
                {
                    "keyid": f.engine.public.key_id,
                    "sig": f.by_thief("own-key-under-the-engines-id")["envelope"]["signatures"][0]["sig"],
                }
            ],
        ),
    ),
    "key-in-envelope": (
        "malformed",
        lambda f: with_envelope(f.by_thief("key-in-envelope"), publicKey=THIEF.public.spki_base64),
    ),
    "key-in-signature": (
        "malformed",
        lambda f: with_envelope(
            f.by_thief("key-in-signature"),
            signatures=[
                {
                    **f.by_thief("key-in-signature")["envelope"]["signatures"][0],
                    "key": THIEF.public.spki_base64,
                }
            ],
        ),
    ),
    # no signature
    "stripped": ("bad_signature", lambda f: with_envelope(f.genuine("stripped"), signatures=[])),
    "empty-signature": ("bad_signature", lambda f: with_signature(f.genuine("empty-signature"), b"")),
    "zero-signature": ("bad_signature", lambda f: with_signature(f.genuine("zero-signature"), bytes(64))),
    "short-signature": ("bad_signature", lambda f: with_signature(f.genuine("short-signature"), bytes(32))),
    "no-envelope": (
        "malformed",
        lambda f: {name: value for name, value in f.genuine("no-envelope").items() if name != "envelope"},
    ),
    "null-envelope": ("malformed", lambda f: {**f.genuine("null-envelope"), "envelope": None}),
    "text-envelope": (
        "malformed",
        lambda f: {**f.genuine("text-envelope"), "envelope": json.dumps(f.genuine("text-envelope")["envelope"])},
    ),
    "many-signatures": (
        "too_large",
        lambda f: with_envelope(
            f.by_thief("many-signatures"), signatures=f.by_thief("many-signatures")["envelope"]["signatures"] * 50
        ),
    ),
    # another algorithm
    "alg-none": ("malformed", lambda f: with_envelope(f.genuine("alg-none"), alg="none")),
    "alg-none-in-signature": (
        "malformed",
        lambda f: with_envelope(
            f.genuine("alg-none-in-signature"),
            signatures=[{"keyid": f.engine.public.key_id, "sig": "", "alg": "none"}],
        ),
    ),
    "mac-with-public-key": (
        "bad_signature",
        lambda f: with_signature(
            f.genuine("mac-with-public-key"), mac_signature(f.genuine("mac-with-public-key"), f.engine.public.raw)
        ),
    ),
    "sig-alg-outside": (
        "bad_signature",
        lambda f: {**with_envelope(f.genuine("sig-alg-outside"), signatures=[]), "sig_alg": "none"},
    ),
    # signed, and something else
    "other-type": ("unsupported_type", lambda f: with_envelope(f.genuine("other-type"), payloadType=CANCEL_TYPE)),
    "keys-type": ("unsupported_type", lambda f: with_envelope(f.genuine("keys-type"), payloadType=KEYS_TYPE)),
    "cancel-as-job": (
        "unsupported_type",
        lambda f: {**f.genuine("cancel-as-job"), "envelope": cancel_of("x", f.guid, f.engine)["envelope"]},
    ),
    "cancel-called-job": (
        "bad_signature",
        lambda f: with_envelope(
            {**f.genuine("cancel-called-job"), "envelope": cancel_of("x", f.guid, f.engine)["envelope"]},
            payloadType="application/vnd.borealis.job+json",
        ),
    ),
    # for somebody else, or another time
    "other-device": ("wrong_device", lambda f: f.genuine("other-device", device_guid=str(uuid.uuid4()).upper())),
    "lower-case-device": ("wrong_device", lambda f: f.genuine("lower-case-device", device_guid=f.guid.lower())),
    "other-context": ("wrong_context", lambda f: f.genuine("other-context", context=RunContext.INTERACTIVE)),
    "yesterday": (
        "expired",
        lambda f: f.genuine("yesterday", issued_at=time.time() - 90_000, expires_at=time.time() - 3600),
    ),
    "just-over": ("expired", lambda f: f.genuine("just-over", issued_at=time.time() - 60, expires_at=time.time() - 1)),
    "tomorrow": (
        "not_yet_valid",
        lambda f: f.genuine("tomorrow", issued_at=time.time() + 3600, expires_at=time.time() + 7200),
    ),
    # changed beside the envelope
    "script": ("digest_mismatch", lambda f: {**f.genuine("x"), "script_content": base64s.encode(b"touch script")}),
    "script-plain": (
        "digest_mismatch",
        lambda f: {**f.genuine("x"), "script_content": "touch script", "script_encoding": "plain"},
    ),
    "script-with-bom": (
        "digest_mismatch",
        lambda f: {**f.genuine("x"), "script_content": base64s.encode(b"\xef\xbb\xbf" + b"touch script")},
    ),
    "file-data": ("digest_mismatch", lambda f: _with_file(f.genuine("file-data"), data=base64s.encode(b"From a file"))),
    "file-name": ("digest_mismatch", lambda f: _with_file(f.genuine("file-name"), file_name="note2.txt")),
    "file-path": ("malformed", lambda f: _with_file(f.genuine("file-path"), file_name="../../note.txt")),
    "file-missing": (
        "digest_mismatch",
        lambda f: {**f.genuine("file-missing"), "files": f.genuine("file-missing")["files"][1:]},
    ),
    "file-more": (
        "digest_mismatch",
        lambda f: {
            **f.genuine("file-more"),
            "files": [*f.genuine("file-more")["files"], {"file_name": "bash", "size": 1, "data": "eA=="}],
        },
    ),
    "file-twice": (
        "malformed",
        lambda f: {**f.genuine("file-twice"), "files": f.genuine("file-twice")["files"] * 2},
    ),
    # changed inside
    **{
        f"member-{member}": ("bad_signature", lambda f, m=member, v=value: f.changed_member(f"member-{m}", m, v))  # type: ignore[misc]
        for member, value in {
            "device_guid": "6F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10",
            "context": "interactive",
            "script_type": "python",
            "script_sha256": "0" * 64,
            "timeout_seconds": 0,
            "expires_at": 2e9,
            "issued_at": 1e9,
            "run_id": "another-run",
            "job_id": 1,
            "environment": {"LD_PRELOAD": "x.so"},
            "variables": [],
            "files": [],
            "optional": [],
        }.items()
    },
    # written in another way
    "blank": ("bad_signature", lambda f: f.changed_payload("blank", lambda sealed: sealed.replace(b":", b": ", 1))),
    "newline": ("bad_signature", lambda f: f.changed_payload("newline", lambda sealed: sealed + b"\n")),
    "reordered": (
        "bad_signature",
        lambda f: f.changed_payload(
            "reordered", lambda sealed: json.dumps(dict(reversed(json.loads(sealed).items()))).encode()
        ),
    ),
    "escaped": (
        "bad_signature",
        lambda f: f.changed_payload("escaped", lambda sealed: sealed.replace(b'"hello"', b'"\\u0068ello"')),
    ),
    "key-twice": (
        "bad_signature",
        lambda f: f.changed_payload("key-twice", lambda sealed: dup(sealed, "timeout_seconds", "0")),
    ),
    # under a signature that is right, and not to be read in two ways
    "sealed-key-twice": (
        "malformed",
        lambda f: f.sealed_bytes("sealed-key-twice", lambda sealed: dup(sealed, "device_guid", '"other"')),
    ),
    "sealed-key-escaped-twice": (
        "malformed",
        lambda f: f.sealed_bytes("sealed-key-escaped-twice", lambda sealed: dup(sealed, "context\\u0000", '"x"')),
    ),
    "sealed-unknown-member": (
        "malformed",
        lambda f: f.sealed_bytes("sealed-unknown-member", lambda sealed: dup(sealed, "only_if", '"approved"')),
    ),
    "sealed-nan": (
        "malformed",
        lambda f: f.sealed_bytes(
            "sealed-nan", lambda sealed: sealed.replace(b'"timeout_seconds":20', b'"timeout_seconds":NaN')
        ),
    ),
    "sealed-trailing": ("malformed", lambda f: f.sealed_bytes("sealed-trailing", lambda sealed: sealed + b"{}")),
    "sealed-bom": ("malformed", lambda f: f.sealed_bytes("sealed-bom", lambda sealed: b"\xef\xbb\xbf" + sealed)),
    "sealed-latin": (
        "malformed",
        lambda f: f.sealed_bytes("sealed-latin", lambda sealed: sealed.replace(b"hello", b"h\xe9llo", 1)),
    ),
    "sealed-deep": (
        "malformed",
        lambda f: f.sealed_bytes("sealed-deep", lambda _: b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ),
    "sealed-list": ("malformed", lambda f: f.sealed_bytes("sealed-list", lambda sealed: b"[" + sealed + b"]")),
    "sealed-empty": ("malformed", lambda f: f.sealed_bytes("sealed-empty", lambda _: b"")),
    # base64 of another kind
    "urlsafe": ("malformed", lambda f: _recoded(f.genuine("urlsafe"), lambda text: f"-{text[1:]}")),
    "line-breaks": (
        "malformed",
        lambda f: _recoded(f.genuine("line-breaks"), lambda text: f"{text[:76]}\n{text[76:]}"),
    ),
    "blank-in-base64": ("malformed", lambda f: _recoded(f.genuine("blank-in-base64"), lambda text: f" {text}")),
    "padding-more": ("malformed", lambda f: _recoded(f.genuine("padding-more"), lambda text: f"{text}====")),
    # size and kind
    "large-script": (
        "too_large",
        lambda f: {**f.genuine("large-script"), "script_content": base64s.encode(b"#" * (MAX_SCRIPT_BYTES + 1))},
    ),
    "large-envelope": (
        "too_large",
        lambda f: with_envelope(
            f.genuine("large-envelope"), payload=base64s.encode(b" " * (MAX_ENVELOPE_PAYLOAD_BYTES + 16))
        ),
    ),
    "many-files": (
        "too_large",
        lambda f: {
            **f.genuine("many-files"),
            "files": [{"file_name": f"f{number}", "data": ""} for number in range(65)],
        },
    ),
    "playbook-options-of-a-script": (
        "malformed",
        lambda f: f.sealed_bytes("playbook-options-of-a-script", lambda sealed: sealed[:-1] + b',"playbook":{}}'),
    ),
    "secrets-that-are-none": (
        "malformed",
        lambda f: f.sealed_bytes("secrets-that-are-none", lambda sealed: sealed[:-1] + b',"secrets":{"a":1}}'),
    ),
    "other-language": (
        "unsupported_type",
        lambda f: f.sealed_bytes("other-language", lambda sealed: sealed.replace(b'"bash"', b'"perl"')),
    ),
    # not even a job
    "nothing": ("malformed", lambda _: None),
    "text": ("malformed", lambda _: "touch text"),
    "list": ("malformed", lambda f: [f.genuine("list")]),
    "number": ("malformed", lambda _: 7),
}
