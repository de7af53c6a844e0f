"""Live output: kept within bounds for each run, written in batches, told to whoever watches.

A device that floods fills its own runs' share and no more (threats 20). Pieces may come twice or out of
order; the sequence number decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from borealis_base.clock import Clock
from borealis_engine.activity.models import LiveRun
from borealis_engine.activity.tables import run_output
from borealis_engine.activity.text import storable
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_engine.storage import Database
from borealis_wire.events import OperatorEvent
from borealis_wire.messages import JobOutput

MAX_STREAM_CHARACTERS: Final = 1024 * 1024
MAX_CHUNKS: Final = 10_000
MAX_SEQ: Final = 2**31 - 1
MAX_PUBLISHED_A_SECOND: Final = 200
PAGE_CHUNKS: Final = 500
MARKER: Final = "\n[Borealis keeps no more live output of this run; the result follows when it ends.]\n"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of output as operators read it."""

    seq: int
    stream: str
    data: str


@dataclass(slots=True)
class _Kept:
    """What is remembered of one run's output while it lives."""

    number: int
    next_seq: int = 0
    early: set[int] = field(default_factory=set)
    room: dict[str, int] = field(
        default_factory=lambda: {"stdout": MAX_STREAM_CHARACTERS, "stderr": MAX_STREAM_CHARACTERS}
    )
    chunks: int = 0
    waiting: list[Chunk] = field(default_factory=list)
    second: int = 0
    published: int = 0
    over: bool = False

    def is_new(self, seq: int) -> bool:
        """Whether this number has not come before; remembers it."""
        if seq < self.next_seq or seq in self.early:
            return False
        self.early.add(seq)
        while self.next_seq in self.early:
            self.early.discard(self.next_seq)
            self.next_seq += 1
        return True


class OutputRecorder:
    """Takes pieces without waiting; :meth:`flush` writes them."""

    def __init__(self, *, db: Database, feed: ChangeFeed, clock: Clock) -> None:
        self._db = db
        self._feed = feed
        self._clock = clock
        self._runs: dict[str, _Kept] = {}
        self.dropped = 0

    def add(self, run: LiveRun, output: JobOutput) -> bool:
        """Take one piece of a live run; False where it was a repeat or did not fit. Never waits."""
        kept = self._runs.get(run.run_id)
        if kept is None:
            kept = self._runs[run.run_id] = _Kept(run.id)
        left = kept.room[output.stream]
        if left < 0 or kept.chunks >= MAX_CHUNKS or output.seq > MAX_SEQ or not kept.is_new(output.seq):
            self.dropped += 1
            return False
        kept.chunks += 1
        data = storable(output.data)
        kept.room[output.stream] = left - len(data)
        if len(data) > left or kept.chunks == MAX_CHUNKS:
            data = data[:left] + MARKER
            kept.room[output.stream] = -1
        chunk = Chunk(output.seq, output.stream, data)
        kept.waiting.append(chunk)
        self._publish(run, kept, chunk)
        return True

    def end(self, run_id: str) -> None:
        """The run is over: what waits is still written, then it is forgotten."""
        kept = self._runs.get(run_id)
        if kept is not None:
            kept.over = True

    @property
    def dirty(self) -> bool:
        """Whether there is something to write or to forget."""
        return any(kept.waiting or kept.over for kept in self._runs.values())

    async def flush(self) -> None:
        """Write what waits, all runs in one transaction.

        Raises:
            Unavailable: the database is gone; nothing is forgotten.
        """
        batch = {run_id: (kept, list(kept.waiting)) for run_id, kept in self._runs.items() if kept.waiting or kept.over}
        rows = [row for kept, chunks in batch.values() for row in _rows(kept.number, chunks)]
        try:
            if rows:
                await self._db.write(lambda conn: _insert(conn, rows))
        except IntegrityError:
            await self._flush_apart(list(batch.values()))
        for run_id, (kept, chunks) in batch.items():
            del kept.waiting[: len(chunks)]
            if kept.over and not kept.waiting:
                self._runs.pop(run_id, None)

    async def read(self, number: int, run_id: str, after_seq: int) -> list[Chunk]:
        """Pieces above ``after_seq`` in order, written or not, at most a page."""
        query = (
            select(run_output.c.seq, run_output.c.stream, run_output.c.data)
            .where(run_output.c.run == number, run_output.c.seq > after_seq)
            .order_by(run_output.c.seq)
            .limit(PAGE_CHUNKS)
        )
        kept = self._runs.get(run_id)
        # Taken before the database is asked: a piece that is written meanwhile is then seen at least once.
        waiting = {chunk.seq: chunk for chunk in kept.waiting if chunk.seq > after_seq} if kept else {}
        rows = await self._db.read(lambda conn: [Chunk(*row) for row in conn.execute(query)])
        merged = waiting | {chunk.seq: chunk for chunk in rows}
        return [merged[seq] for seq in sorted(merged)][:PAGE_CHUNKS]

    def statistics(self) -> dict[str, int]:
        """Sizes, for debugging."""
        waiting = sum(len(kept.waiting) for kept in self._runs.values())
        return {"output_runs": len(self._runs), "output_waiting": waiting, "output_dropped": self.dropped}

    def _publish(self, run: LiveRun, kept: _Kept, chunk: Chunk) -> None:
        second = int(self._clock.monotonic())
        if second != kept.second:
            kept.second, kept.published = second, 0
        kept.published += 1
        if kept.published > MAX_PUBLISHED_A_SECOND:
            return  # watchers see the gap in ``seq`` and read the rest by REST
        data = {
            "job_id": run.id,
            "run_id": run.run_id,
            "hostname": run.hostname,
            "seq": chunk.seq,
            "stream": chunk.stream,
            "data": chunk.data,
        }
        self._feed.publish(Change(OperatorEvent.RUN_OUTPUT.value, data, run.guid, run.site_id, run.run_id))

    async def _flush_apart(self, parts: Sequence[tuple[_Kept, list[Chunk]]]) -> None:
        for kept, chunks in parts:
            rows = list(_rows(kept.number, chunks))
            if rows:
                try:
                    await self._db.write(lambda conn, rows=rows: _insert(conn, rows))  # type: ignore[misc]
                except IntegrityError:
                    self.dropped += len(rows)  # somebody deleted this run's history meanwhile


def _rows(number: int, chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    return [{"run": number, "seq": chunk.seq, "stream": chunk.stream, "data": chunk.data} for chunk in chunks]


def _insert(conn: Connection, rows: list[dict[str, Any]]) -> None:
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    conn.execute(dialect.insert(run_output).on_conflict_do_nothing(), rows)
