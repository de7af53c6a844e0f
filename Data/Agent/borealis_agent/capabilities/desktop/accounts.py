"""The account that a desktop belongs to, and what its programs get as their environment. Looks accounts up."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_agent.capabilities.desktop.finding import NoDesktop
from borealis_agent.capabilities.shell.choice import SYSTEM_PATH, USER_PATH, language

NO_SHELLS: Final = frozenset({"nologin", "false", "sync", "halt", "shutdown", ""})


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this system, and whether it has to be changed to."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    change: bool

    @property
    def environment(self) -> dict[str, str]:
        """What a log-in of it has, but for a terminal and a display."""
        found = {
            "PATH": SYSTEM_PATH if self.uid == 0 else USER_PATH,
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": self.shell,
            "LANG": language(),
        }
        runtime = f"/run/user/{self.uid}"
        return {**found, "XDG_RUNTIME_DIR": runtime} if Path(runtime).is_dir() else found

    @property
    def signs_in(self) -> bool:
        """Whether it has a shell that one can work in."""
        return Path(self.shell).name not in NO_SHELLS


def account_of(who: str | int) -> Account:
    """An account by its name or number.

    Raises:
        NoDesktop: ``no_account``, or ``no_right`` to act as it.
    """
    if sys.platform == "win32":
        raise NoDesktop("unsupported", "There are no such accounts here.")
    import pwd

    try:
        entry = pwd.getpwnam(who) if isinstance(who, str) else pwd.getpwuid(who)
    except KeyError as error:
        raise NoDesktop("no_account", f"There is no account {who!r} on this device.") from error
    me = os.geteuid()
    if me not in {0, entry.pw_uid}:
        raise NoDesktop(
            "no_right", f"The agent does not run as root here: it cannot show a desktop of {entry.pw_name}."
        )
    home, shell = entry.pw_dir or "/", entry.pw_shell or "/bin/sh"
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, home, shell, entry.pw_uid != me)
