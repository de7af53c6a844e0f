"""Orders that a device accepts, and orders that it refuses, each with the code."""

from collections.abc import Iterator
from typing import Any

from borealis_wire import base64s, strict_json
from borealis_wire.envelope import CANCEL_TYPE, JOB_TYPE, KEYS_TYPE
from borealis_wire.events import RunContext
from borealis_wire.limits import (
    CLOCK_SKEW_SECONDS,
    MAX_ENVIRONMENT_ENTRIES,
    MAX_FILES,
    MAX_FILES_BYTES,
    MAX_TIMEOUT_SECONDS,
    MAX_VARIABLES,
)
from borealis_wire.orders import CancelOrder, KeysStatement
from vector_material import (
    ENGINE,
    FILE_DATA,
    GUID,
    NEXT,
    NOW,
    RUN_ID,
    SCRIPT,
    STRANGER,
    job_event,
    key,
    members,
    order,
    public,
    sealed,
)

Case = dict[str, Any]
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
OLDER, OLD_STATEMENT = key("engine before"), NOW - 1000


def refusals() -> dict[str, Any]:
    """The whole file: who refuses, what is accepted, what is refused."""
    return {
        "device": {
            "guid": GUID,
            "context": "system",
            "now": NOW,
            "trusted_keys": [public(ENGINE)],
            "revoked": [OLDER.public.key_id],
            "key_statement_issued_at": OLD_STATEMENT,
        },
        "accepted": list(_accepted()),
        "refused": [
            *_signatures(),
            *_envelopes(),
            *_orders(),
            *_shapes(),
            *_surroundings(),
            *_cancels(),
            *_statements(),
        ],
    }


def _case(name: str, event: str, payload: Any, **more: Any) -> Case:
    return {"name": name, "event": event, "payload": payload, **more}


def _job(name: str, code: str, envelope: Any, **changes: Any) -> Case:
    return _case(name, "quick_job_run", job_event(envelope, **changes), code=code)


def _altered(name: str, code: str, **changes: Any) -> Case:
    """A well signed order whose payload says something that a device must not accept."""
    value = members() | changes
    return _job(name, code, sealed(strict_json.canonical({k: v for k, v in value.items() if v is not ...})))


def _raw(name: str, code: str, payload: bytes) -> Case:
    return _job(name, code, sealed(payload))


def _accepted() -> Iterator[Case]:
    yield _case("an order as the Engine seals it", "quick_job_run", job_event(sealed(order().to_payload())))
    late = order(issued_at=NOW + CLOCK_SKEW_SECONDS, expires_at=NOW + 9999)
    yield _case(
        "issued in the device's future by no more than the skew", "quick_job_run", job_event(sealed(late.to_payload()))
    )
    last = order(issued_at=NOW - 10, expires_at=NOW + 0.5)
    yield _case("valid for half a second more", "quick_job_run", job_event(sealed(last.to_payload())))
    value = members() | {"colour": "blue", "optional": ["colour", "not there"]}
    yield _case(
        "an unknown member that is listed as optional", "quick_job_run", job_event(sealed(strict_json.canonical(value)))
    )
    spaced = strict_json.canonical(members()).replace(b'","', b'" ,\n\t"')
    yield _case(
        "white space and any order of members, as long as it is signed", "quick_job_run", job_event(sealed(spaced))
    )
    envelope = sealed(order().to_payload())
    stranger = sealed(order().to_payload(), by=STRANGER)
    envelope["signatures"] = [*stranger["signatures"], *envelope["signatures"]]
    yield _case("a second signature by a key that the device does not know", "quick_job_run", job_event(envelope))
    lies = job_event(
        sealed(order().to_payload()), run_mode="current_user", environment={"NAME": "other"}, timeout_seconds=1
    )
    yield _case("lies outside the envelope, which are ignored", "quick_job_run", lies)
    cancel = CancelOrder(RUN_ID, GUID, NOW, NOW + 60)
    yield _case("a cancel", "quick_job_cancel", {"envelope": sealed(cancel.to_payload(), kind=CANCEL_TYPE)})
    for name, statement, after in (
        ("a new key beside the old one", KeysStatement((ENGINE.public, NEXT.public), (), NOW), (ENGINE, NEXT)),
        ("a new key in place of the old one", KeysStatement((NEXT.public,), (ENGINE.public.key_id,), NOW), (NEXT,)),
    ):
        envelope = sealed(statement.to_payload(), kind=KEYS_TYPE)
        trusted = sorted(item.public.key_id for item in after)
        yield _case(name, "signing_keys_changed", {"envelope": envelope}, trusted_after=trusted)


