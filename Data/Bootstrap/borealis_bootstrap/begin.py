"""Every start of the agent: which version, and what becomes of an update that is on trial.

``begin.py RUNTIME -- ARGUMENT …`` becomes the agent. ``begin.py RUNTIME --settle`` moves the pointers to a version that
was confirmed. ``begin.py RUNTIME --adopt BUILD`` stages the package that it lies in. Owns the pointers between two
``up``. Called by ``Data/Bootstrap/begin.py``; standard library only, for it runs before any environment is chosen.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from borealis_base.files import write_atomic
from borealis_base.trial import AGAIN, FILE, STARTER, Build, Update, boot_id, decide, read_update, write_update
from borealis_bootstrap.errors import CannotGoOn, explain
from borealis_bootstrap.layout import Runtime, python_in
from borealis_bootstrap.shelf import code_shelf, environment_shelf

PERSON_MUST_ACT: Final = 3
END_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.5


def run(words: Sequence[str], *, code: Path) -> int:
    """Carry out one command line; gives the exit status where it does not become the agent.

    Args:
        words: the runtime's folder, then what to do.
        code: the folder that this was started from.
    """
    runtime = Runtime("agent", Path(words[0]), Path(words[0]))
    rest = list(words[1:])
    try:
        match rest:
            case ["--settle"]:
                settle(runtime)
            case ["--adopt", build]:
                from borealis_bootstrap.adopt import adopt

                sys.stdout.write(json.dumps(asdict(adopt(runtime, build, checkout=code.parents[1]))) + "\n")
            case _:
                return begin(runtime, rest[1:] if rest[:1] == ["--"] else rest, os.environ)
    except CannotGoOn as error:
        sys.stderr.write(f"borealis: {error.sentence}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"borealis: {explain(error)}\n")
        return 1
    return 0


def update_file(runtime: Runtime) -> Path:
    """Where it stands how far an update is."""
    return runtime.run / FILE


def choose(runtime: Runtime, *, now: float | None = None) -> tuple[Build, Update | None]:
    """What is to be started now, and the update where that is on trial. What it decides is on disk when it returns.

    Raises:
        OSError: the file can be neither read nor written: then nothing new is tried.
    """
    path = update_file(runtime)
    update = read_update(path)
    start = decide(update, boot=boot_id(), now=time.monotonic() if now is None else now)
    if start.new and update is not None and not _is_there(runtime, update.new):
        # Somebody deleted it, or the disk lost it.
        start = replace(start, new=False, settle=False, update=update.ended("rolled_back", "It is not there any more."))
    if start.update is not None:
        write_update(path, start.update)
    if start.settle:
        settle(runtime)
    if start.new and update is not None:
        return update.new, None if start.settle else start.update
    return current(runtime), None


def current(runtime: Runtime) -> Build:
    """The version and the environment that the pointers name."""
    return Build(code_shelf(runtime).current(), environment_shelf(runtime).current())


def settle(runtime: Runtime) -> None:
    """Point to a version that was confirmed, and delete what neither it nor the one before needs. Once more is no harm.

    Raises:
        OSError: no right, disk full. The next start tries again.
    """
    path = update_file(runtime)
    update = read_update(path)
    if update is None or update.state != "confirmed":
        return
    environment_shelf(runtime).point(update.new.environment)
    code_shelf(runtime).point(update.new.version)
    write_update(path, update.ended("installed"))
    with contextlib.suppress(OSError):  # what cannot be deleted now is deleted the next time
        code_shelf(runtime).prune({update.old.version})
        environment_shelf(runtime).prune({update.old.environment})


def begin(runtime: Runtime, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Become the agent (on Windows: run it, and give its exit status).

    Raises:
        OSError: there is no such program.
    """
    while True:
        try:
            build, trial = choose(runtime)
        except OSError as error:
            sys.stderr.write(f"borealis: {explain(error)} Started is what the pointers name.\n")
            build, trial = current(runtime), None
        if not _is_there(runtime, build):
            sys.stderr.write(
                f"borealis: There is no agent in {runtime.folder}: ./Borealis.sh up, or install it anew.\n"
            )
            return PERSON_MUST_ACT
        command = command_of(runtime, build, arguments)
        _note(runtime, build)
        told = {**environ, STARTER: sys.executable}
        if sys.platform != "win32":
            if trial is not None:
                watch_over(update_file(runtime), trial)
            os.execve(command[0], command, told)  # noqa: S606  our own program, and no shell in between
        status = _run_child(command, told, update_file(runtime), trial)
        update = read_update(update_file(runtime))
        if status != AGAIN and (update is None or update.state not in {"trial", "confirmed"}):
            return status


