"""Drives journal and outbox: decides in memory on the event loop, writes in one thread of its own, in order.

The loop never waits for the disk: a slow one delays runs, not the socket. One sync before a run starts and one for
its result; records that only save work after a crash are written without.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from borealis_agent.core.ownership import require_own
from borealis_agent.outbox.disk import Disk
from borealis_agent.outbox.journal import BegunRun, Journal, open_journal
from borealis_agent.outbox.outbox import Outbox, OutboxEntry, open_outbox
from borealis_base.clock import Clock
from borealis_wire.messages import JobResult

Value = TypeVar("Value")
log = logging.getLogger(__name__)


class Order(Protocol):
    """What the journal needs to know of an order that is followed once; jobs are such, and orders to look."""

    @property
    def run_id(self) -> str:
        """Its own id."""

    @property
    def job_id(self) -> int | str:
        """What it belongs to."""

    @property
    def issued_at(self) -> float:
        """Unix seconds."""

    @property
    def expires_at(self) -> float:
        """Unix seconds."""


class Spool:
    """Journal and outbox of one agent."""

    def __init__(self, journal: Journal, outbox: Outbox, clock: Clock, writer: Executor | None = None) -> None:
        self._journal = journal
        self._outbox = outbox
        self._clock = clock
        self._thread = writer or ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._unwritten: dict[str, tuple[bytes, bytes | None]] = {}
        """Results not on disk yet: the outbox's record, and the journal's that may follow it."""
        self._troubled = False

    def running_ids(self) -> list[str]:
        """Runs in the journal without a result, and results that wait: the Engine need not send them again."""
        open_runs = [run.run_id for run in self._journal.unfinished()]
        return [*open_runs, *(run_id for run_id in self._outbox.run_ids() if run_id not in set(open_runs))]

    def has_room(self, runs: int) -> bool:
        """Whether ``runs`` more results fit."""
        return self._outbox.has_room(runs)

    def check(self, order: Order) -> None:
        """Raise ``Refused`` where the journal knows, or cannot exclude, that the run was begun before."""
        self._journal.check(order.run_id, issued_at=order.issued_at, expires_at=order.expires_at)

    async def begin(self, order: Order) -> None:
        """Put a run on disk as begun. Only once this has returned may its script start.

        Raises:
            Refused: as :meth:`check`.
            OSError: the disk does not take it; the run has not begun and may be offered again.
        """
        self.check(order)
        now = self._clock.now()
        record = self._journal.add(BegunRun(order.run_id, order.job_id, now, order.expires_at))
        self._journal.prune(now)
        try:
            await self._in_thread(partial(self._write_journal, record, sync=True))
        except BaseException:
            self._journal.take_back(order.run_id)
            raise

    async def claim(self, order: Order) -> None:
        """Put a run on disk as begun by somebody else, who will tell its end. Raises as :meth:`begin`."""
        await self.begin(order)
        done = self._journal.finish(order.run_id)
        if done:
            self._soon(partial(self._write_journal, done, sync=False))

    def add_result(self, result: JobResult) -> None:
        """Take a run's result; it is kept until :meth:`acknowledged`. Never waits, never fails.

        It may be sent at once: a crash before it is on disk finds the run in the journal, as one without a result.
        """
        record = self._outbox.add(result)
        done = self._journal.finish(result.run_id)
        if record:
            self._unwritten[result.run_id] = (record, done)
            self._soon(self._write_results)
        elif done:
            self._soon(partial(self._write_journal, done, sync=False))

    def acknowledged(self, run_id: str) -> None:
        """The Engine has the result."""
        record = self._outbox.remove(run_id)
        _, done = self._unwritten.pop(run_id, (b"", None))
        if record:
            self._soon(partial(self._write_acknowledgement, record, done))

    def waiting(self) -> list[str]:
        """Runs whose results wait, oldest first."""
        return self._outbox.run_ids()

    async def result(self, run_id: str) -> JobResult | None:
        """A waiting result; None where it does not wait any more, or cannot be read any more, which is logged."""
        entry = self._outbox.entry(run_id)
        if entry is None:
            return None
        if (result := entry.result) is not None:
            return result
        try:
            return await self._in_thread(partial(self._outbox.read, entry))
        except (OSError, ValueError) as error:
            log.error("the result of run %s cannot be read back: %s", run_id, error)
            return None

    def write_again(self) -> None:
        """Try once more to put on disk what it did not take before; call this now and then."""
        if self._unwritten or self._troubled:
            self._soon(self._write_results)

    def interrupted(self) -> list[BegunRun]:
        """At start: runs that were begun, and whose results are nowhere. Those with a result are set right."""
        lost = []
        for run in self._journal.unfinished():
            if run.run_id in self._outbox:
                done = self._journal.finish(run.run_id)
                if done:
                    self._soon(partial(self._write_journal, done, sync=False))
            else:
                lost.append(run)
        return lost

    async def flush(self) -> None:
        """Wait until everything so far was written, or has failed."""
        await self._in_thread(lambda: None)

    async def close(self) -> None:
        """Write what waits and give the files back."""
        await self.flush()
        await self._in_thread(self._close_files)
        self._thread.shutdown(wait=False)

    def statistics(self) -> dict[str, int]:
        """Sizes, for debugging."""
        return {
            "journal_ids": len(self._journal),
            "results_waiting": len(self._outbox),
            "unwritten": len(self._unwritten),
        }

    async def _in_thread(self, work: Callable[[], Value]) -> Value:
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        # A cancelled waiter must not leave a record half believed: what was asked for is finished first.
        return await asyncio.shield(future)

    def _soon(self, work: Callable[[], None]) -> None:
        self._thread.submit(self._quietly, work)

    def _quietly(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # whatever it was, results stay in memory and are written later
            if not self._troubled:
                log.error("the spool cannot be written (%s); results are kept in memory until it can", error)
            self._troubled = True

    # --- below: in the thread

    def _write_journal(self, record: bytes, *, sync: bool) -> None:
        file = self._journal.file
        if file.needs_rewrite or self._journal.should_compact():
            file.rewrite(self._journal.snapshot())
        else:
            file.append([record], sync=sync)

    def _write_results(self) -> None:
        file = self._outbox.file
        waiting = list(self._unwritten.items())
        if file.needs_rewrite or self._outbox.should_compact():
            self._rewrite_outbox()
        elif waiting:
            places = file.append([record for _, (record, _) in waiting], sync=True)
            for (run_id, _), place in zip(waiting, places, strict=True):
                self._outbox.written(run_id, place)
        for run_id, (_, done) in waiting:
            # Only now may the journal say that there is a result.
            if self._unwritten.pop(run_id, None) is not None and done:
                self._write_journal(done, sync=False)
        self._troubled = False

    def _write_acknowledgement(self, record: bytes, done: bytes | None) -> None:
        if done:
            self._write_journal(done, sync=False)
        if self._outbox.should_empty() or self._outbox.file.needs_rewrite:
            self._rewrite_outbox()
        else:
            self._outbox.file.append([record], sync=False)

    def _rewrite_outbox(self) -> None:
        records, runs = self._outbox.snapshot()
        for run_id, place in zip(runs, self._outbox.file.rewrite(records), strict=True):
            if run_id:
                self._outbox.written(run_id, place)

    def _close_files(self) -> None:
        self._journal.file.close()
        self._outbox.file.close()


def open_spool(
    folder: Path, *, clock: Clock, known_device: bool, disk: Disk | None = None, writer: Executor | None = None
) -> Spool:
    """Open journal and outbox below ``folder``; blocks, so call it before the loop is busy.

    Args:
        folder: the agent's ``Spool``.
        clock: time.
        known_device: the device has a GUID already.
        disk: file operations.
        writer: runs the writing, one piece after the other; a thread of its own where None.

    Raises:
        OSError: they can be neither read nor replaced.
        Fatal: another account owns or may write them: it could make runs that began look as if they had not.
    """
    for name in ("journal", "outbox"):
        require_own(folder / name)
    now = clock.now()
    journal = open_journal(folder / "journal", now=now, known_device=known_device, disk=disk)
    return Spool(journal, open_outbox(folder / "outbox", now=now, disk=disk), clock, writer)


__all__ = ["OutboxEntry", "Spool", "open_spool"]
