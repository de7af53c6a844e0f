"""The package that this Engine hands out: what the bootstrap put beside its code, once it is what it says."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from borealis_engine.core.errors import Conflict
from borealis_wire.updates import MAX_PACKAGE_BYTES

ARCHIVE: Final = "agent-package.tar.gz"
_MAX_DESCRIPTION: Final = 4096
_FORMS: Final = {"build_id": r"[0-9a-f]{16}", "sha256": r"[0-9a-f]{64}", "release": r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}"}


@dataclass(frozen=True, slots=True)
class Package:
    """The agent's code as one archive."""

    build_id: str
    release: str
    sha256: str
    content: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)


class Packages:
    """Reads the newest package; kept in memory for as long as its description stays the same.

    Args:
        description: ``agent-package.json``; the archive lies beside it.
    """

    def __init__(self, description: Path) -> None:
        self._description = description
        self._stamp: tuple[int, int] | None = None
        self._package: Package | None = None

    def current(self) -> Package:
        """The package of this Engine's own checkout. Blocks for a read of the disk.

        Raises:
            Conflict: ``no_package``: there is none, or not a whole one.
        """
        try:
            found = self._description.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if self._package is None or stamp != self._stamp:
                self._package, self._stamp = self._read(), stamp
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Conflict(
                "no_package",
                "This Engine has no agent to hand out. Start it with ./Borealis.sh up, engine or install engine from a"
                " checkout that holds the agent too.",
            ) from error
        return self._package

    def by_digest(self, sha256: str) -> Package | None:
        """The package of this digest; None where that is not handed out (any more)."""
        try:
            package = self.current()
        except Conflict:
            return None
        return package if package.sha256 == sha256 else None

    def _read(self) -> Package:
        with self._description.open("rb") as file:
            told: Any = json.loads(file.read(_MAX_DESCRIPTION))
        values = {name: str(told[name]) for name in _FORMS}
        if not all(re.fullmatch(form, values[name]) for name, form in _FORMS.items()):
            raise ValueError("the description has another form")
        with self._description.with_name(ARCHIVE).open("rb") as file:
            content = file.read(MAX_PACKAGE_BYTES + 1)
        if len(content) > MAX_PACKAGE_BYTES or hashlib.sha256(content).hexdigest() != values["sha256"]:
            raise ValueError("the archive is another than the one described")
        return Package(values["build_id"], values["release"], values["sha256"], content)
