"""Install Engine and agent as services that start with the machine, and take them away again.

Owns the unit files and everything that ``uninstall`` removes. The only module that changes something outside the
root, and only by ``install`` and ``uninstall``. May be called by app, up, side and status.
"""

import contextlib
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from borealis_base.files import write_atomic
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout, ProgramName
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.shelf import discard
from borealis_bootstrap.units import (
    AGENT_UNIT,
    AUTOSTART,
    ENGINE_UNIT,
    USER_UNIT,
    Unit,
    UnitName,
    autostart_mark,
    root_mark,
)

_UNITS: Final[dict[ProgramName, UnitName]] = {"engine": ENGINE_UNIT, "agent": AGENT_UNIT}
_REGENERATED: Final = ("Code", "Python", "Run", "Page", "venv", "web-interface", "Temp", "Update")

Run = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(command), check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@dataclass(frozen=True, slots=True)
class Systemd:
    """The service manager of this machine. Paths and runner are arguments, so that a test brings its own.

    ``personal``: that of one user, who installs for nobody else.
    """

    system_units: Path = Path("/etc/systemd/system")
    user_units: Path = Path("/etc/systemd/user")
    running: Path = Path("/run/systemd/system")
    run: Run = field(default=_run)
    personal: bool = False

    @property
    def autostart(self) -> Path:
        """The entry that desktops start at sign-in."""
        own = {Path("/etc/systemd/user"): Path("/etc/xdg/autostart")}
        folder = self.user_units.parent.parent / "autostart" if self.personal else self.user_units.parent / "autostart"
        return own.get(self.user_units, folder) / AUTOSTART

    @property
    def is_there(self) -> bool:
        """Whether systemd is this machine's first process (sd_booted(3))."""
        return self.running.is_dir()

    def file_of(self, name: UnitName) -> Path:
        """Where the unit lies."""
        return (self.user_units if name == USER_UNIT else self.system_units) / name

    def control(self, *arguments: str) -> str:
        """``systemctl`` with these arguments; gives what it says.

        Raises:
            CannotGoOn: it refused.
        """
        done = self.run(["systemctl", *(["--user"] if self.personal else []), *arguments])
        if done.returncode != 0:
            raise CannotGoOn(f"systemctl {' '.join(arguments)} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def personal_systemd(environ: Mapping[str, str], home: Path) -> Systemd:
    """That of the user who installs: units and entries in the user's own folders (XDG Base Directory 0.8)."""
    folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    return Systemd(user_units=folder / "systemd" / "user", running=runtime / "systemd", personal=True)


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Whether a program of this installation is a service, and its pid if that runs."""

    installed: bool = False
    pid: int | None = None


def service_state(layout: Layout, program: ProgramName, systemd: Systemd | None = None) -> ServiceState:
    """Look at the unit of this installation; another installation's is none of ours."""
    systemd = systemd or Systemd()
    if not systemd.is_there or not _is_ours(systemd.file_of(_UNITS[program]), root_mark(layout)):
        return ServiceState()
    shown = systemd.control("show", "--property=MainPID", "--value", _UNITS[program]).strip()
    return ServiceState(True, int(shown) if shown.isdigit() and shown != "0" else None)


def refuse_if_service(layout: Layout, *programs: ProgramName, systemd: Systemd | None = None) -> None:
    """Do not start by hand what the machine starts itself.

    Raises:
        CannotGoOn: it is installed as a service.
    """
    for program in programs or ("engine", "agent"):
        if service_state(layout, program, systemd).installed:
            raise CannotGoOn(
                f"The {program} of this installation is a service: systemctl status {_UNITS[program]}"
                " (./Borealis.sh uninstall takes the service away)."
            )


def check_systemd(systemd: Systemd, *, root: bool) -> None:
    """See that services can be installed.

    Raises:
        CannotGoOn: no systemd, or not root.
    """
    if not systemd.is_there:
        raise CannotGoOn(
            "There is no systemd here to install a service into: ./Borealis.sh up --detach starts both programs under"
            " Borealis' own supervisor."
        )
    if not root:
        raise CannotGoOn("Services are installed as root: sudo ./Borealis.sh install …")


def install_autostart(text: str, systemd: Systemd, progress: Progress) -> None:
    """Write the entry for sessions without systemd.

    Raises:
        OSError: no right.
    """
    with progress.step("Start at sign-in") as notes:
        _readable_folder(systemd.autostart.parent)
        write_atomic(systemd.autostart, text.encode(), mode=0o644)
        notes.append(AUTOSTART)


def install_units(units: Sequence[Unit], systemd: Systemd, progress: Progress) -> None:
    """Write units, enable and start them.

    Raises:
        CannotGoOn: systemctl refused; files written so far stay for a second try.
        OSError: no right.
    """
    with progress.step("Services") as notes:
        for unit in units:
            _readable_folder(systemd.file_of(unit.name).parent)
            write_atomic(systemd.file_of(unit.name), unit.text.encode(), mode=0o644)
            notes.append(unit.name)
        systemd.control("daemon-reload")
        for unit in units:
            if unit.name == USER_UNIT and not systemd.personal:
                systemd.control("--global", "enable", unit.name)  # starts with each user's next session
            else:
                systemd.control("enable", unit.name)
                systemd.control("restart", unit.name)


def remove_units(layout: Layout, systemd: Systemd, progress: Progress) -> None:
    """Stop and remove the units of this installation.

    Raises:
        CannotGoOn: not root, or systemctl refused.
        OSError: no right.
    """
    names = (USER_UNIT,) if systemd.personal else (AGENT_UNIT, ENGINE_UNIT, USER_UNIT)
    ours = [name for name in names if _is_ours(systemd.file_of(name), root_mark(layout))]
    entry = systemd.autostart
    if not ours and not _is_ours(entry, autostart_mark(layout)):
        return
    with progress.step("Remove services") as notes:
        if _is_ours(entry, autostart_mark(layout)):
            entry.unlink()
            notes.append(entry.name)
        for name in ours:
            with contextlib.suppress(CannotGoOn):  # one that is not loaded any more cannot be disabled
                if name == USER_UNIT and not systemd.personal:
                    systemd.control("--global", "disable", name)
                else:
                    systemd.control("disable", "--now", name)
            systemd.file_of(name).unlink(missing_ok=True)
            notes.append(name)
        if ours and systemd.is_there:
            systemd.control("daemon-reload")


def remove_runtimes(layout: Layout, progress: Progress, *, purge: bool) -> None:
    """Remove what is regenerated; with ``purge`` the data too. Only names that are ours, never the root itself.

    Raises:
        OSError: no right.
    """
    with progress.step("Remove data and runtimes" if purge else "Remove runtimes"):
        for folder in (layout.engine_folder, layout.agent.folder):
            if purge:
                discard(folder)
                continue
            for name in _REGENERATED:
                path = folder / name
                if path.is_symlink() or path.is_file():
                    path.unlink()
                else:
                    discard(path)
            with contextlib.suppress(OSError):
                folder.rmdir()  # nothing but an empty folder was left
        discard(layout.scratch)
        if layout.root != layout.checkout:
            with contextlib.suppress(OSError):
                layout.root.rmdir()


def owner_of(path: Path) -> str:
    """The account that owns ``path`` or the nearest folder above it; ``root`` where that has no name."""
    for candidate in (path, *path.parents):
        with contextlib.suppress(FileNotFoundError, KeyError):
            return candidate.owner()
    return "root"


def settings_to_keep(environ: Mapping[str, str]) -> dict[str, str]:
    """The ``BOREALIS_…`` settings that a service keeps from the command that installed it; never a secret."""
    dropped = {"BOREALIS_INSTALLER_CODE", "BOREALIS_ROOT", "BOREALIS_PROJECT_ROOT", "BOREALIS_PYTHON"}
    return {name: value for name, value in environ.items() if name.startswith("BOREALIS_") and name not in dropped}


def _readable_folder(folder: Path) -> None:
    """Make a folder where it is missing; everybody's sessions read what lies there, whatever the umask of ``sudo``."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.chmod(0o755)


def _is_ours(file: Path, mark: str) -> bool:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return False
    return mark in text
