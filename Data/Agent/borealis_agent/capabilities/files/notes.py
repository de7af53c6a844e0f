"""Notes about files that did not arrive whole: so that what nobody goes on with is removed, also after a restart."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from borealis_base.files import write_atomic
from borealis_wire import strict_json
from borealis_wire.files import PARTIAL_SECONDS, FilesOrder, is_hex

MOST_NOTES: Final = 1000
_MAX_NOTE: Final = 64 * 1024


class Notes:
    """A file for each in a folder of their own. Called from any thread, by one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, order: FilesOrder, now: float) -> None:
        """What an order writes may stay behind. Raises ``OSError``."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        note = {"path": order.path, "user": order.user, "at": now}
        write_atomic(self._folder / f"{order.transfer_id}.json", json.dumps(note).encode())

    def drop(self, transfer_id: str) -> None:
        """Nothing of it is left behind."""
        with contextlib.suppress(OSError):
            (self._folder / f"{transfer_id}.json").unlink(missing_ok=True)

    def old(self, now: float) -> list[tuple[str, str, str]]:
        """Transfer, path and account of what nobody went on with; of too many, the oldest too."""
        found = sorted(self._read())
        kept = [note for note in found if 0 <= now - note[0] < PARTIAL_SECONDS][-MOST_NOTES:]
        return [note[1:] for note in found if note not in kept]

    def _read(self) -> Iterator[tuple[float, str, str, str]]:
        with contextlib.suppress(OSError):
            for file in self._folder.glob("*.json"):
                note = _note_in(file)
                if note is None:
                    file.unlink(missing_ok=True)
                else:
                    yield float(note["at"]), file.stem, str(note["path"]), str(note["user"])


def _note_in(file: Path) -> dict[str, Any] | None:
    try:
        note = strict_json.loads(file.read_bytes(), max_bytes=_MAX_NOTE)
    except (OSError, strict_json.JsonError):
        return None
    if not isinstance(note, dict) or not is_hex(file.stem, 32) or not isinstance(note.get("at"), int | float):
        return None
    return note if isinstance(note.get("path"), str) and isinstance(note.get("user"), str) else None
