"""The journal: every run this device has begun, so that none begins twice (contract 4, threats 10 and 17).

An id is on disk before its script starts. It is kept until its order has expired, with the clock's tolerance;
after that the order is refused as expired. Three marks cover what the ids alone cannot:

* ``forgotten``: the latest end of an id that was dropped. An order that ends no later is refused, so a clock that
  somebody set forward and back revives nothing.
* ``not_before``: when the journal was lost or damaged. Orders issued before may have begun; they are refused.
* the bound: above ``MAX_IDS`` the ids whose orders end first are dropped early, and ``forgotten`` covers them.

This file decides and encodes; it writes through ``record_log`` and is driven by ``spool``.
"""

import heapq
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from borealis_agent.outbox.disk import Disk, SystemDisk
from borealis_agent.outbox.record_log import Found, RecordLog, folder_of
from borealis_wire.events import RefusalCode
from borealis_wire.limits import CLOCK_SKEW_SECONDS, KIB
from borealis_wire.refusal import Refused

VERSION: Final = 1
MAX_IDS: Final = 50_000
COMPACT_ABOVE_BYTES: Final = 256 * KIB
_BYTES_AN_ID: Final = 160

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BegunRun:
    """A run that was begun and has no result. ``began_at`` in Unix seconds."""

    run_id: str
    job_id: int | str
    began_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Marks:
    """What the ids cannot say; Unix seconds, 0 where nothing was lost or dropped."""

    not_before: float = 0.0
    forgotten: float = 0.0


class Journal:
    """What was begun, in memory, and the records that say so on disk."""

    def __init__(self, file: RecordLog, marks: Marks = Marks()) -> None:  # frozen
        self.file = file
        self.marks = marks
        self._unfinished: dict[str, BegunRun] = {}
        self._ends: dict[str, float] = {}
        self._order: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._ends)

    def check(self, run_id: str, *, issued_at: float, expires_at: float) -> None:
        """Whether a run may begin, as far as the journal can tell.

        Raises:
            Refused: ``replayed``: it was begun before. ``expired``: it may have been, and nobody can tell any more.
        """
        if run_id in self._ends:
            raise Refused(RefusalCode.REPLAYED, "this run was begun before")
        if issued_at <= self.marks.not_before:
            raise Refused(RefusalCode.EXPIRED, "the order is older than the loss of this device's journal")
        if expires_at + CLOCK_SKEW_SECONDS <= self.marks.forgotten:
            raise Refused(RefusalCode.EXPIRED, "the order ends before ones that the journal has dropped already")

    def add(self, run: BegunRun) -> bytes:
        """Remember a run as begun; gives the record that has to be on disk before its script starts."""
        self._unfinished[run.run_id] = run
        self._remember(run.run_id, run.expires_at)
        return _begun(run)

    def take_back(self, run_id: str) -> None:
        """The record could not be written: the run has not begun."""
        self._unfinished.pop(run_id, None)
        self._ends.pop(run_id, None)

    def finish(self, run_id: str) -> bytes | None:
        """The run's result is in the outbox; gives the record, None where the run is not open."""
        if self._unfinished.pop(run_id, None) is None:
            return None
        return _record({"k": "done", "run": run_id})

    def unfinished(self) -> list[BegunRun]:
        """Runs that were begun and have no result yet, oldest first."""
        return list(self._unfinished.values())

    def prune(self, now: float) -> None:
        """Drop ids whose orders are over for good, and the oldest above the bound. Open runs are kept."""
        kept: list[tuple[float, str]] = []
        while self._order and (self._order[0][0] <= now or len(self._ends) > MAX_IDS):
            ends, run_id = heapq.heappop(self._order)
            if self._ends.get(run_id) != ends:
                continue
            if run_id in self._unfinished:
                kept.append((ends, run_id))
                continue
            del self._ends[run_id]
            self.marks = Marks(self.marks.not_before, max(self.marks.forgotten, ends))
        for item in kept:
            heapq.heappush(self._order, item)

    def should_compact(self) -> bool:
        """Whether the file is mostly records of ids that were dropped."""
        return self.file.size > COMPACT_ABOVE_BYTES and self.file.size > 4 * _BYTES_AN_ID * len(self._ends)

    def snapshot(self) -> list[bytes]:
        """Every record that a new file needs."""
        return list(self._records())

    def _records(self) -> Iterator[bytes]:
        yield _record(
            {"k": "head", "v": VERSION, "not_before": self.marks.not_before, "forgotten": self.marks.forgotten}
        )
        for run_id, ends in list(self._ends.items()):  # taken at once: the loop may go on meanwhile
            run = self._unfinished.get(run_id)
            yield _begun(run) if run is not None else _record({"k": "kept", "run": run_id, "ends": ends})

    def _remember(self, run_id: str, expires_at: float) -> None:
        self._remember_until(run_id, expires_at + CLOCK_SKEW_SECONDS)

    def _remember_until(self, run_id: str, ends: float) -> None:
        self._ends[run_id] = ends
        heapq.heappush(self._order, (ends, run_id))

    def load(self, records: Iterable[bytes]) -> bool:
        """Take over what a file says; false where a record is not one of ours, which is then passed over."""
        sound = True
        for record in records:
            try:
                self._take(json.loads(record))
            except (ValueError, KeyError, TypeError, RecursionError):
                sound = False
        return sound

    def _take(self, value: dict[str, Any]) -> None:
        match value["k"]:
            case "head":
                if value["v"] != VERSION:
                    raise ValueError("another version")
                self.marks = Marks(
                    max(self.marks.not_before, float(value["not_before"])),
                    max(self.marks.forgotten, float(value["forgotten"])),
                )
            case "begun":
                run = BegunRun(str(value["run"]), value["job"], float(value["at"]), float(value["exp"]))
                self._unfinished[run.run_id] = run
                self._remember(run.run_id, run.expires_at)
            case "kept":
                self._remember_until(str(value["run"]), float(value["ends"]))
            case "done":
                self._unfinished.pop(str(value["run"]), None)
            case _:
                raise ValueError("an unknown record")


