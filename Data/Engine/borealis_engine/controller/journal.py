"""Which runs were begun, on disk: so that none is begun twice, and one that was cut off is told as that."""

import contextlib
import re
from pathlib import Path
from typing import Final

from borealis_base.files import private_folder, sync_folder

_RUN_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


class Journal:
    """A folder for each run under way; empty, where the play mounts what nobody else sees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begun(self) -> set[str]:
        """Runs whose end is not recorded."""
        try:
            return {path.name for path in self._folder.iterdir()}
        except FileNotFoundError:
            return set()

    def begin(self, run_id: str) -> Path:
        """Note that a run begins, durably; gives its folder.

        Raises:
            FileExistsError: it was begun before.
            ValueError: that is no id of a run.
            OSError: the disk does not want to.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(run_id)
        private_folder(self._folder)
        path = self._folder / run_id
        path.mkdir(mode=0o700)
        sync_folder(self._folder)
        return path

    def end(self, run_id: str) -> None:
        """The end of a run is recorded. Never raises: what stays is swept at the next start."""
        with contextlib.suppress(OSError):
            (self._folder / run_id).rmdir()
