"""Handing runs to devices: drives the lanes over sockets and polls, and ends what must not wait any longer."""

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_engine.activity import ActivityService, LiveRun
from borealis_engine.core.errors import EngineError
from borealis_engine.core.log import get_logger
from borealis_engine.dispatch import payloads, results
from borealis_engine.dispatch.lanes import (
    MAX_IN_FLIGHT,
    POLL_LEASE_SECONDS,
    Answer,
    Lane,
    read_answer,
)
from borealis_engine.dispatch.ports import DeviceLink, Devices, OrderSealer
from borealis_wire.envelope import CANCEL_TYPE
from borealis_wire.events import RunContext, RunStatus
from borealis_wire.limits import CLOCK_SKEW_SECONDS, MAX_TIMEOUT_SECONDS
from borealis_wire.messages import JobOutput, JobResult, QuickJobRun

MAX_FAN_OUT: Final = 200
ACK_SECONDS: Final = 15.0
TICK_SECONDS: Final = 1.0
MAX_POLL_JOBS: Final = 16
MAX_POLL_BYTES: Final = 8 * 1024 * 1024
DOUBTED_GRACE_SECONDS: Final = 300.0
"""A run that its device does not list any more is given this long past its timeout before it counts as lost."""
SILENT_GRACE_SECONDS: Final = 7 * 24 * 3600.0
"""The same for a run whose device has not come back."""

LaneKey = tuple[str, RunContext, str]
log = get_logger("dispatch")


