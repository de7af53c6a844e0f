"""What travels to a device: ``quick_job_run`` and ``quick_job_cancel`` as JSON objects; pure."""

from typing import Any

import msgspec

from borealis_engine.activity import JobContent, LiveRun
from borealis_wire import base64s
from borealis_wire.events import RUN_MODES
from borealis_wire.limits import CANCEL_LIFETIME_SECONDS
from borealis_wire.messages import FilePayload, QuickJobRun
from borealis_wire.orders import CancelOrder


def job_message(job: JobContent, run: LiveRun, envelope: dict[str, Any]) -> QuickJobRun:
    """``quick_job_run`` with upstream's members (upstream-contract 5) around the envelope."""
    return QuickJobRun(
        job_id=run.id,
        run_id=run.run_id,
        target_hostname=run.hostname,
        script_type=job.script_type,
        script_name=job.script_name,
        script_content=base64s.encode(job.script),
        envelope=envelope,
        environment=job.environment,
        variables=list(job.variables),
        timeout_seconds=job.timeout_seconds,
        files=[
            FilePayload(file_name=file["file_name"], size=file["size"], mime_type=file["mime_type"], data=file["data"])
            for file in job.files
        ],
        run_mode=RUN_MODES[run.context],
        signature=job.script_signature,
        signing_key=job.signing_key,
        context={"assembly_source": "", "run_id": run.run_id},
    )


def job_payload(job: JobContent, run: LiveRun, envelope: dict[str, Any]) -> dict[str, Any]:
    """:func:`job_message` as plain JSON for the socket."""
    message = msgspec.structs.asdict(job_message(job, run, envelope))
    message["files"] = [msgspec.structs.asdict(file) for file in message["files"]]
    return message


def cancel_order(run: LiveRun, now: float) -> CancelOrder:
    """The order that ends a run, fresh for each push."""
    return CancelOrder(run.run_id, run.guid, issued_at=now, expires_at=now + CANCEL_LIFETIME_SECONDS)


def cancel_payload(run: LiveRun, envelope: dict[str, Any]) -> dict[str, Any]:
    """``quick_job_cancel``: only ``envelope`` is believed."""
    return {"job_id": run.id, "run_id": run.run_id, "envelope": envelope}
