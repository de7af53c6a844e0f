"""Which shell, as whom, and with which environment. Looks accounts and files up; starts nothing."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Never the inherited PATH: an account may have put its own folders there."""
USER_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
POWERSHELL: Final = ("-NoLogo",)
_LANGUAGE_FILES: Final = ("/etc/default/locale", "/etc/locale.conf")


class NoShell(Exception):
    """There is no shell to be had; the sentence is for the operator."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this system."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What to start. ``account`` None: whoever the agent runs as, without changing to anybody."""

    command: tuple[str, ...]
    name: str
    """What the shell is told that it was called as; one that begins with ``-`` is a log-in shell."""
    environment: Mapping[str, str]
    folder: str
    user: str
    account: Account | None


def choose(user: str, *, search_path: str | None = None) -> Choice:
    """The shell for an account of this system; an empty name means the one that the agent runs as.

    Raises:
        NoShell: no such account, no right to become it, or none of its shells is there.
    """
    if sys.platform == "win32":
        return _windows(user)
    import pwd

    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        if user:
            raise NoShell(f"There is no account {user!r} on this device.") from error
        raise NoShell("The account that the agent runs as is not known to this device.") from error
    account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir or "/", entry.pw_shell or "/bin/sh")
    is_own = account.uid == os.geteuid()
    if not is_own and os.geteuid() != 0:
        raise NoShell(f"The agent does not run as root here: it cannot open a shell as {account.name}.")
    path = SYSTEM_PATH if account.uid == 0 else USER_PATH
    powershell = shutil.which("pwsh", path=search_path or path)
    command: tuple[str, ...]
    if powershell is not None:
        command, name = (powershell, *POWERSHELL), powershell
    else:
        shell = account.shell if os.access(account.shell, os.X_OK) else "/bin/sh"
        command, name = (shell,), f"-{Path(shell).name}"
    environment = {
        "PATH": path,
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": language(),
    }
    folder = account.home if Path(account.home).is_dir() else "/"
    return Choice(command, name, environment, folder, account.name, None if is_own else account)


def _windows(user: str) -> Choice:
    if user:
        raise NoShell("On Windows a shell runs as the service account: for another one its password would be needed.")
    found = shutil.which("pwsh.exe") or shutil.which("powershell.exe")
    if found is None:
        raise NoShell("PowerShell is not installed on this device.")
    name = os.environ.get("USERNAME", "SYSTEM")
    return Choice((found, *POWERSHELL), found, dict(os.environ), os.environ.get("SYSTEMROOT", "C:\\"), name, None)


def language() -> str:
    """What a log-in here would have as its language; UTF-8 in any case."""
    for name in _LANGUAGE_FILES:
        try:
            lines = Path(name).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition("=")
            value = value.strip().strip("\"'")
            if key.strip() == "LANG" and value.lower().replace("-", "").endswith("utf8"):
                return value
    return "C.UTF-8"