def open_journal(path: Path, *, now: float, known_device: bool, disk: Disk | None = None) -> Journal:
    """Open the journal, or begin one.

    Args:
        path: usually ``Spool/journal``.
        now: Unix seconds.
        known_device: the device has a GUID, so that it may have begun runs that a missing file does not tell of.
        disk: file operations.

    Raises:
        OSError: the file can be neither read nor replaced. No run may begin without a journal.
    """
    disk = disk or SystemDisk()
    folder_of(path)
    file = RecordLog(path, disk)
    found = file.read()
    journal = Journal(file)
    sound = journal.load(record for record, _ in found.records) and not found.damaged
    if sound and _has_head(found):
        file.open_at(found.sound_bytes)
        return journal
    if found.existed or known_device or _was_lost_before(path, disk):
        # The marks first, then the file out of the way: a crash in between is seen at the next start.
        journal.marks = Marks(_loss_moment(path, disk, journal, now), journal.marks.forgotten)
        where = f"moved to {_move_aside(path, disk, now).name}" if found.existed else "it is gone"
        log.error(
            "the journal %s cannot be used (%s). Orders issued before now are refused, because they may have begun "
            "already: send those jobs again",
            path,
            where,
        )
    file.rewrite(journal.snapshot())
    return journal


def _was_lost_before(path: Path, disk: Disk) -> bool:
    return any(name.startswith(f"{path.name}.bad-") for name in disk.names(path.parent))


def _move_aside(path: Path, disk: Disk, now: float) -> Path:
    target = path.with_name(f"{path.name}.bad-{int(now)}")
    disk.rename(path, target)
    return target


def _has_head(found: Found) -> bool:
    return bool(found.records) and found.records[0][0].startswith(b'{"k":"head"')


def _loss_moment(path: Path, disk: Disk, journal: Journal, now: float) -> float:
    """The latest time at which a lost order may have been issued, by the Engine's clock."""
    try:
        written = disk.modified_at(path)
    except OSError:
        written = now
    began = max((run.began_at for run in journal.unfinished()), default=0.0)
    return max(now, written, began) + CLOCK_SKEW_SECONDS


def _begun(run: BegunRun) -> bytes:
    return _record({"k": "begun", "run": run.run_id, "job": run.job_id, "at": run.began_at, "exp": run.expires_at})


def _record(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