def _signatures() -> Iterator[Case]:
    payload = order().to_payload()
    good = sealed(payload)
    signature = base64s.decode(good["signatures"][0]["sig"])

    def with_signature(raw: bytes, key_id: str = ENGINE.public.key_id) -> dict[str, Any]:
        return good | {"signatures": [{"keyid": key_id, "sig": base64s.encode(raw)}]}

    other = sealed(order(timeout_seconds=61).to_payload())
    yield _job("payload of another order under this signature", "bad_signature", good | {"payload": other["payload"]})
    spaced = base64s.encode(payload.replace(b",", b", "))
    yield _job("the same order written otherwise under this signature", "bad_signature", good | {"payload": spaced})
    yield _job("no signature", "bad_signature", good | {"signatures": []})
    yield _job("an empty signature", "bad_signature", with_signature(b""))
    yield _job("a signature cut short", "bad_signature", with_signature(signature[:63]))
    yield _job("a signature with a byte behind it", "bad_signature", with_signature(signature + b"\0"))
    yield _job(
        "one bit of the signature turned", "bad_signature", with_signature(bytes((signature[0] ^ 1,)) + signature[1:])
    )
    yield _job("zeros for a signature", "bad_signature", with_signature(bytes(64)))
    scalar = int.from_bytes(signature[32:], "little") + _ED25519_ORDER
    malleable = signature[:32] + scalar.to_bytes(32, "little")
    yield _job("the same signature with its scalar beyond the group order", "bad_signature", with_signature(malleable))
    yield _job("a signature over the payload without PAE", "bad_signature", with_signature(ENGINE.sign(payload)))
    as_cancel = sealed(payload, kind=CANCEL_TYPE)
    yield _job("a signature made for another type", "bad_signature", good | {"signatures": as_cancel["signatures"]})
    forged = base64s.decode(sealed(payload, by=STRANGER)["signatures"][0]["sig"])
    yield _job("a stranger's signature under the trusted key's id", "bad_signature", with_signature(forged))
    yield _job("signed by a stranger", "unknown_key", sealed(payload, by=STRANGER))
    offered = public(STRANGER)["public_key"]
    yield _job(
        "signed by a stranger who brings his key along",
        "unknown_key",
        sealed(payload, by=STRANGER),
        signing_key=offered,
    )
    yield _job("signed by a revoked key", "unknown_key", sealed(payload, by=OLDER))
    yield _job("an empty key id", "unknown_key", with_signature(signature, ""))
    yield _job("the key id in capitals", "unknown_key", with_signature(signature, ENGINE.public.key_id.upper()))
    yield _job("the whole fingerprint as key id", "unknown_key", with_signature(signature, ENGINE.public.fingerprint))


def _envelopes() -> Iterator[Case]:
    good = sealed(order().to_payload())
    yield _job("no envelope", "malformed", None)
    yield _job("a text for an envelope", "malformed", "signed")
    yield _job("a member too many in the envelope", "malformed", good | {"alg": "none"})
    yield _job("a member missing in the envelope", "malformed", {k: v for k, v in good.items() if k != "payloadType"})
    yield _job("a key in the signature", "malformed", good | {"signatures": [good["signatures"][0] | {"jwk": {}}]})
    yield _job("signatures that are no list", "malformed", good | {"signatures": good["signatures"][0]})
    yield _job("base64 without its padding", "malformed", good | {"payload": good["payload"].rstrip("=")[:-1]})
    yield _job(
        "base64 with a line break", "malformed", good | {"payload": good["payload"][:4] + "\n" + good["payload"][4:]}
    )
    loose = base64s.encode(b"{}")[:-2] + "1="
    yield _job("base64 with stray bits at its end", "malformed", good | {"payload": loose})
    yield _job("more signatures than are looked at", "too_large", good | {"signatures": good["signatures"] * 5})
    yield _job(
        "a cancel sent as a job",
        "unsupported_type",
        sealed(CancelOrder(RUN_ID, GUID, NOW, NOW + 60).to_payload(), kind=CANCEL_TYPE),
    )
    yield _job("another type", "unsupported_type", sealed(order().to_payload(), kind="application/json"))
    yield _job("the type in capitals", "unsupported_type", sealed(order().to_payload(), kind=JOB_TYPE.upper()))


