"""Which command interprets which script type here, and the environment it gets. Looks at files, starts nothing."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_wire.events import ScriptType

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What SYSTEM looks for programs in. Never the inherited PATH: an account may have put its own folders there."""
SUFFIXES: Final[Mapping[ScriptType, str]] = {
    ScriptType.BASH: ".sh",
    ScriptType.PYTHON: ".py",
    ScriptType.POWERSHELL: ".ps1",
    ScriptType.BATCH: ".bat",
}
PLAYBOOK_SUFFIX: Final = ".yml"
"""Of what no program of the system interprets: a role brings the command."""
_PYTHON_FLAGS: Final = ("-s", "-u", "-X", "utf8")
"""No packages of the account, output unbuffered so that it is seen while the script runs, UTF-8 everywhere."""
_POWERSHELL_FLAGS: Final = ("-NoLogo", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-NoProfile", "-File")
_KEPT_FOR_ROOT: Final = frozenset({"LANG", "LANGUAGE", "TZ", "TERM"})
_DROPPED: Final = frozenset({"VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"})
_DROPPED_PREFIXES: Final = ("BOREALIS_", "PYTHON")


class Interpreters:
    """Finds an interpreter when it is asked for one: what is installed later is found later."""

    def __init__(
        self, search_path: str | None = None, *, given: Mapping[ScriptType, Sequence[str] | None] | None = None
    ) -> None:
        self._search_path = search_path
        self._given = dict(given or {})

    def command(self, script_type: ScriptType) -> Sequence[str] | None:
        """The command to which the script's path is appended; None where it is not installed now."""
        if script_type in self._given:
            return self._given[script_type]
        return find_interpreter(script_type, self._search_path)


def interpreters_for(*, privileged: bool) -> Interpreters:
    """The interpreters of this machine; a privileged agent looks in the system's own folders only."""
    return Interpreters(SYSTEM_PATH if privileged and sys.platform != "win32" else None)


def find_interpreter(script_type: ScriptType, search_path: str | None) -> tuple[str, ...] | None:
    """The command for one type; ``search_path`` None means the inherited PATH."""
    match script_type:
        case ScriptType.PYTHON:
            return (sys.executable, *_PYTHON_FLAGS)
        case ScriptType.BASH:
            bash = shutil.which("bash", path=search_path)
            return (bash,) if bash else None
        case ScriptType.POWERSHELL:
            shell = shutil.which("pwsh", path=search_path)
            if shell is None and sys.platform == "win32":
                shell = shutil.which("powershell.exe", path=search_path)
            return (shell, *_POWERSHELL_FLAGS) if shell else None
        case ScriptType.BATCH:
            return (_cmd_exe(), "/d", "/c") if sys.platform == "win32" else None
        case _:
            return None


def _cmd_exe() -> str:
    return str(Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "cmd.exe")


def base_environment(inherited: Mapping[str, str], *, privileged: bool, account: "Account") -> dict[str, str]:
    """What every script finds in its environment before its job's own entries.

    The agent's own settings (an enrolment token may be among them) and what would change an interpreter are left out.
    A privileged agent passes on next to nothing: whoever started it must not steer what SYSTEM runs.
    """
    if privileged:
        kept = {name: text for name, text in inherited.items() if name in _KEPT_FOR_ROOT or name.startswith("LC_")}
        path = SYSTEM_PATH
    else:
        kept = {
            name: text
            for name, text in inherited.items()
            if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
        }
        path = kept.get("PATH") or SYSTEM_PATH
    return {**kept, "PATH": path, **account.as_environment()}


@dataclass(frozen=True, slots=True)
class Account:
    """Whose rights a script has. Empty texts say nothing."""

    name: str = ""
    home: str = ""
    shell: str = ""

    def as_environment(self) -> dict[str, str]:
        """``USER``, ``LOGNAME``, ``HOME`` and ``SHELL`` as a log-in would set them."""
        texts = {"USER": self.name, "LOGNAME": self.name, "HOME": self.home, "SHELL": self.shell}
        return {name: text for name, text in texts.items() if text}


def own_account() -> Account:
    """The account this agent runs as; on Windows the inherited environment says it all."""
    if sys.platform == "win32":
        return Account()
    import pwd

    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        return Account(str(os.geteuid()), "/")
    return Account(entry.pw_name, entry.pw_dir, entry.pw_shell or "/bin/sh")
