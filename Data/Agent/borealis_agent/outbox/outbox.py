"""The outbox: results that the Engine has not acknowledged yet (contract 4, "nothing lost").

Bounded by count and bytes; ``has_room`` keeps a place for every run that is accepted, so that no accepted run ends
without one. This file decides and encodes; it writes through ``record_log`` and is driven by ``spool``.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from borealis_agent.outbox.disk import Disk, SystemDisk
from borealis_agent.outbox.record_log import Place, RecordLog, folder_of
from borealis_wire.limits import KIB, MAX_RESULT_STREAM_BYTES, MIB
from borealis_wire.messages import JobResult

MAX_RESULTS: Final = 1_000
MAX_BYTES: Final = 96 * MIB
LARGEST_RESULT_BYTES: Final = 2 * MAX_RESULT_STREAM_BYTES + 64 * KIB
KEPT_IN_MEMORY_BYTES: Final = 16 * KIB
EMPTY_ABOVE_BYTES: Final = 64 * KIB
_HEAD: Final = b'{"k":"head","v":1}'
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(JobResult)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OutboxEntry:
    """One result. ``result`` is None where it is only on disk; ``place`` is None where it is only in memory."""

    run_id: str
    size: int
    result: JobResult | None
    place: Place | None = None


class Outbox:
    """What waits, in order of arrival, and the records that say so on disk."""

    def __init__(self, file: RecordLog) -> None:
        self.file = file
        self._entries: dict[str, OutboxEntry] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._entries

    def run_ids(self) -> list[str]:
        """Runs whose results wait, oldest first."""
        return list(self._entries)

    def entry(self, run_id: str) -> OutboxEntry | None:
        """One waiting result."""
        return self._entries.get(run_id)

    def has_room(self, runs: int) -> bool:
        """Whether ``runs`` more runs could all end with the largest result there is."""
        return len(self._entries) + runs <= MAX_RESULTS and self._bytes + runs * LARGEST_RESULT_BYTES <= MAX_BYTES

    def add(self, result: JobResult) -> bytes:
        """Take a result; gives the record to write. The first result of a run counts, a second changes nothing."""
        held = self._entries.get(result.run_id)
        if held is not None:
            return b""
        record = _result_record(result)
        self._entries[result.run_id] = OutboxEntry(result.run_id, len(record), result)
        self._bytes += len(record)
        return record

    def written(self, run_id: str, place: Place) -> None:
        """The record is on disk; a large one leaves memory."""
        entry = self._entries.get(run_id)
        if entry is not None:
            entry.place = place
            if entry.size > KEPT_IN_MEMORY_BYTES:
                entry.result = None

    def remove(self, run_id: str) -> bytes:
        """The Engine has it; gives the record to write, nothing where it did not wait."""
        entry = self._entries.pop(run_id, None)
        if entry is None:
            return b""
        self._bytes -= entry.size
        return json.dumps({"k": "acked", "run": run_id}, separators=(",", ":")).encode("ascii")

    def should_empty(self) -> bool:
        """Whether the file holds only what the Engine has already."""
        return not self._entries and self.file.size > EMPTY_ABOVE_BYTES

    def should_compact(self) -> bool:
        """Whether the file is much larger than what waits."""
        return self.file.size > 8 * MIB and self.file.size > 2 * self._bytes

    def read(self, entry: OutboxEntry) -> JobResult:
        """The result, from memory or disk.

        Raises:
            OSError: it cannot be read.
            ValueError: what lies there is not the result any more.
        """
        result = entry.result
        if result is not None:
            return result
        if entry.place is None:
            raise ValueError("the result is nowhere")
        return _read_result(self.file.record_at(entry.place))

    def snapshot(self) -> tuple[list[bytes], list[str]]:
        """Every record that a new file needs, and the run of each."""
        records, runs = [_HEAD], [""]
        for entry in list(self._entries.values()):  # taken at once: the loop may go on meanwhile
            try:
                records.append(_result_record(self.read(entry)))
            except (OSError, ValueError) as error:
                log.error("the result of run %s cannot be read back from %s: %s", entry.run_id, self.file.path, error)
                continue
            runs.append(entry.run_id)
        return records, runs

    def load(self, records: Iterable[tuple[bytes, Place]]) -> bool:
        """Take over what a file says; false where a record is not one of ours, which is then passed over."""
        sound = True
        for record, place in records:
            try:
                self._take(record, place)
            except (ValueError, KeyError, TypeError, RecursionError):
                sound = False
        return sound

    def _take(self, record: bytes, place: Place) -> None:
        if record == _HEAD:
            return
        if record.startswith(b'{"k":"result"'):
            result = _read_result(record)
            if result.run_id not in self._entries:
                small = result if len(record) <= KEPT_IN_MEMORY_BYTES else None
                self._entries[result.run_id] = OutboxEntry(result.run_id, len(record), small, place)
                self._bytes += len(record)
            return
        value: dict[str, Any] = json.loads(record)
        if value["k"] != "acked":
            raise ValueError("an unknown record")
        self.remove(str(value["run"]))


def open_outbox(path: Path, *, now: float, disk: Disk | None = None) -> Outbox:
    """Open the outbox, or begin one. A damaged file is moved aside; what can be read of it is still delivered.

    Raises:
        OSError: the file can be neither read nor replaced.
    """
    disk = disk or SystemDisk()
    folder_of(path)
    file = RecordLog(path, disk)
    found = file.read()
    outbox = Outbox(file)
    sound = outbox.load(found.records) and not found.damaged
    if sound and found.records and found.records[0][0] == _HEAD:
        file.open_at(found.sound_bytes)
        return outbox
    results = [entry.result or _read_result(_record_of(found.records, entry)) for entry in outbox._entries.values()]
    fresh = Outbox(file)
    records = [_HEAD, *(fresh.add(result) for result in results)]
    if found.existed:
        # Only a copy may be moved away: the results in it must not be nowhere for a moment.
        aside = path.with_name(f"{path.name}.bad-{int(now)}")
        _copy(path, aside, disk)
        log.error("%s was damaged; a copy is %s. %d results could be saved", path, aside.name, len(results))
    places = file.rewrite(records)
    for result, place in zip(results, places[1:], strict=True):
        fresh.written(result.run_id, place)
    return fresh


def _record_of(records: Iterable[tuple[bytes, Place]], entry: OutboxEntry) -> bytes:
    return next(record for record, place in records if place == entry.place)


def _copy(source: Path, target: Path, disk: Disk) -> None:
    data = disk.read(source)
    disk.remove(target)
    handle = disk.open(target)
    try:
        disk.append(handle, data)
    finally:
        disk.close(handle)


def _result_record(result: JobResult) -> bytes:
    return b'{"k":"result","r":%b}' % _ENCODE(result)


def _read_result(record: bytes) -> JobResult:
    prefix = b'{"k":"result","r":'
    if not record.startswith(prefix) or not record.endswith(b"}"):
        raise ValueError("not a result")
    try:
        return _DECODE.decode(record[len(prefix) : -1])
    except msgspec.MsgspecError as error:
        raise ValueError("not a result") from error
