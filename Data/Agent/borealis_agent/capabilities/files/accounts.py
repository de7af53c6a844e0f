"""Whose rights apply. Looks the account up; becomes nobody."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from borealis_agent.capabilities.files.faults import FileFault
from borealis_wire.files import FileRefusal


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this system. ``uid`` -1: whoever the agent runs as, without changing to anybody."""

    name: str
    home: str
    uid: int = -1
    gid: int = -1


def find_account(user: str) -> Account:
    """An account by its name; an empty one means the account that the agent runs as.

    Raises:
        FileFault: there is none, or the agent cannot become it.
    """
    if sys.platform == "win32":
        if user:
            raise FileFault(
                FileRefusal.UNSUPPORTED,
                "On Windows files are reached as the service account: for another one its password would be needed.",
            )
        home = os.environ.get("SYSTEMDRIVE", "C:") + "\\"
        return Account(os.environ.get("USERNAME", "SYSTEM"), home)
    import pwd

    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        if user:
            raise FileFault(FileRefusal.NO_ACCOUNT, f"There is no account {user!r} on this device.") from error
        return Account(str(os.geteuid()), "/")
    home = entry.pw_dir if entry.pw_dir and Path(entry.pw_dir).is_absolute() else "/"
    if entry.pw_uid == os.geteuid():
        return Account(entry.pw_name, home)
    if os.geteuid() != 0:
        raise FileFault(
            FileRefusal.NO_ACCOUNT,
            f"The agent does not run as root here: it cannot reach files as {entry.pw_name}.",
        )
    return Account(entry.pw_name, home, entry.pw_uid, entry.pw_gid)
