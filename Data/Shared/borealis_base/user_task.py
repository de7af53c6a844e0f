"""Why signed-in users of this machine get no agent: the installer writes it, the SYSTEM agent tells it. One small file.

On Windows a scheduled task starts the user's agent. Where the right to create it is missing, the rest of the
installation stands, and operators have to hear of it (contract 1).
"""

import contextlib
from pathlib import Path
from typing import Final

from borealis_base.files import write_atomic

FILE: Final = "user-task.txt"
MAX_CHARACTERS: Final = 500


def note_failure(folder: Path, sentence: str) -> None:
    """Keep the sentence in ``folder``, the agent's ``Run``.

    Raises:
        OSError: disk full, read-only, no right.
    """
    write_atomic(folder / FILE, sentence[:MAX_CHARACTERS].encode())


def forget_failure(folder: Path) -> None:
    """The task is there now. Never raises: at worst an old sentence is told once more."""
    with contextlib.suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def failure_in(folder: Path) -> str:
    """The sentence; empty where there is none, or it cannot be read."""
    try:
        return (folder / FILE).read_bytes()[: MAX_CHARACTERS * 4].decode("utf-8", "replace").strip()[:MAX_CHARACTERS]
    except OSError:
        return ""
