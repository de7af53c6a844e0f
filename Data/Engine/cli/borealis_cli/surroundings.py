"""What a command finds around it: environment, terminal, clock; an argument, so that tests own all of it."""

import getpass
import io
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

import httpx
from rich.console import Console

from borealis_cli.errors import USAGE, CliError

_WIDE: Final = 220
"""Columns where nobody looks at a terminal: a program that reads the table must not get cut names."""


@dataclass
class Surroundings:
    """The process a command runs in.

    ``transport`` replaces the network in tests; ``interactive``: somebody is there to answer questions.
    """

    environ: Mapping[str, str]
    home: Path
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    interactive: bool
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    read_line: Callable[[str], str] = input
    read_secret: Callable[[str], str] = getpass.getpass
    transport: httpx.BaseTransport | None = None
    prefer_login: bool = False
    out: Console = field(init=False)

    def __post_init__(self) -> None:
        self.out = self.console_of(self.stdout)

    @staticmethod
    def console_of(stream: TextIO) -> Console:
        """A console for tables."""
        return Console(file=stream, width=None if stream.isatty() else _WIDE, highlight=False)

    def say(self, sentence: str) -> None:
        """A line for people, on standard output."""
        self.stdout.write(sentence + "\n")

    def note(self, sentence: str) -> None:
        """A line beside the result, on standard error."""
        self.stderr.write(sentence + "\n")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only if somebody says so, or said so before by ``--yes``.

        Raises:
            CliError: they did not, or nobody is there to ask.
        """
        if yes:
            return
        if not self.interactive:
            raise CliError(f"{question} Nobody is here to answer: say --yes if you mean it.", USAGE)
        if self.read_line(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
            raise CliError("Nothing was done.")


def this_process() -> Surroundings:
    """The real ones."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter is no reason to end
    return Surroundings(
        environ=os.environ,
        home=Path.home(),
        stdin=sys.stdin,
        stdout=sys.stdout,
        stderr=sys.stderr,
        interactive=sys.stdin.isatty() and sys.stderr.isatty(),
    )
