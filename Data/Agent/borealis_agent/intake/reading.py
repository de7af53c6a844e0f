"""Shapes of what comes from the Engine and from upstream-style roles, as far as nobody vouches for them; pure."""

from typing import Any, Final

from borealis_wire.events import DEVICE_RESULT_STATUSES, RunStatus
from borealis_wire.limits import MAX_RESULT_STREAM_BYTES
from borealis_wire.messages import JobResult
from borealis_wire.orders import JobOrder
from borealis_wire.refusal import Refused

MAX_RUN_ID: Final = 64
_COMPLETED: Final = {"completed": RunStatus.SUCCESS, "ok": RunStatus.SUCCESS, "error": RunStatus.FAILED}


def run_id_of(payload: Any) -> str:
    """The run that a message claims to be about; empty where it names none. Nothing but a refusal is said by it."""
    value = payload.get("run_id") if isinstance(payload, dict) else None
    return value if isinstance(value, str) and 1 <= len(value) <= MAX_RUN_ID else ""


def refusal_result(payload: dict[str, Any], run_id: str, refusal: Refused, now: float) -> JobResult:
    """``quick_job_result`` that tells the Engine why a run will not begin."""
    job_id = payload.get("job_id")
    usable = isinstance(job_id, int | str) and not isinstance(job_id, bool) and len(str(job_id)) <= MAX_RUN_ID
    return JobResult(
        run_id=run_id,
        job_id=job_id if usable and job_id is not None else "",
        status=RunStatus.REFUSED.value,
        reason=refusal.code.value,
        finished_at=now,
    )


def read_told_result(payload: Any, order: JobOrder) -> JobResult | None:
    """An upstream-style role's ``quick_job_result`` about this order's run; None where it is about another, or no end.

    Upstream's roles know the job id only.
    """
    if not isinstance(payload, dict):
        return None
    context = payload.get("context")
    named = payload.get("run_id") or (context.get("run_id") if isinstance(context, dict) else None)
    if named != order.run_id and (named or str(payload.get("job_id", "")) != str(order.job_id)):
        return None
    text = str(payload.get("status", ""))
    known = {status.value.casefold(): status for status in DEVICE_RESULT_STATUSES}
    status = known.get(text.casefold()) or _COMPLETED.get(text.casefold())
    if status is None:
        return None  # Running and the like: no end
    code = payload.get("exit_code")
    return JobResult(
        run_id=order.run_id,
        job_id=order.job_id,
        status=status.value,
        stdout=_text(payload.get("stdout")),
        stderr=_text(payload.get("stderr")),
        exit_code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        reason=_text(payload.get("reason"))[:1024],
        context=context if isinstance(context, dict) else {},
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:MAX_RESULT_STREAM_BYTES]