def _orders() -> Iterator[Case]:
    for name, code, changes in (
        ("for another device", "wrong_device", {"device_guid": "00000000-0000-4000-8000-000000000000"}),
        ("for this device's GUID in small letters", "wrong_device", {"device_guid": GUID.lower()}),
        ("for the signed-in user's agent", "wrong_context", {"context": RunContext.INTERACTIVE.value}),
        ("for a context that does not exist", "wrong_context", {"context": "root"}),
        ("for a named user, and to be run by the service", "malformed", {"user": "ada"}),
        ("for a user without a name", "malformed", {"user": ""}),
        ("expired a second ago", "expired", {"issued_at": NOW - 100, "expires_at": NOW - 1}),
        ("expires at this very moment", "expired", {"issued_at": NOW - 100, "expires_at": NOW}),
        ("from the future", "not_yet_valid", {"issued_at": NOW + CLOCK_SKEW_SECONDS + 1, "expires_at": NOW + 9999}),
        ("a script type that does not exist", "unsupported_type", {"script_type": "perl"}),
        ("more files than are taken", "too_large", {"files": [_file(f"f{n}") for n in range(MAX_FILES + 1)]}),
        ("files that are too large together", "too_large", {"files": [_file("a", MAX_FILES_BYTES), _file("b", 1)]}),
        (
            "too many environment entries",
            "too_large",
            {"environment": {f"E{n}": "" for n in range(MAX_ENVIRONMENT_ENTRIES + 1)}},
        ),
        ("too many variables", "too_large", {"variables": [{"name": f"v{n}"} for n in range(MAX_VARIABLES + 1)]}),
    ):
        yield _altered(name, code, **changes)


def _file(name: str, size: int = 0, digest: str = "0" * 64) -> dict[str, Any]:
    return {"name": name, "sha256": digest, "size": size}


def _shapes() -> Iterator[Case]:
    text = order().to_payload()
    yield _altered("an unknown member", "malformed", run_as="root")
    yield _altered("a missing member", "malformed", expires_at=...)
    yield _altered("an unknown member that only itself calls optional", "malformed", optional="run_as", run_as="root")
    for name, changes in (
        ("a job id that is a truth value", {"job_id": True}),
        ("an empty job id", {"job_id": ""}),
        ("an empty run id", {"run_id": ""}),
        ("a run id that is a number", {"run_id": 7}),
        ("a negative time-out", {"timeout_seconds": -1}),
        ("a time-out of half a second", {"timeout_seconds": 0.5}),
        ("a time-out beyond a day", {"timeout_seconds": MAX_TIMEOUT_SECONDS + 1}),
        ("expires before it was issued", {"issued_at": NOW, "expires_at": NOW - 1}),
        ("a time that is a text", {"issued_at": str(NOW)}),
        ("a negative time", {"issued_at": -1}),
        ("a digest in capitals", {"script_sha256": "AB" * 32}),
        ("a digest that is too short", {"script_sha256": "ab"}),
        ("an environment value that is a number", {"environment": {"A": 1}}),
        ("an environment name with an equals sign", {"environment": {"A=B": "x"}}),
        ("an environment value with a NUL", {"environment": {"A": "x\0y"}}),
        ("an environment that is a list", {"environment": ["A=1"]}),
        ("a variable without a name", {"variables": [{"value": "x"}]}),
        ("a variable that is a text", {"variables": ["x"]}),
        ("a file in a folder", {"files": [_file("../evil")]}),
        ("a file with a drive letter", {"files": [_file("C:evil")]}),
        ("a file named as a device of Windows", {"files": [_file("NUL .txt")]}),
        ("a file named dot dot", {"files": [_file("..")]}),
        ("a file name that is longer than file systems take", {"files": [_file("ü" * 128)]}),
        ("two files whose names differ in case only", {"files": [_file("a.TXT"), _file("A.txt")]}),
        ("a file with a member too many", {"files": [_file("a") | {"mode": "0777"}]}),
        ("a file of negative size", {"files": [_file("a", -1)]}),
    ):
        yield _altered(name, "malformed", **changes)
    yield _raw("a list for a payload", "malformed", b"[]")
    yield _raw("nothing for a payload", "malformed", b"")
    yield _raw("bytes that are not UTF-8", "malformed", text.replace("ë".encode(), b"\xeb"))
    yield _raw("a byte order mark", "malformed", b"\xef\xbb\xbf" + text)
    yield _raw("a name twice, the second one other", "malformed", text[:-1] + b',"timeout_seconds":0}')
    yield _raw("a name twice, once written with an escape", "malformed", text[:-1] + b',"timeout\\u005fseconds":60}')
    yield _raw("not a number", "malformed", text.replace(b'"timeout_seconds":60', b'"timeout_seconds":NaN'))
    yield _raw(
        "a number that overflows", "malformed", text.replace(b'"timeout_seconds":60', b'"timeout_seconds":1e999')
    )
    yield _raw(
        "a whole number beyond 64 bits", "malformed", text.replace(b'"job_id":42', b'"job_id":9223372036854775808')
    )
    yield _raw("half of a surrogate pair", "malformed", text.replace("Zoë".encode(), b"\\ud800"))
    yield _raw("a comma at the end", "malformed", text[:-1] + b",}")
    yield _raw("something behind the object", "malformed", text + b"{}")
    deep = b"[" * 40 + b"]" * 40
    yield _raw("nested too deeply", "malformed", text.replace(b'"all"', deep))


