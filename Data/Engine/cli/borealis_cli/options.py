"""Options that several commands have, and how a command gets at the Engine."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from borealis_cli.client import EngineClient
from borealis_cli.places import Target, find_target
from borealis_cli.surroundings import Surroundings

Json = Annotated[bool, typer.Option("--json", help="Print the Engine's answer as it is, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DeviceName = Annotated[str, typer.Argument(metavar="DEVICE", help="Hostname or GUID.")]


def surroundings(ctx: typer.Context) -> Surroundings:
    """Those of this process, or of a test."""
    found = ctx.find_root().obj
    assert isinstance(found, Surroundings)
    return found


@contextmanager
def engine(ctx: typer.Context) -> Iterator[EngineClient]:
    """The Engine that is meant.

    Raises:
        CliError: nobody is signed in.
    """
    around = surroundings(ctx)

    def find() -> Target:
        return find_target(around.environ, around.home, prefer_login=around.prefer_login, checkout=_checkout())

    with EngineClient(find(), transport=around.transport, sleep=around.sleep, find_again=find) as client:
        yield client


def print_json(around: Surroundings, answer: Any) -> None:
    """One JSON value on standard output, and nothing else."""
    plain = (around.stdout.encoding or "").lower().replace("-", "") != "utf8"
    json.dump(answer, around.stdout, ensure_ascii=plain, indent=2)
    around.stdout.write("\n")


def _checkout() -> Path | None:
    # <checkout>/Data/Engine/cli/borealis_cli/options.py; in a staged runtime the environment says where it is.
    here = Path(__file__).resolve()
    return here.parents[4] if here.parents[3].name == "Data" else None