def command_of(runtime: Runtime, build: Build, arguments: Sequence[str]) -> list[str]:
    """How a version of the agent is started."""
    python = python_in(environment_shelf(runtime).path(build.environment))
    return [
        str(python),
        *runtime.python_flags,
        str(code_shelf(runtime).path(build.version) / runtime.entry),
        *arguments,
    ]


def starting(runtime: Runtime, arguments: Sequence[str] = (), *, python: str = sys.executable) -> list[str]:
    """How this module is started, so that it finds itself by the pointer each time.

    Isolated (-I) and without site packages (-S), for it may run as root.
    """
    entry = runtime.code / ("begin.py" if sys.platform == "win32" else "current/Bootstrap/begin.py")
    return [python, "-I", "-S", "-OO", str(entry), str(runtime.folder), "--", *arguments]


def windows_entry(runtime: Runtime) -> None:
    """Where a pointer is no link, a file beside it follows it: written once, the same for all versions.

    Raises:
        OSError: disk full, no right.
    """
    write_atomic(runtime.code / "begin.py", _ENTRY.encode(), mode=0o644)


_ENTRY: Final = '''"""Starts the agent by the pointer beside this file. Made by Borealis; changes here are lost."""

import runpy
import sys
from pathlib import Path

code = Path(__file__).resolve().parent
version = (code / "current.version").read_text(encoding="utf-8").strip()
sys.exit(runpy.run_path(str(code / version / "Bootstrap" / "begin.py"))["main"]())
'''


def _is_there(runtime: Runtime, build: Build) -> bool:
    code, environments = code_shelf(runtime), environment_shelf(runtime)
    if not build.version or not build.environment:
        return False
    return (
        code.is_complete(build.version)
        and environments.is_complete(build.environment)
        and python_in(environments.path(build.environment)).exists()
    )


def _note(runtime: Runtime, build: Build) -> None:
    """Let ``up`` and ``status`` know what runs, in the note that ``supervision`` keeps where there is no systemd."""
    path = runtime.run / "started.json"
    try:
        started: Any = json.loads(path.read_text(encoding="utf-8"))
        if (started["version"], started["environment"]) != (build.version, build.environment):
            fresh = {**started, "version": build.version, "environment": build.environment}
            write_atomic(path, json.dumps(fresh).encode())
    except (OSError, ValueError, KeyError, TypeError):
        return  # no supervisor of ours, or a torn note, which it treats as none


def is_over(path: Path, trial: Update) -> bool:
    """Whether a trial was decided, one way or another."""
    try:
        update = read_update(path)
    except OSError:
        return False
    return update is None or update.request_id != trial.request_id or update.state != "trial" or bool(update.reason)


if sys.platform != "win32":

    def watch_over(path: Path, trial: Update) -> None:
        """Leave a process behind that ends us, whatever we have become, when the trial's time is up.

        It is code of the old version. Killed, it takes nothing with it but the punctual end of a new version that
        neither reaches its Engine nor ends: the next start still counts the time.
        """
        if not hasattr(os, "pidfd_open"):
            return  # without it a pid could be somebody else's by then; the next start decides
        ourselves = os.pidfd_open(os.getpid())
        child = os.fork()
        if child:
            os.close(ourselves)
            os.waitpid(child, 0)
            return
        try:
            os.setsid()
            if os.fork() == 0:  # the agent is to have no child that it knows nothing of
                _watch(ourselves, path, trial)
        finally:
            os._exit(0)

    def _watch(watched: int, path: Path, trial: Update) -> None:
        import select

        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        os.chdir("/")
        poll = select.poll()
        poll.register(watched, select.POLLIN)

        def ended(seconds: float) -> bool:
            return bool(poll.poll(max(0.0, seconds) * 1000))

        while not is_over(path, trial):
            left = trial.until - time.monotonic()
            if left <= 0:
                signal.pidfd_send_signal(watched, signal.SIGTERM)
                if not ended(END_SECONDS):
                    signal.pidfd_send_signal(watched, signal.SIGKILL)
                return
            if ended(min(left, LOOK_SECONDS)):
                return


def _run_child(command: Sequence[str], environ: Mapping[str, str], path: Path, trial: Update | None) -> int:
    """Windows has no exec: stay as the parent, and end a trial in time."""
    import subprocess

    with subprocess.Popen(list(command), env=dict(environ)) as child:
        while True:
            try:
                return child.wait(None if trial is None else LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if trial is not None and is_over(path, trial):
                    trial = None
                elif trial is not None and time.monotonic() >= trial.until:
                    child.kill()
