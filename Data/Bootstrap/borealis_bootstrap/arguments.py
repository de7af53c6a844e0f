"""The command line: upstream's spellings become ours, then it is parsed. Pure but for ``--help``.

Owns the names of commands and options (contract 1). May be called by app.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn

from borealis_bootstrap.errors import CannotGoOn

CommandName = Literal[
    "up", "down", "status", "engine", "agent", "install", "uninstall", "test", "cli", "bench", "new-role", "help"
]

_PASS_ON: Final[dict[str, CommandName]] = {"test": "test", "cli": "cli", "bench": "bench"}
_COMMANDS: Final = frozenset({"up", "down", "status", "engine", "agent", "install", "uninstall", "new-role"})
_MODES: Final = {
    "agent": ["agent"],
    "server": ["engine"],
    "engine": ["engine"],
    "engineproduction": ["engine"],
    "enginedev": ["engine", "--dev"],
    "enginetests": ["test"],
}
_CODE_OPTIONS: Final = ("--enrollment-code", "--enrolment-code")
_OPTIONS: Final = {"serverurl": "--server-url", "enrollmentcode": "--enrollment-code"}

_HELP: Final = """\
Borealis: one Engine, an agent on each machine, and signed scripts between them.

  ./Borealis.sh up [--detach]     everything on this machine: Engine, agent, a first signed script; Ctrl-C stops it
  ./Borealis.sh status [--json]   what runs
  ./Borealis.sh down              stop both, losing nothing
  ./Borealis.sh cli ...           the operator's command line: devices, approve, run ...

  ./Borealis.sh engine [--detach] [--dev]
  ./Borealis.sh agent [--detach] --enrollment-code TOKEN
                                  one side alone, for a fleet; TOKEN comes from: cli codes create
  ./Borealis.sh install engine
  ./Borealis.sh install agent --enrollment-code TOKEN
  ./Borealis.sh uninstall [--purge]
                                  the same as services that start with the machine

  ./Borealis.sh new-role NAME     a role file that works, with its page and its test
  ./Borealis.sh test [PYTEST ARGUMENTS]
  ./Borealis.sh bench [--page | --playbook | --screen] [--json FILE]

BOREALIS_ROOT          folder of the runtimes Engine/ and Agent/ (default: this checkout)
BOREALIS_ENGINE_PORT   the Engine's port (default: 5000)
BOREALIS_PYTHON        the Python to use (3.11 or later)
Docs/how-to/install.md has the rest.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """One parsed command line. ``rest`` is for the program that ``test``, ``cli`` and ``bench`` hand over to."""

    name: CommandName
    detach: bool = False
    json: bool = False
    dev: bool = False
    purge: bool = False
    what: Literal["", "engine", "agent"] = ""
    role: str = ""
    server_url: str = ""
    enrolment_code: str = ""
    trust_on_first_use: bool = False
    rest: tuple[str, ...] = field(default=())


def ours(arguments: Sequence[str]) -> list[str]:
    """Upstream's spellings (``--Agent --EnrollmentCode X``, with one dash or two, any case) in our own."""
    if not arguments or not arguments[0].startswith("-") or arguments[0] in {"-h", "--help"}:
        return list(arguments)
    command: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for word in waiting:
        name, equals, value = word.lstrip("-").partition("=")
        bare = name.lower().replace("-", "").replace("_", "")
        if word.startswith("-") and bare in _MODES and not equals and not command:
            command = _MODES[bare]
        elif word.startswith("-") and bare in _OPTIONS:
            rest += [_OPTIONS[bare], value if equals else next(waiting, "")]
        else:
            rest.append(word)
    return [*command, *rest]


def parse(arguments: Sequence[str]) -> Command:
    """Read a command line.

    Raises:
        CannotGoOn: a wrong one, with status 2.
        SystemExit: ``--help`` of one command.
    """
    words = ours(arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        return Command("help")
    if words[0] in _PASS_ON:
        return Command(_PASS_ON[words[0]], rest=tuple(words[1:]))
    if words[0] not in _COMMANDS:
        raise CannotGoOn(f"There is no command {words[0]!r}. See ./Borealis.sh help.", status=2)
    given = _parser().parse_args(words)
    return Command(
        given.command,
        detach=getattr(given, "detach", False),
        json=getattr(given, "json", False),
        dev=getattr(given, "dev", False),
        purge=getattr(given, "purge", False),
        what=getattr(given, "what", ""),
        role=getattr(given, "role", ""),
        server_url=getattr(given, "server_url", ""),
        enrolment_code=getattr(given, "enrollment_code", ""),
        trust_on_first_use=getattr(given, "trust_on_first_use", False),
    )


def without_code(arguments: Sequence[str]) -> list[str]:
    """The same command line without its enrolment token, in our own spelling."""
    kept: list[str] = []
    waiting = iter(ours(arguments))
    for word in waiting:
        name, equals, _ = word.partition("=")
        if name not in _CODE_OPTIONS:
            kept.append(word)
        elif not equals:
            next(waiting, None)
    return kept


def help_text() -> str:
    """All commands on one screen."""
    return _HELP


class _Parser(argparse.ArgumentParser):
    """Complains in one sentence, like everything else here."""

    def error(self, message: str) -> NoReturn:
        raise CannotGoOn(f"{message[:1].upper()}{message[1:]}. See ./Borealis.sh help.", status=2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="Borealis.sh", allow_abbrev=False, add_help=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, allow_abbrev=False)

    def add_detach(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--detach", action="store_true", help="return once everything is ready, and leave it running")

    def add_invitation(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--server-url", default="", metavar="URL", help="the Engine, https://host[:port]")
        sub.add_argument(
            *_CODE_OPTIONS,
            default="",
            dest="enrollment_code",
            metavar="TOKEN",
            help="an enrolment token, or a bare code with --trust-on-first-use",
        )
        sub.add_argument("--trust-on-first-use", action="store_true", help="pin the first Engine that answers")

    add_detach(command("up"))
    command("down")
    command("status").add_argument("--json", action="store_true", help="for programs")
    engine = command("engine")
    add_detach(engine)
    engine.add_argument("--dev", action="store_true", help="with troubleshooting lines in the logs")
    agent = command("agent")
    add_detach(agent)
    add_invitation(agent)
    install = command("install")
    install.add_argument("what", choices=("engine", "agent"))
    add_invitation(install)
    command("new-role").add_argument("role", metavar="NAME", help="as DiskSpace or disk_space")
    command("uninstall").add_argument("--purge", action="store_true", help="remove the data too")
    return parser
