"""Jobs as the Engine would seal them, and verified ones without a seal, for tests of the agent."""

import hashlib
import uuid
from typing import Any

from tests.fakes.fake_clock import DEFAULT_NOW

from borealis_agent.role_api import JobFile, VerifiedJob
from borealis_wire import base64s
from borealis_wire.envelope import CANCEL_TYPE, JOB_TYPE, seal
from borealis_wire.events import RunContext, ScriptType
from borealis_wire.keys import SigningKey
from borealis_wire.orders import CancelOrder, FileDigest, JobOrder, script_digest

GUID = "11111111-2222-4333-8444-555555555555"
ENGINE_KEY = SigningKey.from_seed(b"engine signing key for the tests"[:32])


def make_order(
    script: bytes = b"true",
    *,
    run_id: str = "",
    script_type: ScriptType = ScriptType.BASH,
    context: RunContext = RunContext.SYSTEM,
    guid: str = GUID,
    issued_at: float = DEFAULT_NOW,
    lifetime: float = 3600.0,
    timeout: int = 30,
    files: tuple[JobFile, ...] = (),
    environment: dict[str, str] | None = None,
    job_id: int | str = 7,
    user: str = "",
) -> JobOrder:
    """An order for ``script``."""
    return JobOrder(
        job_id=job_id,
        run_id=run_id or str(uuid.uuid4()),
        device_guid=guid,
        context=context,
        script_type=script_type,
        script_sha256=script_digest(script),
        issued_at=issued_at,
        expires_at=issued_at + lifetime,
        timeout_seconds=timeout,
        files=tuple(FileDigest(file.name, hashlib.sha256(file.data).hexdigest(), len(file.data)) for file in files),
        environment=environment or {},
        user=user,
    )


def make_job(script: bytes | str = b"true", **options: Any) -> VerifiedJob:
    """A verified job; ``options`` as in :func:`make_order`."""
    data = script.encode() if isinstance(script, str) else script
    order = make_order(data, **options)
    return VerifiedJob(order, data, options.get("files", ()), "key", {"run_id": order.run_id, "job_id": order.job_id})


def job_payload(script: bytes | str = b"true", *, key: SigningKey = ENGINE_KEY, **options: Any) -> dict[str, Any]:
    """``quick_job_run`` as it travels, sealed with ``key``."""
    data = script.encode() if isinstance(script, str) else script
    order = make_order(data, **options)
    files = options.get("files", ())
    return {
        "job_id": order.job_id,
        "run_id": order.run_id,
        "script_type": order.script_type.value,
        "script_content": base64s.encode(data),
        "script_encoding": "base64",
        "files": [
            {"file_name": file.name, "size": len(file.data), "data": base64s.encode(file.data)} for file in files
        ],
        "run_mode": "system",
        "envelope": seal(JOB_TYPE, order.to_payload(), key),
        "context": {"run_id": order.run_id},
    }


def cancel_payload(
    run_id: str,
    *,
    key: SigningKey = ENGINE_KEY,
    guid: str = GUID,
    issued_at: float = DEFAULT_NOW,
    lifetime: float = 3600.0,
) -> dict[str, Any]:
    """``quick_job_cancel`` as it travels."""
    order = CancelOrder(run_id, guid, issued_at, issued_at + lifetime)
    return {"run_id": run_id, "envelope": seal(CANCEL_TYPE, order.to_payload(), key)}
