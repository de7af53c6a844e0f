"""The record of what was changed and what was before, written ahead of each change; it outlives the agent."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from borealis_agent.capabilities.remote_desktop.running import Done
from borealis_base.files import move_aside, write_atomic

MAX_BYTES: Final = 4 * 1024 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``what`` says it to people; ``kind`` and ``before`` are for undoing it.

    ``ours``: digests of what we put there, to tell it from what somebody else did later.
    """

    kind: str
    what: str
    before: Mapping[str, Any]
    ours: tuple[str, ...] = ()


class CannotPrepare(Exception):
    """A step could not be made; what was made before is on record. Says what to do."""


class CannotUndo(Exception):
    """A change stays: somebody has changed the same since, or the system would not have it. Says why."""


def must(done: Done, complaint: str) -> Done:
    """What a step's program printed. Raises ``CannotPrepare`` where it failed."""
    if done.code != 0:
        raise CannotPrepare(f"{complaint}: {done.said}")
    return done


def must_undo(done: Done) -> None:
    """Raises ``CannotUndo`` where the program that takes a step back failed."""
    if done.code != 0:
        raise CannotUndo(done.said)


class ChangeLog:
    """Changes in the order in which they were made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes = self._read()

    def __iter__(self) -> Iterator[Change]:
        return iter(list(self._changes))

    def __len__(self) -> int:
        return len(self._changes)

    def intend(self, change: Change) -> None:
        """Write down what is about to be changed. A change that is on record already keeps its first "before".

        Raises:
            OSError: it cannot be written; then do not make the change.
        """
        for number, known in enumerate(self._changes):
            if (known.kind, known.what) == (change.kind, change.what):
                merged = replace(known, ours=tuple(dict.fromkeys((*known.ours, *change.ours))))
                if merged != known:
                    self._write([*self._changes[:number], merged, *self._changes[number + 1 :]])
                return
        self._write([*self._changes, change])

    def forget(self, change: Change) -> None:
        """It is undone. Raises ``OSError``."""
        self._write([known for known in self._changes if known is not change])

    async def take_back(
        self, order: Sequence[Change], undo: Callable[[Change], Awaitable[None]], say: Callable[[str], None]
    ) -> list[str]:
        """Undo these one by one and forget each; gives a sentence for each that has to stay. One stops no other."""
        stays = []
        for change in order:
            try:
                await undo(change)
            except (CannotUndo, TimeoutError, OSError) as error:
                stays.append(f"{change.what}: {error}")
                continue
            self.forget(change)
            say(f"undone: {change.what}")
        return stays

    def _write(self, changes: list[Change]) -> None:
        body = {"version": 1, "changes": [asdict(change) for change in changes]}
        write_atomic(self._path, json.dumps(body, indent=1).encode())
        self._changes = changes

    def _read(self) -> list[Change]:
        try:
            found = json.loads(self._path.read_bytes()[:MAX_BYTES])
            return [
                Change(str(item["kind"]), str(item["what"]), dict(item["before"]), tuple(map(str, item["ours"])))
                for item in found["changes"]
            ]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            kept = move_aside(self._path, time.time())
            log.error("the record of changes %s cannot be read (%s); kept as %s", self._path, error, kept.name)
            return []
