"""Whose a file is. What another account may write must never steer the SYSTEM agent (threats 11)."""

import contextlib
import os
import stat
import sys
from pathlib import Path

from borealis_agent.core.errors import Fatal


def require_own(path: Path) -> None:
    """Refuse a file that another account owns or may write; does nothing where ``path`` does not exist.

    Root's own files are trusted by everybody: root could change the agent itself. On Windows the folder's access
    list decides, which is inherited from the folder the agent was installed in.

    Raises:
        Fatal: foreign or writable by others, with what to do.
    """
    if sys.platform == "win32":
        return
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode) or found.st_uid not in {os.geteuid(), 0}:
        raise Fatal(
            f"{path} is a link or belongs to another account (uid {found.st_uid}), and is not trusted",
            advice="Run the agent as the account that owns its files, or give it another BOREALIS_ROOT.",
        )
    if found.st_mode & 0o022:
        raise Fatal(
            f"{path} may be written by other accounts, and is not trusted",
            advice=f"If you know that nobody changed it: chmod go-w '{path}'. Else enrol this device again.",
        )


def require_private(path: Path) -> None:
    """As :func:`require_own`, and take away everybody else's right to read.

    Raises:
        Fatal: as :func:`require_own`.
    """
    require_own(path)
    if sys.platform != "win32":
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            if found.st_mode & 0o077 and found.st_uid == os.geteuid():
                path.chmod(stat.S_IMODE(found.st_mode) & 0o700)