class Dispatcher:
    """Every run that is not over sits in one lane here until its end is recorded."""

    def __init__(
        self,
        *,
        activity: ActivityService,
        devices: Devices,
        sealer: OrderSealer,
        clock: Clock,
        max_fan_out: int = MAX_FAN_OUT,
    ) -> None:
        self._activity = activity
        self._devices = devices
        self._sealer = sealer
        self._clock = clock
        self._max_fan_out = max_fan_out
        self._link: DeviceLink | None = None
        self._tasks: Supervisor | None = None
        self._lanes: dict[LaneKey, Lane] = {}
        self._ready: deque[tuple[Lane, str]] = deque()
        self._sending: set[str] = set()
        self._active = 0
        self._deadlines: list[tuple[float, str]] = []
        self._doubted: set[str] = set()

    def bind_link(self, link: DeviceLink) -> None:
        """Give it the sockets; ``app`` calls this once ``gateway`` exists."""
        self._link = link

    async def start(self) -> None:
        """Take over the runs that were not over when the Engine ended."""
        self.submit(self._activity.live_runs())

    # --- from jobs

    def route(self, run: LiveRun) -> bool:
        """Choose whose agent gets a new run; gives whether it would be handed out at once.

        Its ``sent_at`` is then written with it.
        """
        if run.run_as_user:
            run.ran_as_user = run.run_as_user
        elif run.context is RunContext.INTERACTIVE and self._link is not None:
            run.ran_as_user = self._link.user_for(run.guid) or ""
        return self._reachable(_key_of(run))

    def submit(self, runs: Iterable[LiveRun]) -> None:
        """Recorded runs: hand them out, now or when their device comes. Never waits."""
        touched: dict[LaneKey, Lane] = {}
        for run in runs:
            lane = self._lane(_key_of(run))
            lane.add(run.run_id, held=run.status == RunStatus.RUNNING, cancel=run.cancel_requested)
            heapq.heappush(self._deadlines, (self._deadline(run), run.run_id))
            touched[lane.key] = lane
        for lane in touched.values():
            self._pump(lane)

    def cancel(self, run: LiveRun) -> None:
        """A cancel was recorded: push the order now and at each reconnect, or forget a run that is over."""
        lane = self._lanes.get(_key_of(run))
        if lane is None:
            return
        if run.over:
            self._forget(run)
        else:
            lane.request_cancel(run.run_id)
            self._pump(lane)

    # --- from the doors

    async def device_ready(self, guid: str, context: RunContext, running: set[str], *, user: str = "") -> None:
        """A socket registered; ``running`` are the runs that the device has in its journal or outbox.

        Raises:
            Unavailable: the database is gone; the runs are offered by the next tick that can.
        """
        unclaimed = self._lanes.get((guid, context, ""))
        if user and unclaimed is not None:
            # Handed to this user's agent while it named nobody; it has them, and will tell how they end.
            for run_id in running & set(unclaimed.slots):
                if (run := self._activity.live(run_id)) is not None:
                    self._adopt(run, user)
        await self._resume(self._lanes.get((guid, context, user)), running)
        if user and unclaimed is not None:
            self._pump(unclaimed)

    async def _resume(self, lane: Lane | None, running: set[str]) -> None:
        if lane is None:
            return
        lane.session_began(running)
        for run_id in list(lane.slots):
            run = self._activity.live(run_id)
            if run is None:
                lane.remove(run_id)
            elif run_id in running:
                if await self._activity.mark_sent(run):
                    self._activity.accepted(run)
            elif run.cancel_requested and run.status == RunStatus.PENDING:
                await self._push_cancel(run)  # it may still be on its way; the device then knows what to do
                await self._end(run, RunStatus.CANCELLED, "cancelled_unconfirmed")
            elif run.status == RunStatus.RUNNING:
                self._doubted.add(run_id)
                heapq.heappush(self._deadlines, (self._deadline(run), run_id))
        self._pump(lane)

    async def work_for_poll(
        self, guid: str, context: RunContext, *, user: str = ""
    ) -> tuple[list[QuickJobRun], list[dict[str, Any]]]:
        """Jobs and cancel orders for an agent that asks by REST. Fetched is not accepted: what brings no result
        is handed out again.

        Raises:
            Unavailable: the database is gone.
        """
        if not self._may_work(guid):
            return [], []
        unclaimed = self._lanes.get((guid, context, ""))
        if user and unclaimed is not None:
            self._reroute(unclaimed, user)
        lane = self._lanes.get((guid, context, user))
        if lane is None:
            return [], []
        now = self._clock.monotonic()
        jobs: list[QuickJobRun] = []
        size = 0
        for run_id in lane.take_due(now, limit=MAX_POLL_JOBS, lease=POLL_LEASE_SECONDS):
            run = self._activity.live(run_id)
            if run is None or run_id in self._sending:
                continue
            content = await self._activity.content(run.job_id)
            if jobs and size + content.size > MAX_POLL_BYTES:
                lane.give_back(run_id)
                continue
            envelope = await self._activity.sealed_order(run)
            if await self._activity.mark_sent(run):
                run.offers += 1
                size += content.size
                jobs.append(payloads.job_message(content, run, envelope))
        cancels = [self._sealed_cancel(run) for run in map(self._activity.live, lane.take_cancels(now)) if run]
        return jobs, cancels

    async def device_result(
        self, guid: str, context: RunContext, result: JobResult, *, user: str = ""
    ) -> dict[str, str]:
        """Record what a device says about a run; gives the acknowledgement.

        Unknown runs, repeats, and other devices', contexts' or users' runs change nothing and are acknowledged with
        ``ignored``, so that no outbox repeats them for ever.

        Raises:
            Invalid: ``invalid_status``: not a status that a device may report.
            Unavailable: not recorded; the device must send it again.
        """
        run = await self._activity.find(result.run_id, guid, context, user)
        if run is not None and user and not run.ran_as_user and run.sent_at is not None:
            self._adopt(run, user)
        verdict = results.judge(run, result, self._clock.now())
        if run is None or verdict.ignored:
            log.info("ignored a result", guid=guid, run_id=result.run_id, why=verdict.ignored)
            return {"status": "ok", "ignored": verdict.ignored}
        if verdict.outcome is None:
            await self._apply(run, verdict.answer, "")
            return {"status": "ok"}
        recorded = await self._activity.ended_by_device(run, verdict.outcome)
        self._forget(run)
        return {"status": "ok"} if recorded else {"status": "ok", "ignored": "repeated"}

    async def device_output(self, guid: str, context: RunContext, output: JobOutput, *, user: str = "") -> None:
        """Keep a piece of live output; pieces of runs that are over, unknown or not this device's are dropped."""
        run = self._activity.live(output.run_id)
        if run is None or not run.is_told_by(guid, context, user) or run.sent_at is None:
            return
        if run.status == RunStatus.PENDING:
            await self._apply(run, Answer.ACCEPTED, "")
        self._activity.take_output(run, output)

    # --- the driver

    async def run_loop(self) -> None:
        """Send, expire, retry; a supervised task that runs as long as the Engine."""
        async with Supervisor() as tasks:
            self._tasks = tasks
            try:
                while True:
                    try:
                        await self.tick()
                    except EngineError as error:
                        log.warning("dispatch waits", error_code=error.code)
                    await self._clock.sleep(TICK_SECONDS)
            finally:
                self._tasks = None

    async def tick(self) -> None:
        """Expire what is due, end the runs of devices that were removed, offer again what was not answered.

        Raises:
            Unavailable: the database is gone; the next tick goes on.
        """
        await self._expire()
        for lane in list(self._lanes.values()):
            state = self._devices.auth_state(lane.guid)
            if state is None or state.status in {"revoked", "decommissioned"}:
                await self._abandon(lane)
            else:
                self._pump(lane)

    def statistics(self) -> dict[str, int]:
        """Sizes, for metrics."""
        return {
            "lanes": len(self._lanes),
            "ready": len(self._ready),
            "sending": self._active,
            "deadlines": len(self._deadlines),
        }

    def _may_work(self, guid: str) -> bool:
        state = self._devices.auth_state(guid)
        return state is not None and state.status == "active"

    def _reachable(self, key: LaneKey) -> bool:
        return self._link is not None and self._link.has_session(*key) and self._may_work(key[0])

    def _lane(self, key: LaneKey) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(*key)
        return lane

    def _pump(self, lane: Lane) -> None:
        if lane.context is RunContext.INTERACTIVE and self._link is not None and not self._reachable(lane.key):
            user = self._link.user_for(lane.guid)
            if user is not None and user != lane.user:
                self._reroute(lane, user)
                if (taker := self._lanes.get((lane.guid, lane.context, user))) is not None:
                    self._hand_out(taker)
        self._hand_out(lane)

    def _reroute(self, lane: Lane, user: str) -> None:
        """Give to ``user`` what any signed-in user may run and nobody has been offered."""
        for run_id in list(lane.slots):
            run = self._activity.live(run_id)
            if run is not None and run.reroutable and run_id not in self._sending:
                self._move(lane, run, user)

    def _move(self, lane: Lane, run: LiveRun, user: str) -> None:
        self._lane((lane.guid, lane.context, user)).slots[run.run_id] = lane.slots.pop(run.run_id)
        run.ran_as_user, run.rerouted = user, run.sent_at is not None
        if not lane.slots:
            self._lanes.pop(lane.key, None)

    def _adopt(self, run: LiveRun, user: str) -> None:
        """This user's agent got it while it named nobody."""
        lane = self._lanes.get(_key_of(run))
        if lane is not None and run.run_id in lane.slots:
            self._move(lane, run, user)
        else:
            run.ran_as_user = user

    def _hand_out(self, lane: Lane) -> None:
        if self._tasks is None or not self._reachable(lane.key):
            return
        now = self._clock.monotonic()
        for run_id in lane.take_cancels(now):
            run = self._activity.live(run_id)
            if run is not None:
                self._tasks.start("push cancel", self._push_cancel(run))
        for run_id in lane.take_due(now, limit=MAX_IN_FLIGHT):
            if run_id not in self._sending:
                self._sending.add(run_id)
                self._ready.append((lane, run_id))
        self._spawn()

    def _spawn(self) -> None:
        while self._ready and self._active < self._max_fan_out and self._tasks is not None:
            lane, run_id = self._ready.popleft()
            self._active += 1
            self._tasks.start("send run", self._send(lane, run_id))

    async def _send(self, lane: Lane, run_id: str) -> None:
        answered = False
        run = self._activity.live(run_id)
        try:
            if run is not None:
                answer, reason = await self._offer(run)
                await self._apply(run, answer, reason)
                answered = True
        except EngineError as error:
            log.warning("could not send a run", run_id=run_id, error_code=error.code)
        finally:
            self._sending.discard(run_id)
            self._active -= 1
            if not answered:
                lane.answered(run_id, Answer.LOST, self._clock.monotonic())
            self._spawn()
            self._pump(lane)

    async def _offer(self, run: LiveRun) -> tuple[Answer, str]:
        content = await self._activity.content(run.job_id)
        envelope = await self._activity.sealed_order(run)
        if self._link is None or not await self._activity.mark_sent(run):
            if run.cancel_requested and not run.over and run.offers == 0:
                await self._end(run, RunStatus.CANCELLED, "cancelled_before_sent")
            return Answer.LOST, ""
        sent_before = run.offers > 0
        run.offers += 1
        try:
            async with asyncio.timeout(ACK_SECONDS):
                payload = payloads.job_payload(content, run, envelope)
                ack = await self._link.send_job(run.guid, run.context, payload, user=run.ran_as_user)
        except TimeoutError:
            ack = None
        return read_answer(ack, sent_before=sent_before)

    async def _apply(self, run: LiveRun, answer: Answer, reason: str) -> None:
        if answer == Answer.REFUSED:
            await self._activity.ended_by_device(run, results.refusal(reason))
            self._forget(run)
            return
        if answer == Answer.ACCEPTED:
            self._activity.accepted(run)
            if run.status == RunStatus.RUNNING:
                heapq.heappush(self._deadlines, (self._deadline(run), run.run_id))
        lane = self._lanes.get(_key_of(run))
        if lane is not None:
            lane.answered(run.run_id, answer, self._clock.monotonic())

    async def _push_cancel(self, run: LiveRun) -> None:
        if self._link is not None:
            await self._link.send_cancel(run.guid, run.context, self._sealed_cancel(run), user=run.ran_as_user)

    def _sealed_cancel(self, run: LiveRun) -> dict[str, Any]:
        order = payloads.cancel_order(run, self._clock.now())
        return payloads.cancel_payload(run, self._sealer.seal(CANCEL_TYPE, order.to_payload()))

    def _deadline(self, run: LiveRun) -> float:
        """When the Engine gives a run up, in Unix seconds."""
        if run.status == RunStatus.PENDING:
            return run.expires_at + (CLOCK_SKEW_SECONDS if run.sent_at is not None else 0)
        grace = DOUBTED_GRACE_SECONDS if run.run_id in self._doubted else SILENT_GRACE_SECONDS
        return (run.accepted_at or run.created_at) + (run.timeout_seconds or MAX_TIMEOUT_SECONDS) + grace

    async def _expire(self) -> None:
        now = self._clock.now()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, run_id = self._deadlines[0]
            run = self._activity.live(run_id)
            if run is not None and (deadline := self._deadline(run)) > now:
                heapq.heapreplace(self._deadlines, (deadline, run_id))
                continue
            if run is not None:
                if run.status == RunStatus.RUNNING:
                    await self._end(run, RunStatus.INTERRUPTED, "device_lost")
                elif run.cancel_requested:
                    await self._end(run, RunStatus.CANCELLED, "cancelled_unconfirmed")
                else:
                    await self._end(run, RunStatus.EXPIRED, "expired")
            heapq.heappop(self._deadlines)

    async def _abandon(self, lane: Lane) -> None:
        for run_id in list(lane.slots):
            run = self._activity.live(run_id)
            if run is None:
                lane.remove(run_id)
            else:
                to = RunStatus.INTERRUPTED if run.status == RunStatus.RUNNING else RunStatus.CANCELLED
                await self._end(run, to, "device_revoked")
        if not lane.slots:
            self._lanes.pop(lane.key, None)

    async def _end(self, run: LiveRun, to: RunStatus, reason: str) -> None:
        if run.over or await self._activity.ended_by_engine(run, to, reason):
            self._forget(run)

    def _forget(self, run: LiveRun) -> None:
        self._doubted.discard(run.run_id)
        lane = self._lanes.get(_key_of(run))
        if lane is None:
            return
        lane.remove(run.run_id)
        if lane.slots:
            self._pump(lane)
        else:
            del self._lanes[lane.key]


def _key_of(run: LiveRun) -> LaneKey:
    return run.guid, run.context, run.ran_as_user
