"""Fulfils ``link.ports.Inbox``: what becomes of every event that the Engine sends. No method raises."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from borealis_agent.intake.entry_orders import EntryOrders
from borealis_agent.intake.live_run import LiveRun, LiveSink
from borealis_agent.intake.looks import SCREEN_EVENTS, Looks
from borealis_agent.intake.ports import Door, Rest, Results, Router, Trust, Updater
from borealis_agent.intake.reading import MAX_RUN_ID, read_told_result, refusal_result, run_id_of
from borealis_agent.intake.tunnel_orders import TUNNEL_EVENTS, TunnelOrders
from borealis_agent.intake.updates import Updates
from borealis_agent.outbox import Spool
from borealis_agent.role_api import JobHandler, JobOutcome, OutputSink, VerifiedJob
from borealis_agent.trust import (
    verify_cancel,
    verify_entry,
    verify_job,
    verify_screen,
    verify_tunnel,
    verify_update,
)
from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_wire.entry import EntryKind, Order
from borealis_wire.events import SEALED_EVENTS, EngineEvent, RefusalCode, RunContext, RunStatus
from borealis_wire.limits import MAX_TIMEOUT_SECONDS
from borealis_wire.messages import JobResult
from borealis_wire.orders import CancelOrder
from borealis_wire.refusal import Refused
from borealis_wire.screen import ScreenOrder
from borealis_wire.tunnel import TunnelStart, TunnelStop
from borealis_wire.updates import UpdateOrder

MAX_RUNS: Final = 8
MAX_EARLY_CANCELS: Final = 1000
TOLD_GRACE_SECONDS: Final = 60.0

Verified = TypeVar("Verified")
log = logging.getLogger(__name__)


class Intake:
    """Takes orders for one agent. ``tasks`` is the program's supervisor; runs are its tasks.

    ``claim`` gets an envelope that holds, before its run is journalled here: where several users' agents share a
    device, somebody else keeps the journal of them all. It raises ``Refused`` or ``OSError``. ``user`` is the account
    that this agent runs as: orders that name another one are refused.
    """

    def __init__(
        self,
        *,
        trust: Trust,
        rest: Rest,
        context: RunContext,
        spool: Spool,
        router: Router,
        results: Results,
        door: Callable[[], Door],
        tasks: Supervisor,
        clock: Clock,
        max_runs: int = MAX_RUNS,
        claim: Callable[[Any], Awaitable[None]] | None = None,
        updater: Callable[[], Updater | None] = lambda: None,
        user: str = "",
    ) -> None:
        self._trust = trust
        self._rest = rest
        self._context = context
        self._user = user
        self._spool = spool
        self._router = router
        self._results = results
        self._door = door
        self._tasks = tasks
        self._clock = clock
        self._max_runs = max_runs
        self._claim = claim
        self._runs: dict[str, LiveRun] = {}
        self._early_cancels: dict[str, float] = {}
        self._stopping = False
        self._closed = False
        self._looks = Looks(verify=self._verified_screen, spool=spool, router=router, claim=claim)
        self._updates = Updates(verify=self._verified_update, spool=spool, updater=updater)
        self._tunnel_orders = TunnelOrders(verify=self._verified_tunnel, spool=spool, router=router)
        self.entry_orders = EntryOrders(verify=self._verified_entry, spool=spool)

    def report_interrupted(self) -> None:
        """At start: tell the Engine of runs that were begun and whose results are nowhere. They never start again."""
        for run in self._spool.interrupted():
            log.error("run %s was cut off when the agent ended; it is reported as Interrupted", run.run_id)
            self._results.keep(
                JobResult(
                    run_id=run.run_id,
                    job_id=run.job_id,
                    status=RunStatus.INTERRUPTED.value,
                    reason="the agent or the machine ended while the script ran",
                    started_at=run.began_at,
                    finished_at=max(run.began_at, self._clock.now()),
                )
            )

    # --- link.ports.Inbox

    def running_ids(self) -> list[str]:
        """Runs in journal or outbox."""
        return self._spool.running_ids()

    def session_began(self) -> None:
        """The Engine hears us again."""
        self._results.session_began()

    async def job_arrived(self, payload: Any, *, polled: bool = False) -> dict[str, Any]:
        """Verify, journal, begin; gives the acknowledgement."""
        try:
            await self._take_job(payload)
        except Refused as refusal:
            self._say_refused(payload, refusal, polled)
            return {"status": "refused", "reason": refusal.code.value}
        except OSError as error:
            # Not begun, so it may be offered again: by then the disk may take it.
            log.error("a job was put off: the journal cannot be written (%s). Free some disk space", error)
            return {"status": "refused", "reason": RefusalCode.BUSY.value}
        except Exception:
            log.exception("a job could not be taken")
            return {"status": "refused", "reason": RefusalCode.MALFORMED.value}
        return {"status": "accepted"}

    async def cancel_arrived(self, payload: Any) -> None:
        """Verify a cancel order, and end its run; one that has not arrived yet is remembered."""
        try:
            order = self._verified_cancel(payload)
        except Refused as refusal:
            log.warning("signature: a cancel of run %s was refused: %s", run_id_of(payload), refusal)
            return
        except Exception:
            log.exception("a cancel could not be read")
            return
        run = self._runs.get(order.run_id)
        if run is not None:
            log.info("run %s is cancelled by an operator", order.run_id)
            run.end(RunStatus.CANCELLED, "cancelled by an operator")
        elif order.run_id not in self._spool.running_ids():
            self._remember_cancel(order.run_id, order.expires_at)

    async def keys_arrived(self, payload: Any) -> None:
        """Follow a statement about signing keys, if a key that is trusted already says so."""
        try:
            self._trust.apply_statement(payload)
        except Refused:
            return  # logged there
        except OSError as error:
            log.error("a change of signing keys could not be kept (%s); the Engine tells it again", error)
        except Exception:
            log.exception("a statement about signing keys could not be read")

    async def event_arrived(self, event: str, payload: Any) -> Any:
        """Any other event: configuration, or something that a role listens to."""
        if event == EngineEvent.AGENT_CONFIG:
            listed = payload.get("roles") if isinstance(payload, dict) else None
            if isinstance(listed, list) and all(isinstance(item, dict) for item in listed):
                await self._router.config_arrived(await self._looks.configured(listed))
            return None
        if event in SCREEN_EVENTS:
            return await self._looks.arrived(event, payload)
        if event == EngineEvent.AGENT_SILENT_UPDATE:
            return await self._updates.arrived(payload)
        if event in TUNNEL_EVENTS:
            return await self._tunnel_orders.arrived(event, payload)
        if event in SEALED_EVENTS:
            # Whatever has no check here yet has no handler either: default deny.
            log.warning("signature: %s is sealed, and nothing here can verify it; refused", event)
            return {"status": "refused", "reason": RefusalCode.UNSUPPORTED_TYPE.value}
        return await self._router.tell(event, payload)

    # --- from roles

    def told_by_role(self, payload: Any) -> bool:
        """An upstream-style role emitted ``quick_job_result``; true where that is the end of a run it was handed."""
        for run in self._runs.values():
            if run.told is not None and not run.told.done():
                result = read_told_result(payload, run.job.order)
                if result is not None:
                    run.told.set_result(result)
                    return True
        return False

    # --- updating.ports.Runs

    def take_no_more(self, closed: bool) -> None:
        """Put off every new job while ``closed``; the Engine offers them again."""
        self._closed = closed

    def under_way(self) -> int:
        """How many runs have not ended."""
        return len(self._runs)

    # --- the end of the agent

    async def stop(self) -> None:
        """End every run; each is reported as Interrupted, with what it printed. Takes no more."""
        self._stopping = True
        ending = [run.task for run in self._runs.values() if run.task is not None]
        for run in list(self._runs.values()):
            run.end(RunStatus.INTERRUPTED, "the agent was stopped while the script ran")
        if ending:
            await asyncio.wait(ending)

    def statistics(self) -> dict[str, int]:
        """Sizes, for debugging."""
        return {"runs": len(self._runs), "early_cancels": len(self._early_cancels)}

    # --- inside

    async def _take_job(self, payload: Any) -> None:
        job = self._verified(payload)
        order = job.order
        if len(order.run_id) > MAX_RUN_ID:
            raise Refused(RefusalCode.MALFORMED, "the run id is too long to be reported on")
        self._spool.check(order)
        handler = self._router.job_handler(order.script_type)
        if handler is None and not self._router.hears(EngineEvent.QUICK_JOB_RUN):
            raise Refused(RefusalCode.UNSUPPORTED_TYPE, f"no role here runs {order.script_type} scripts")
        if self._closed:
            raise Refused(RefusalCode.BUSY, "the agent is about to be replaced by another version")
        if self._stopping or len(self._runs) >= self._max_runs or not self._spool.has_room(len(self._runs) + 1):
            raise Refused(RefusalCode.BUSY, f"{len(self._runs)} scripts run already, or results wait to be sent")
        run = self._runs[order.run_id] = LiveRun(job)
        try:
            if self._claim is not None:
                await self._claim(payload["envelope"])
            await self._spool.begin(order)
        except BaseException:
            del self._runs[order.run_id]
            raise
        _say_soon(
            "signature: run %s holds, signed by key %s; begun (%s)", order.run_id, job.key_id, order.script_type.value
        )
        if self._early_cancels.pop(order.run_id, None) is not None:
            run.end(RunStatus.CANCELLED, "cancelled before it began")
        run.task = self._tasks.start(f"run {order.run_id}", self._carry_out(run, handler))

    def _verified(self, payload: Any) -> VerifiedJob:
        return self._holds(verify_job, payload, context=self._context, user=self._user)

    def _verified_cancel(self, payload: Any) -> CancelOrder:
        return self._holds(verify_cancel, payload)

    def _verified_screen(self, payload: Any) -> ScreenOrder:
        return self._holds(verify_screen, payload, context=self._context, user=self._user)

    def _verified_update(self, payload: Any) -> UpdateOrder:
        return self._holds(verify_update, payload, context=self._context)

    def _verified_tunnel(self, payload: Any) -> TunnelStart | TunnelStop:
        return self._holds(verify_tunnel, payload, context=self._context)

    def _verified_entry(self, envelope: Any, kind: EntryKind[Order]) -> Order:
        verify: Callable[..., Order] = verify_entry
        return self._holds(verify, envelope, kind=kind, context=self._context)

    def _holds(self, verify: Callable[..., Verified], payload: Any, **ours: Any) -> Verified:
        """What ``verify`` makes of a payload now; ``ours``: what else it compares with. Raises ``Refused``."""

        def now() -> Verified:
            return verify(
                payload, trusted=self._trust.trusted, device_guid=self._rest.guid, now=self._clock.now(), **ours
            )

        try:
            return now()
        except Refused as refusal:
            # The other agent of this device may have heard of a new key before us.
            if refusal.code is not RefusalCode.UNKNOWN_KEY or not self._trust.reload():
                raise
        return now()

    async def _carry_out(self, run: LiveRun, handler: JobHandler | None) -> None:
        """The task of one run: ends with a result in the outbox, whatever happens."""
        run.started = True
        started = self._clock.now()
        try:
            if run.ending is not None:
                outcome = self._without_outcome(started, *run.ending)
            elif handler is not None:
                outcome = await self._handled(run, handler)
            else:
                self._results.keep(await self._told(run, started))
                return
        except asyncio.CancelledError as cancelled:
            # Only a result may come of it now: whoever cancelled has said which.
            _keep_on()
            found = getattr(cancelled, "outcome", None)
            status, reason = run.ending or (RunStatus.INTERRUPTED, "the agent was stopped while the script ran")
            outcome = found if isinstance(found, JobOutcome) else self._without_outcome(started, status, reason)
            run.ending = run.ending or (status, reason)
        except Refused as refusal:
            log.warning("run %s was refused: %s", run.run_id, refusal)
            outcome = self._without_outcome(started, RunStatus.REFUSED, refusal.code.value)
        except Exception as error:
            log.exception("run %s failed in the agent", run.run_id)
            outcome = self._without_outcome(started, RunStatus.FAILED, f"the agent could not run it: {error}")
        finally:
            self._runs.pop(run.run_id, None)
        result = run.result(outcome)
        self._results.keep(result)
        _say_soon("run %s ended: %s%s", run.run_id, result.status, f" ({result.reason})" if result.reason else "")

    async def _handled(self, run: LiveRun, handler: JobHandler) -> JobOutcome:
        sink: OutputSink = LiveSink(run, self._door(), self._clock)
        if self._router.hears(EngineEvent.QUICK_JOB_RUN):
            self._tasks.start(f"tell roles of {run.run_id}", self._tell_listeners(run))
        return await handler(run.job, sink)

    async def _tell_listeners(self, run: LiveRun) -> None:
        await self._router.tell(EngineEvent.QUICK_JOB_RUN, dict(run.job.payload))

    async def _told(self, run: LiveRun, started: float) -> JobResult:
        """Only upstream-style roles want this job: they hear it, and tell its end with ``quick_job_result``."""
        run.told = asyncio.get_running_loop().create_future()
        limit = (run.job.order.timeout_seconds or MAX_TIMEOUT_SECONDS) + TOLD_GRACE_SECONDS
        try:
            async with asyncio.timeout(limit):
                await self._tell_listeners(run)
                return await run.told
        except TimeoutError:
            reason = "the role that took the job never told how it ended"
            return run.result(self._without_outcome(started, RunStatus.TIMED_OUT, reason))

    def _without_outcome(self, started: float, status: RunStatus, reason: str) -> JobOutcome:
        return JobOutcome(status, None, "", "", started, max(started, self._clock.now()), reason)

    def _say_refused(self, payload: Any, refusal: Refused, polled: bool) -> None:
        run_id = run_id_of(payload)
        log.warning("signature: run %s was refused: %s. %s", run_id or "(none)", refusal, refusal.diagnostics())
        # ``busy`` is no end: the acknowledgement says it, and a result only where nobody hears that.
        if run_id and (polled or refusal.code is not RefusalCode.BUSY):
            self._results.mention(refusal_result(payload, run_id, refusal, self._clock.now()))

    def _remember_cancel(self, run_id: str, expires_at: float) -> None:
        now = self._clock.now()
        self._early_cancels = {known: until for known, until in self._early_cancels.items() if until > now}
        if len(self._early_cancels) < MAX_EARLY_CANCELS:
            self._early_cancels[run_id] = expires_at
            log.info("run %s is cancelled before it came", run_id)


def _say_soon(sentence: str, *parts: object) -> None:
    """Log once what is due now is done: a line costs a file's opening, and a run need not wait for that."""
    asyncio.get_running_loop().call_soon(log.info, sentence, *parts)


def _keep_on() -> None:
    """This task was cancelled and goes on for a moment, to keep the result."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
