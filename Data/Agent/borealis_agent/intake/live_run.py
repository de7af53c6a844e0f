"""A run that is being carried out: its task, its live output, and the result that comes of it."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from borealis_agent.intake.ports import Door
from borealis_agent.link import NotConnected
from borealis_agent.role_api import JobOutcome, VerifiedJob
from borealis_base.clock import Clock
from borealis_wire.events import DeviceEvent, RunStatus
from borealis_wire.messages import JobResult

OUTPUT_SECONDS: Final = 5.0
"""How long a script may be held up by an Engine that does not acknowledge its output."""
MUTED_SECONDS: Final = 15.0
_MAX_REASON: Final = 1024

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class LiveRun:
    """One run. ``ending`` is set before its task is cancelled: the status it is to end with, and why."""

    job: VerifiedJob
    task: "asyncio.Task[None] | None" = None
    started: bool = False
    ending: tuple[RunStatus, str] | None = None
    told: "asyncio.Future[JobResult] | None" = field(default=None)
    """The result, where an upstream-style role tells it by itself."""

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.job.order.run_id

    def end(self, status: RunStatus, reason: str) -> None:
        """Cancel it, whatever it is doing; the first reason counts. Before its task has run at all, it need not."""
        if self.ending is None:
            self.ending = (status, reason)
            if self.started and self.task is not None:
                self.task.cancel()

    def result(self, outcome: JobOutcome) -> JobResult:
        """What the Engine is told, with the context of the order echoed as upstream's agents do."""
        order, context = self.job.order, self.job.payload.get("context")
        status, reason = self.ending or (outcome.status, outcome.reason)
        return JobResult(
            run_id=order.run_id,
            job_id=order.job_id,
            status=status.value,
            stdout=outcome.stdout,
            stderr=outcome.stderr,
            exit_code=outcome.exit_code,
            reason=reason[:_MAX_REASON],
            started_at=outcome.started_at,
            finished_at=outcome.finished_at,
            context=context if isinstance(context, dict) else {},
            recap=dict(outcome.recap),
        )


class LiveSink:
    """Live output of one run. ``seq`` counts without gaps: a piece that was not acknowledged is sent again, as it was.

    While nobody hears us, pieces are dropped here; the result holds the output.
    """

    def __init__(self, run: LiveRun, door: Door, clock: Clock) -> None:
        self._order = run.job.order
        self._door = door
        self._clock = clock
        self._seq = 0
        self._unsettled: dict[str, Any] | None = None
        self._muted_until = 0.0

    async def __call__(self, stream: str, text: str) -> None:
        """Send one piece and wait for its acknowledgement: that is the back-pressure."""
        if not self._door.connected or self._clock.monotonic() < self._muted_until:
            return
        if self._unsettled is not None and not await self._send(self._unsettled):
            return
        piece = {"job_id": self._order.job_id, "run_id": self._order.run_id}
        await self._send({**piece, "seq": self._seq, "stream": stream, "data": text})

    async def _send(self, piece: dict[str, Any]) -> bool:
        self._unsettled, self._seq = piece, piece["seq"] + 1
        try:
            await self._door.call(DeviceEvent.QUICK_JOB_OUTPUT, piece, timeout=OUTPUT_SECONDS)
        except NotConnected:
            return False
        except TimeoutError:
            self._muted_until = self._clock.monotonic() + MUTED_SECONDS
            log.debug("-- live output of %s is not acknowledged; muted for a while", self._order.run_id)
            return False
        self._unsettled = None
        return True
