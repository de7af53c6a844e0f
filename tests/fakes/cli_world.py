"""The command line in this process: a root with an owner's token, a fake Engine, and what was printed."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.fake_rest import NOW, FakeRest

from borealis_cli.app import main
from borealis_cli.surroundings import Surroundings

TOKEN = "bor_owner_test"


class Terminal(io.StringIO):
    """A text stream that may claim to be a terminal."""

    def __init__(self, text: str = "", *, terminal: bool = False) -> None:
        super().__init__(text)
        self.terminal = terminal

    def isatty(self) -> bool:
        """Whether somebody looks."""
        return self.terminal


@dataclass
class Printed:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value that it has to be."""
        return json.loads(self.out)


@dataclass
class CliWorld:
    """One user at one machine."""

    root: Path
    home: Path
    rest: FakeRest = field(default_factory=FakeRest)
    environ: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    """What the person types, line by line."""
    asked: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    use_network: bool = False

    def __post_init__(self) -> None:
        self.environ.setdefault("BOREALIS_ROOT", str(self.root))
        self.make_owner()

    def make_owner(self) -> None:
        """The Engine's own machine."""
        for path, text in (
            (self.root / "Engine" / "Data" / "Secrets" / "cli.token", f"{TOKEN}\n"),
            (self.root / "Engine" / "Certificates" / "borealis-server-bundle.pem", "PEM"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def __call__(self, *arguments: str, stdin: str = "", interactive: bool = False, terminal: bool = False) -> Printed:
        """Run ``borealis`` with these arguments."""
        out, err = Terminal(terminal=terminal), Terminal()
        around = Surroundings(
            environ=self.environ,
            home=self.home,
            stdin=Terminal(stdin),
            stdout=out,
            stderr=err,
            interactive=interactive,
            now=lambda: NOW,
            sleep=self.slept.append,
            read_line=self._typed,
            read_secret=self._typed,
            transport=None if self.use_network else self.rest.transport(),
        )
        status = main(arguments, around)
        return Printed(status, out.getvalue(), err.getvalue())

    def _typed(self, question: str) -> str:
        self.asked.append(question)
        return self.answers.pop(0)
