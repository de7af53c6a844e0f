"""Jobs and cancels as an attacker would have them: sealed by whom he likes, changed where he likes."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from borealis_wire import base64s, strict_json
from borealis_wire.envelope import CANCEL_TYPE, JOB_TYPE, KEYS_TYPE, pre_authentication_encoding, seal
from borealis_wire.events import RunContext, ScriptType
from borealis_wire.keys import SigningKey
from borealis_wire.orders import CancelOrder, FileDigest, JobOrder, KeysStatement, script_digest

THIEF: Final = SigningKey.from_seed(b"a signing key nobody has pinned."[:32])
FILES: Final = (("note.txt", b"from a file"), ("data.bin", bytes(range(256))))
Payload = dict[str, Any]


def order_for(guid: str, script: str, **changes: Any) -> JobOrder:
    """An order that is as it should be, but for ``changes``."""
    order = JobOrder(
        job_id=4711,
        run_id=str(uuid.uuid4()),
        device_guid=guid,
        context=RunContext.SYSTEM,
        script_type=ScriptType.BASH,
        script_sha256=script_digest(script.encode()),
        issued_at=time.time(),
        expires_at=time.time() + 600,
        timeout_seconds=20,
        files=tuple(FileDigest(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in FILES),
        environment={"GREETING": "hello"},
        variables=({"name": "greeting", "type": "string", "value": "hello"},),
    )
    return replace(order, **changes)


def travelling(order: JobOrder, script: str, key: SigningKey, *, payload: bytes | None = None) -> Payload:
    """``quick_job_run``; ``payload`` are other bytes to seal than the order's."""
    return {
        "job_id": order.job_id,
        "run_id": order.run_id,
        "script_type": order.script_type.value,
        "script_content": base64s.encode(script.encode()),
        "script_encoding": "base64",
        "files": [{"file_name": name, "size": len(data), "data": base64s.encode(data)} for name, data in FILES],
        "environment": dict(order.environment),
        "variables": [dict(item) for item in order.variables],
        "timeout_seconds": order.timeout_seconds,
        "run_mode": "system",
        "signature": base64s.encode(key.sign(script.encode())),
        "sig_alg": "ed25519",
        "signing_key": key.public.spki_base64,
        "envelope": seal(JOB_TYPE, order.to_payload() if payload is None else payload, key),
        "context": {"run_id": order.run_id},
    }


class Forger:
    """Makes forgeries of jobs for one device. ``engine`` is the key that the Engine signs with, for what is genuine."""

    def __init__(self, guid: str, engine: SigningKey, mark: Callable[[str], str]) -> None:
        self.guid = guid
        self.engine = engine
        self._mark = mark

    def genuine(self, name: str, **changes: Any) -> Payload:
        """As the Engine would send it; ``changes`` of the order are sealed with it."""
        script = self._mark(name)
        return travelling(order_for(self.guid, script, **changes), script, self.engine)

    def sealed_bytes(self, name: str, change: Callable[[bytes], bytes]) -> Payload:
        """Bytes of another form, under a signature that is right."""
        script = self._mark(name)
        order = order_for(self.guid, script)
        return travelling(order, script, self.engine, payload=change(order.to_payload()))

    def by_thief(self, name: str) -> Payload:
        """A whole job, sealed with a key of the thief's own."""
        script = self._mark(name)
        return travelling(order_for(self.guid, script), script, THIEF)

    def changed_payload(self, name: str, change: Callable[[bytes], bytes]) -> Payload:
        """Other bytes under the signature over the old ones."""
        job = self.genuine(name)
        sealed = base64.b64decode(job["envelope"]["payload"])
        return with_envelope(job, payload=base64s.encode(change(sealed)))

    def changed_member(self, name: str, member: str, value: Any) -> Payload:
        """One member of the sealed order changed, written just as the Engine would have."""

        def change(sealed: bytes) -> bytes:
            return strict_json.canonical({**json.loads(sealed), member: value})

        return self.changed_payload(name, change)


def with_envelope(job: Payload, **members: Any) -> Payload:
    """The same job with members of its envelope replaced."""
    return {**job, "envelope": {**job["envelope"], **members}}


def with_signature(job: Payload, signature: bytes, key_id: str | None = None) -> Payload:
    """The same job under another signature."""
    (old,) = job["envelope"]["signatures"]
    return with_envelope(job, signatures=[{"keyid": key_id or old["keyid"], "sig": base64s.encode(signature)}])


def mac_signature(job: Payload, secret: bytes) -> bytes:
    """What a library that takes the algorithm from the message would check with the public key as secret."""
    body = base64.b64decode(job["envelope"]["payload"])
    return hmac.new(secret, pre_authentication_encoding(JOB_TYPE, body), hashlib.sha512).digest()


def cancel_of(
    run_id: str, guid: str, key: SigningKey, *, issued_at: float | None = None, lasts: float = 600
) -> Payload:
    """``quick_job_cancel``."""
    issued = time.time() if issued_at is None else issued_at
    order = CancelOrder(run_id, guid, issued, issued + lasts)
    return {"run_id": run_id, "envelope": seal(CANCEL_TYPE, order.to_payload(), key)}


def keys_statement(signer: SigningKey, *trusted: SigningKey, revoked: tuple[str, ...] = ()) -> Payload:
    """``signing_keys_changed``."""
    statement = KeysStatement(tuple(key.public for key in trusted), revoked, time.time() + 1)
    return {"envelope": seal(KEYS_TYPE, statement.to_payload(), signer)}