def _surroundings() -> Iterator[Case]:
    good = sealed(order().to_payload())
    event = job_event(good)
    file = event["files"][0]
    changed = base64s.encode(SCRIPT.encode() + b"rm -rf /\n")
    yield _job("another script", "digest_mismatch", good, script_content=changed)
    yield _job("no script", "digest_mismatch", good, script_content="")
    yield _job(
        "the script with other line ends",
        "digest_mismatch",
        good,
        script_content=base64s.encode(SCRIPT.replace("\n", "\r\n").encode()),
    )
    other = base64s.encode(FILE_DATA.upper())
    yield _job("another content of a file", "digest_mismatch", good, files=[file | {"data": other}])
    yield _job("a file that is missing", "digest_mismatch", good, files=[])
    yield _job("a file too many", "digest_mismatch", good, files=[file, file | {"file_name": "more.txt"}])
    yield _job("a file by another name", "digest_mismatch", good, files=[file | {"file_name": "other.txt"}])
    yield _job("the same file twice", "malformed", good, files=[file, file])
    yield _job("a script that is not base64", "malformed", good, script_content="echo hi")
    yield _job("a script that is not UTF-8", "malformed", good, script_content=base64s.encode(b"\xff\xfe"))
    yield _job("a script in an unknown encoding", "malformed", good, script_encoding="gzip")
    yield _case("a list for a message", "quick_job_run", [event], code="malformed")


def _cancels() -> Iterator[Case]:
    def cancel(name: str, code: str, **changes: Any) -> Case:
        value: dict[str, Any] = {"run_id": RUN_ID, "device_guid": GUID, "issued_at": NOW, "expires_at": NOW + 60}
        payload = strict_json.canonical({k: v for k, v in (value | changes).items() if v is not ...})
        return _case(name, "quick_job_cancel", {"envelope": sealed(payload, kind=CANCEL_TYPE)}, code=code)

    yield cancel("a cancel for another device", "wrong_device", device_guid="other")
    yield cancel("a cancel that expired", "expired", issued_at=NOW - 9, expires_at=NOW - 1)
    yield cancel("a cancel from the future", "not_yet_valid", issued_at=NOW + 121, expires_at=NOW + 999)
    yield cancel("a cancel without a run id", "malformed", run_id=...)
    yield cancel("a cancel with a member too many", "malformed", all=True)
    unsigned = {"payloadType": CANCEL_TYPE, "payload": base64s.encode(b"{}"), "signatures": []}
    yield _case("a cancel that nobody signed", "quick_job_cancel", {"envelope": unsigned}, code="bad_signature")
    bare = {"job_id": 42, "run_id": RUN_ID}
    yield _case("a cancel without an envelope", "quick_job_cancel", bare, code="malformed")
    job = sealed(order().to_payload())
    yield _case("a job sent as a cancel", "quick_job_cancel", {"envelope": job}, code="unsupported_type")


def _statements() -> Iterator[Case]:
    def statement(name: str, code: str, by: Any = ENGINE, **changes: Any) -> Case:
        value = {"keys": [public(NEXT)], "revoked": [], "issued_at": NOW} | changes
        envelope = sealed(strict_json.canonical(value), kind=KEYS_TYPE, by=by)
        return _case(name, "signing_keys_changed", {"envelope": envelope}, code=code)

    yield statement("keys named by a stranger", "unknown_key", STRANGER)
    yield statement("keys named by a revoked key", "unknown_key", OLDER)
    yield statement("keys that name themselves", "unknown_key", NEXT)
    yield statement("a key statement as old as the last", "replayed", issued_at=OLD_STATEMENT)
    yield statement("no keys", "malformed", keys=[])
    yield statement("a key that was revoked for ever", "malformed", keys=[public(OLDER)])
    yield statement("keys that are all revoked at once", "malformed", revoked=[NEXT.public.key_id])
    yield statement("a key id of another key", "malformed", keys=[public(NEXT) | {"key_id": ENGINE.public.key_id}])
    x25519 = base64s.encode(bytes.fromhex("302a300506032b656e032100") + NEXT.public.raw)
    yield statement("a key of another algorithm", "malformed", keys=[{"key_id": "0" * 16, "public_key": x25519}])
    yield statement("an unknown member in a key statement", "malformed", force=True)
