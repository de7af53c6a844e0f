"""Which command does what, and how it ends: with an exit status and at most one sentence, never a traceback.

Owns the exit statuses: 0 done, 1 could not be done, 2 wrong command line, 130 interrupted. Called by ``start.py``.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from borealis_bootstrap.arguments import Command, CommandName, help_text, parse, without_code
from borealis_bootstrap.errors import CannotGoOn, explain, tail
from borealis_bootstrap.layout import Layout, layout_from
from borealis_bootstrap.processes import become
from borealis_bootstrap.progress import Progress

Handler = Callable[[Command, Layout, Mapping[str, str]], int]


def run(arguments: Sequence[str], *, checkout: Path, environ: Mapping[str, str] | None = None) -> int:
    """Carry out one command line."""
    environ = dict(os.environ if environ is None else environ)
    try:
        command = parse(arguments)
        if command.enrolment_code and sys.platform != "win32":
            # We may stay for days, and everybody can read a command line; the environment is our own.
            start = str(checkout / "Data" / "Bootstrap" / "start.py")
            told = {**environ, "BOREALIS_INSTALLER_CODE": command.enrolment_code}
            become([sys.executable, "-I", start, *without_code(arguments)], told)
        layout = layout_from(environ, checkout=checkout, here=Path.cwd())
        return _HANDLERS[command.name](command, layout, environ)
    except CannotGoOn as error:
        _complain(error.sentence, error.log)
        return error.status
    except OSError as error:
        _complain(explain(error), None)
        return 1
    except KeyboardInterrupt:
        _complain("Interrupted; what had been started was stopped.", None)
        return 130


def _complain(sentence: str, log: Path | None) -> None:
    sys.stdout.flush()
    words = tail(log)
    if words:
        sys.stderr.write("\n" + "\n".join(f"    {line}" for line in words.splitlines()) + "\n")
        sys.stderr.write(f"  (end of {log})\n")
    sys.stderr.write(f"borealis: {sentence}\n")


# Late imports below: each command loads only what it uses, so that ``cli`` and ``status`` begin at once.


def _help(_command: Command, _layout: Layout, _environ: Mapping[str, str]) -> int:
    sys.stdout.write(help_text())
    return 0


def _status(command: Command, layout: Layout, environ: Mapping[str, str]) -> int:
    from borealis_bootstrap import status

    report = status.status(layout, environ)
    sys.stdout.write((status.as_json(report) if command.json else status.as_text(report)) + "\n")
    return 0


def _cli(command: Command, layout: Layout, environ: Mapping[str, str]) -> int:
    from borealis_bootstrap.operator_cli import run_cli

    run_cli(layout, environ, command.rest)


def _test(command: Command, layout: Layout, environ: Mapping[str, str]) -> int:
    from borealis_bootstrap.testing import run_tests

    run_tests(layout, Progress(), environ, command.rest)


def _bench(command: Command, layout: Layout, environ: Mapping[str, str]) -> int:
    from borealis_bootstrap.testing import run_bench

    run_bench(layout, Progress(sys.stderr), environ, command.rest)


def _new_role(command: Command, layout: Layout, _environ: Mapping[str, str]) -> int:
    from borealis_bootstrap.new_role import new_role

    paths = new_role(layout.checkout, command.role)
    lines = "".join(f"  {path.relative_to(layout.checkout).as_posix()}\n" for path in paths)
    sys.stdout.write(f"{lines}It runs as it is: ./Borealis.sh up. What is next: Docs/how-to/add-a-role.md\n")
    return 0


def _install(command: Command, layout: Layout, environ: Mapping[str, str]) -> int:
    from borealis_bootstrap import install

    return install.install(layout, Progress(), environ, command)


def _uninstall(command: Command, layout: Layout, _environ: Mapping[str, str]) -> int:
    from borealis_bootstrap import install

    return install.uninstall(layout, Progress(), purge=command.purge)


def _down(_command: Command, layout: Layout, _environ: Mapping[str, str]) -> int:
    from borealis_bootstrap import watch

    return watch.down(layout, Progress())


def _start(command: Command, layout: Layout, environ: Mapping[str, str]) -> int:
    if sys.platform == "win32":
        return _start_on_windows(command, layout, environ)
    from borealis_bootstrap import side, up, watch
    from borealis_bootstrap.invitation import Invitation
    from borealis_bootstrap.supervision import Supervision

    watch.end_like_ctrl_c()
    progress = Progress()
    agent, engine = Supervision(layout.agent), Supervision(layout.engine)
    if command.name == "up":
        started, watched = up.up(layout, progress, environ), [agent, engine]
    elif command.name == "engine":
        started, watched = side.engine(layout, progress, environ, dev=command.dev), [engine]
    else:
        invitation = Invitation(command.enrolment_code, command.server_url, command.trust_on_first_use)
        started, watched = side.agent(layout, progress, environ, invitation), [agent]
    if command.detach:
        progress.say("  It goes on in the background: ./Borealis.sh status, ./Borealis.sh down")
        return 0
    if not started:
        progress.say("  It was running already: ./Borealis.sh down stops it.")
        return 0
    return watch.stay(watched, progress)


def _start_on_windows(command: Command, layout: Layout, environ: Mapping[str, str]) -> int:
    """No supervisor there: the agent is a scheduled task, the Engine a program in the foreground."""
    from borealis_bootstrap import foreground, install

    if command.name == "engine":
        return foreground.engine(layout, Progress(), environ)
    if command.name == "agent":
        return install.install_agent_on_windows(layout, Progress(), environ, command)
    raise CannotGoOn(
        "On Windows: Borealis.ps1 -EngineProduction starts the Engine, -Agent installs the agent.", status=2
    )


_HANDLERS: Final[dict[CommandName, Handler]] = {
    "help": _help,
    "status": _status,
    "cli": _cli,
    "test": _test,
    "bench": _bench,
    "new-role": _new_role,
    "install": _install,
    "uninstall": _uninstall,
    "down": _down,
    "up": _start,
    "engine": _start,
    "agent": _start,
}
