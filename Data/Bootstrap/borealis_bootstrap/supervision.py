"""Start, watch and stop one program under ``supervise.sh``.

Owns ``<runtime>/Run/``. May be called by up, side, down and status. Stops only what its own files name.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from borealis_base.files import write_atomic
from borealis_bootstrap.errors import CannotGoOn, tail
from borealis_bootstrap.layout import Runtime
from borealis_bootstrap.processes import Identity, end, is_alive, read_identity

PERSON_MUST_ACT: Final = 3
STOP_SECONDS: Final = 40.0

StateName = Literal["running", "restarting", "attention", "unsupervised", "stopped"]


@dataclass(frozen=True, slots=True)
class Started:
    """How a program was last started; kept so that later commands need no environment to find it."""

    version: str
    environment: str
    url: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Exit:
    """One end of a program."""

    status: int
    seconds: int
    when: float


@dataclass(frozen=True, slots=True)
class ProgramState:
    """What one program does now."""

    state: StateName
    pid: int | None = None
    exits: tuple[Exit, ...] = ()
    started: Started | None = None

    @property
    def is_up(self) -> bool:
        """Whether something of it runs that ``down`` would stop."""
        return self.state != "stopped"


class Supervision:
    """One program of one installation."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._supervisor_file = runtime.run / "supervisor"
        self._program_file = runtime.run / "program"
        self._started_file = runtime.run / "started.json"
        self._exits_file = runtime.run / "exits"
        self._child: subprocess.Popen[bytes] | None = None  # kept: it is ours to collect when it ends before us

    def state(self) -> ProgramState:
        """Look at files and processes.

        Raises:
            OSError: the files cannot be read.
        """
        supervisor, program = read_identity(self._supervisor_file), read_identity(self._program_file)
        exits, started = self._exits(), self.started()
        if is_alive(supervisor):
            if is_alive(program):
                return ProgramState("running", program.pid if program else None, exits, started)
            needs_person = bool(exits) and exits[-1].status == PERSON_MUST_ACT
            return ProgramState("attention" if needs_person else "restarting", None, exits, started)
        if is_alive(program):
            return ProgramState("unsupervised", program.pid if program else None, exits, started)
        return ProgramState("stopped", None, exits, started)

    def started(self) -> Started | None:
        """How it was last started; None where it never was, or where the file is torn."""
        try:
            raw: Any = json.loads(self._started_file.read_text(encoding="utf-8"))
            return Started(str(raw["version"]), str(raw["environment"]), str(raw["url"]), int(raw["port"]))
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    def start(self, command: list[str], environ: Mapping[str, str], started: Started, *, script: Path) -> None:
        """Start the program under a supervisor of its own session, and return once it is known who runs.

        Args:
            command: the program.
            environ: its whole environment.
            started: remembered for later commands.
            script: the staged ``supervise.sh``.

        Raises:
            CannotGoOn: the supervisor did not come up.
            OSError: disk full, read-only, no right.
        """
        for path in (self._supervisor_file, self._program_file, self._exits_file):
            path.unlink(missing_ok=True)
        self.runtime.run.mkdir(parents=True, exist_ok=True)
        self.runtime.run.chmod(0o700)
        self.runtime.logs.mkdir(parents=True, exist_ok=True)
        write_atomic(self._started_file, json.dumps(asdict(started)).encode())
        log = self.runtime.logs / "supervisor.log"
        with log.open("ab") as file:
            self._child = subprocess.Popen(
                ["/bin/sh", str(script), str(self.runtime.run), str(self.runtime.logs), self.runtime.name, *command],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + 10
        while not (self._program_file.exists() or self._exits_file.exists()):
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise CannotGoOn(f"The supervisor of the {self.runtime.name} did not start.", log=log)
            time.sleep(0.01)

    def stop(self, *, seconds: float = STOP_SECONDS) -> bool:
        """Stop program and supervisor and wait; True where both ended by themselves.

        Raises:
            PermissionError: they belong to somebody else.
        """
        supervisor, program = read_identity(self._supervisor_file), read_identity(self._program_file)
        clean = self._end(supervisor, seconds)
        # The program is the supervisor's to end; it is still there only if the supervisor was killed.
        program = read_identity(self._program_file) or program
        clean = self._end(program, seconds) and clean
        if self._child is not None:
            self._child.poll()
        with contextlib.suppress(NotADirectoryError):
            for path in (self._supervisor_file, self._program_file):
                path.unlink(missing_ok=True)
        return clean

    def _end(self, identity: Identity | None, seconds: float) -> bool:
        try:
            return end(identity, seconds=seconds)
        except PermissionError as error:
            pid = identity.pid if identity else 0
            raise CannotGoOn(
                f"The {self.runtime.name} (pid {pid}) was started by {_user_of(pid)}: stop it as that user, or as root."
            ) from error

    def _exits(self) -> tuple[Exit, ...]:
        exits = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for line in self._exits_file.read_text(encoding="ascii", errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    status, seconds, when = (int(word) for word in line.split())
                    exits.append(Exit(status, seconds, when))
        return tuple(exits)


def _user_of(pid: int) -> str:
    try:
        return f"user {Path(f'/proc/{pid}').owner()}"
    except (OSError, KeyError):
        return "another user"


def program_environ(environ: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program: everything inherited but what would change its Python, plus ``extra``.

    ``BOREALIS_INSTALLER_CODE`` is left out: a token reaches the agent by its settings file, scripts never.
    """
    dropped = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    dropped.add("BOREALIS_INSTALLER_CODE")
    kept = {name: value for name, value in environ.items() if name not in dropped}
    return {**kept, "PYTHONNOUSERSITE": "1", **extra}


def last_words(runtime: Runtime) -> str:
    """The last line that the program wrote to its standard streams: the sentence for a person where it ended with 3."""
    lines = [line.strip() for line in tail(runtime.output).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def is_root() -> bool:
    """Whether we may do everything on this machine."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
