"""What the test vectors are made of: fixed keys, one device, one moment."""

import hashlib
from typing import Any, Final

from borealis_wire import base64s, strict_json
from borealis_wire.envelope import JOB_TYPE, seal
from borealis_wire.events import RunContext, ScriptType
from borealis_wire.keys import SigningKey
from borealis_wire.orders import FileDigest, JobOrder

NOW: Final = 1_760_000_000
GUID: Final = "3F2504E0-4F89-41D3-9A0C-0305E82C3301"
RUN_ID: Final = "6f1d8a52-0c4e-4b7e-9d53-2f6a1b3c4d5e"
SCRIPT: Final = "#!/bin/sh\necho 'grüße'\n"
FILE_DATA: Final = b"line one\nline two\n"


def octets(label: str) -> bytes:
    """32 bytes that are the same for ever."""
    return hashlib.sha256(f"borealis test vector: {label}".encode()).digest()


def key(label: str) -> SigningKey:
    """The private key of a label; good for tests alone, everybody has it."""
    return SigningKey.from_seed(octets(f"key {label}"))


DEVICE: Final = key("device")
ENGINE: Final = key("engine")
NEXT: Final = key("engine next")
STRANGER: Final = key("stranger")


def order(**changes: Any) -> JobOrder:
    """A job order that the device of these vectors runs."""
    members: dict[str, Any] = {
        "job_id": 42,
        "run_id": RUN_ID,
        "device_guid": GUID,
        "context": RunContext.SYSTEM,
        "script_type": ScriptType.BASH,
        "script_sha256": hashlib.sha256(SCRIPT.encode()).hexdigest(),
        "issued_at": NOW,
        "expires_at": NOW + 3600,
        "timeout_seconds": 60,
        "files": (FileDigest("data.txt", hashlib.sha256(FILE_DATA).hexdigest(), len(FILE_DATA)),),
        "environment": {"NAME": "Zoë", "A": "1"},
        "variables": ({"name": "target", "value": "all", "type": "string"},),
    }
    return JobOrder(**(members | changes))


def job_event(envelope: Any, **changes: Any) -> dict[str, Any]:
    """The payload of ``quick_job_run`` around an envelope."""
    payload: dict[str, Any] = {
        "job_id": 42,
        "run_id": RUN_ID,
        "target_hostname": "lab-7",
        "script_type": "bash",
        "script_name": "greet",
        "script_content": base64s.encode(SCRIPT.encode()),
        "script_encoding": "base64",
        "files": [
            {
                "file_name": "data.txt",
                "size": len(FILE_DATA),
                "mime_type": "text/plain",
                "data": base64s.encode(FILE_DATA),
            }
        ],
        "run_mode": "system",
        "envelope": envelope,
    }
    return payload | changes


def sealed(payload: bytes, *, kind: str = JOB_TYPE, by: SigningKey = ENGINE) -> dict[str, Any]:
    """An envelope around any bytes."""
    return seal(kind, payload, by)


def members(source: JobOrder | None = None) -> dict[str, Any]:
    """The order's payload as an object, to be altered and signed again."""
    value = strict_json.loads((source or order()).to_payload(), max_bytes=1 << 20)
    assert isinstance(value, dict)
    return value


def public(signing_key: SigningKey) -> dict[str, str]:
    """A public key as it travels."""
    return {"key_id": signing_key.public.key_id, "public_key": signing_key.public.spki_base64}
