"""The only writer of run state: what is live in memory, what is recorded, and who is told."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.activity import store
from borealis_engine.activity.announce import Announcer
from borealis_engine.activity.models import JobContent, LiveRun, Outcome
from borealis_engine.activity.output import OutputRecorder
from borealis_engine.activity.states import Party, advance
from borealis_engine.activity.waiters import Waiters
from borealis_engine.core.errors import EngineError, NotFound, Unavailable
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.log import get_logger
from borealis_engine.storage import Database
from borealis_wire.events import RunContext, RunStatus
from borealis_wire.messages import JobOutput

MAX_LIVE_RUNS: Final = 200_000
NUMBER_BLOCK: Final = 256
FLUSH_SECONDS: Final = 0.1
CONTENT_CACHE_BYTES: Final = 32 * 1024 * 1024

log = get_logger("activity")


class ActivityService:
    """Runs from birth to end. Reads for operators are in ``activity.history``."""

    def __init__(self, *, db: Database, clock: Clock, feed: ChangeFeed) -> None:
        self._db = db
        self._clock = clock
        self.waiters = Waiters()
        self.output = OutputRecorder(db=db, feed=feed, clock=clock)
        self._announce = Announcer(feed, self.waiters)
        self._live: dict[str, LiveRun] = {}
        self._accepted: dict[int, float] = {}
        self._contents: OrderedDict[str, JobContent] = OrderedDict()
        self._contents_bytes = 0
        self._numbers = (0, 0)
        self._numbers_lock = asyncio.Lock()
        self._dirty = asyncio.Event()

    async def start(self) -> None:
        """Load the runs that are not over."""
        self._live = {run.run_id: run for run in await self._db.read(store.load_live)}

    def live(self, run_id: str) -> LiveRun | None:
        """A run that is not over."""
        return self._live.get(run_id)

    def live_runs(self) -> list[LiveRun]:
        """All runs that are not over."""
        return list(self._live.values())

    # --- birth

    async def take_numbers(self, count: int) -> int:
        """Numbers for ``count`` new runs; gives the first.

        Raises:
            Unavailable: too many runs are alive already, or the database is gone.
        """
        if len(self._live) + count > MAX_LIVE_RUNS:
            raise Unavailable(
                "too_many_runs", f"{len(self._live)} runs wait or run already. Cancel some, or wait for them to end."
            )
        async with self._numbers_lock:
            first, end = self._numbers
            if end - first < count:
                block = max(NUMBER_BLOCK, count)
                first = await self._db.write(lambda conn: store.reserve_numbers(conn, block))
                end = first + block
            self._numbers = (first + count, end)
            return first

    @staticmethod
    def insert(conn: Connection, job: JobContent, runs: Sequence[LiveRun]) -> None:
        """Record a job and its runs, inside the caller's transaction; :meth:`opened` follows its commit."""
        store.insert_job(conn, job)
        store.insert_runs(conn, runs)

    def opened(self, job: JobContent, runs: Iterable[LiveRun]) -> None:
        """They are recorded: keep them in memory and tell operators."""
        self._remember(job)
        for run in runs:
            self._live[run.run_id] = run
            self._announce.created(run)

    async def content(self, job_id: str) -> JobContent:
        """What a job says, from memory if it was used lately.

        Raises:
            NotFound: no such job.
        """
        job = self._contents.get(job_id)
        if job is None:
            job = await self._db.read(lambda conn: store.load_job(conn, job_id))
            if job is None:
                raise NotFound("job_not_found", "There is no such job.")
            self._remember(job)
        else:
            self._contents.move_to_end(job_id)
        return job

    async def sealed_order(self, run: LiveRun) -> dict[str, Any]:
        """The envelope of a run.

        Raises:
            NotFound: the run's row is gone.
        """
        if run.envelope is None:
            found = await self._db.read(lambda conn: store.load_envelopes(conn, [run.id]))
            if run.id not in found:
                raise NotFound("run_not_found", "There is no such run.")
            run.envelope = found[run.id]
        return run.envelope

    # --- life

    async def mark_sent(self, run: LiveRun) -> bool:
        """Write ahead that the order may leave the Engine; False where it must not (over, or to be cancelled).

        Raises:
            Unavailable: the database is gone; then nothing may be sent.
        """
        if not run.sendable:
            return False
        if run.sent_at is None or run.rerouted:
            now, user = self._clock.now(), run.ran_as_user
            if not await self._db.write(lambda conn: store.mark_sent(conn, run.id, now, user)):
                return False
            run.sent_at, run.rerouted = run.sent_at or now, run.ran_as_user != user
        return run.sendable  # it may have ended while the database wrote

    def accepted(self, run: LiveRun) -> None:
        """The device has it and will run it. Recorded a little later, with others: the device remembers too."""
        if run.status != RunStatus.PENDING or run.sent_at is None:
            return
        run.status = advance(run.facts, RunStatus.RUNNING, Party.DEVICE).status
        run.accepted_at = self._clock.now()
        run.envelope = None
        self._accepted[run.id] = run.accepted_at
        self._dirty.set()
        self._announce.updated(run)

    async def ended_by_device(self, run: LiveRun, outcome: Outcome) -> bool:
        """Record the end; False for a repeat, which changes nothing.

        Raises:
            Unavailable: not recorded; the device must send it again.
        """
        now = self._clock.now()
        if not await self._db.write(lambda conn: store.record_outcome(conn, run, outcome, now)):
            return False
        self._end(run, outcome.status, Party.DEVICE)
        return True

    async def ended_by_engine(self, run: LiveRun, to: RunStatus, reason: str) -> bool:
        """Record an end that the Engine decides (Expired, Cancelled, Interrupted); False where it came too late.

        Raises:
            IllegalTransition: not the Engine's to say.
            Unavailable: not recorded.
        """
        await self._flush_accepted()  # so that memory and database agree on the status the guard asks for
        if run.over:
            return False
        advance(run.facts, to, Party.ENGINE)
        source, now = run.status, self._clock.now()
        if not await self._db.write(
            lambda conn: store.end_by_engine(conn, run.id, to, source=source, reason=reason, now=now)
        ):
            return False
        self._end(run, to, Party.ENGINE)
        return True

    def cancelled(self, run: LiveRun, *, at_once: bool) -> None:
        """A cancel was recorded by ``jobs`` in its own transaction: ``at_once`` for a run that was never sent."""
        if at_once:
            self._end(run, RunStatus.CANCELLED, Party.ENGINE)
        else:
            run.cancel_requested = True
            self._announce.updated(run)

    def take_output(self, run: LiveRun, output: JobOutput) -> None:
        """Keep a piece of live output. Never waits."""
        if self.output.add(run, output):
            self._dirty.set()
            self.waiters.wake(run.run_id)

    async def find(self, run_id: str, guid: str, context: RunContext, user: str = "") -> LiveRun | None:
        """A run of this device, context and user in any status; None for anybody else's.

        Raises:
            Unavailable: the database is gone.
        """
        run = self._live.get(run_id) or await self._db.read(lambda conn: store.find_run(conn, run_id))
        if run is None or not run.is_told_by(guid, context, user):
            return None
        return run

    # --- housekeeping

    async def run_loop(self) -> None:
        """Write acceptances and output in batches; a supervised task."""
        try:
            while True:
                await self._dirty.wait()
                await self._clock.sleep(FLUSH_SECONDS)
                self._dirty.clear()
                try:
                    await self.flush()
                except EngineError as error:
                    log.warning("could not write yet", error_code=error.code)
                    self._dirty.set()
                    await self._clock.sleep(1)
        finally:
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Write what waits. Raises ``Unavailable``; nothing is lost then."""
        await self._flush_accepted()
        await self.output.flush()

    async def prune_loop(self, *, days: int) -> None:
        """Delete history older than ``days`` once an hour; a supervised task."""
        while True:
            try:
                count = await self.prune(self._clock.now() - days * 24 * 3600)
                if count:
                    log.info("deleted old runs", count=count)
            except EngineError as error:
                log.warning("could not prune", error_code=error.code)
            await self._clock.sleep(3600)

    async def prune(self, before: float) -> int:
        """Delete runs that ended before ``before`` (Unix seconds); gives how many."""
        return await self._db.write(lambda conn: store.prune(conn, before))

    def statistics(self) -> dict[str, int]:
        """Sizes, for metrics."""
        return {
            "live_runs": len(self._live),
            "content_bytes": self._contents_bytes,
            **self.output.statistics(),
            **self.waiters.statistics(),
        }

    async def _flush_accepted(self) -> None:
        batch = dict(self._accepted)
        if batch:
            await self._db.write(lambda conn: store.mark_running(conn, batch.items()))
            for number, at in batch.items():
                if self._accepted.get(number) == at:
                    del self._accepted[number]

    def _end(self, run: LiveRun, status: RunStatus, by: Party) -> None:
        run.status, run.ended_by, run.envelope = status, by, None
        self._live.pop(run.run_id, None)
        self._accepted.pop(run.id, None)
        self.output.end(run.run_id)
        self._dirty.set()
        self._announce.updated(run)

    def _remember(self, job: JobContent) -> None:
        if job.id in self._contents:
            return
        self._contents[job.id] = job
        self._contents_bytes += job.size
        while self._contents_bytes > CONTENT_CACHE_BYTES and len(self._contents) > 1:
            _, oldest = self._contents.popitem(last=False)
            self._contents_bytes -= oldest.size
