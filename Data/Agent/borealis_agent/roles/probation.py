"""Remembers which role file was being brought up when the agent last died, so that it cannot kill every start.

Owns ``Settings/Roles/starting-<context>.json``. May be called by: ``supervisor``. A file that ends the process itself
(``os._exit``, a crash in C code) leaves nobody to reject it; the note does, at a later start.
"""

import hashlib
import json
import logging
from pathlib import Path
from typing import Final

from borealis_agent.roles.health import RoleRejected
from borealis_base.files import private_folder

MAX_DEATHS: Final = 3
"""More than one: a power failure in that very moment is no fault of the file."""

log = logging.getLogger(__name__)


class Probation:
    """Counts, by the content of a file, the starts that it did not let the agent survive."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._deaths: dict[str, int] = self._read()
        self._seen: set[str] = set()

    def begin(self, path: Path) -> str:
        """Say on disk that this file is brought up now; gives the key for ``passed``.

        Raises:
            RoleRejected: the agent ended each of the last times. Another content is tried anew.
        """
        try:
            key = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        except OSError as error:
            raise RoleRejected(path.name, "load", f"it cannot be read ({error})") from error
        self._seen.add(key)
        deaths = self._deaths.get(key, 0)
        if deaths >= MAX_DEATHS:
            raise RoleRejected(
                path.name,
                "load",
                f"the agent ended without a word each of the {deaths} times that this file was brought up; "
                "mend it, and it is tried again",
            )
        self._deaths[key] = deaths + 1
        self._write()
        return key

    def passed(self, key: str) -> None:
        """We are still here."""
        self._deaths.pop(key, None)

    def end(self) -> None:
        """All files were looked at; what is not among them any more is forgotten."""
        self._deaths = {key: deaths for key, deaths in self._deaths.items() if key in self._seen}
        self._write()

    def _read(self) -> dict[str, int]:
        try:
            found = json.loads(self._note.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read (%s); it is begun anew", self._note, error)
            return {}
        if not isinstance(found, dict):
            return {}
        return {str(key): count for key, count in found.items() if isinstance(count, int)}

    def _write(self) -> None:
        try:
            private_folder(self._note.parent)
            # Not forced to the disk: the process may die here, the machine with it is somebody else's doing.
            self._note.write_text(json.dumps(self._deaths), "utf-8")
        except OSError as error:
            log.warning("%s cannot be written (%s); a role that ends the agent would not be noticed", self._note, error)
