"""The agent's entry: ``python agent.py [--system-service] [--installer-code TOKEN] …`` (contract 1, upstream 11.3).

Importing it does nothing. ``AgentHttpClient`` can be had from here, as upstream's tools expect. Exit statuses: 0 told
to end, 1 a fault of its own, 2 wrong command line, 3 a person must act (``borealis_agent.app`` says when which).
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from borealis_agent.http import AgentHttpClient

__all__ = ["AgentHttpClient", "main"]

HERE = Path(__file__).resolve().parent
_CODE_OPTIONS = frozenset({"--installer-code", "--enrollment-code"})


def __getattr__(name: str) -> Any:
    if name == "AgentHttpClient":
        from borealis_agent.http import AgentHttpClient

        return AgentHttpClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the agent; gives the exit status."""
    _find_packages()
    from borealis_agent.app import run, say_fatal
    from borealis_agent.core.errors import Fatal
    from borealis_agent.core.settings import load_settings

    environ = os.environ if environ is None else environ
    try:
        settings = load_settings(sys.argv[1:] if arguments is None else arguments, environ, here=HERE / "agent.py")
    except Fatal as error:
        return say_fatal(error)
    return run(settings, roles_folder=HERE / "Roles", environ=environ, build_id=build_id(HERE))


def build_id(here: Path) -> str:
    """The version that was staged: the name of the folder around ``Agent``; ``source`` in a checkout."""
    name = here.parent.name
    return name if len(name) == 16 and all(char in "0123456789abcdef" for char in name) else "source"


def without_code(words: Sequence[str]) -> tuple[list[str], str]:
    """A command line without ``--installer-code`` (``--enrollment-code``), and the code that stood there; pure."""
    kept: list[str] = []
    code = ""
    given = iter(words)
    for word in given:
        name, equals, value = word.partition("=")
        if name in _CODE_OPTIONS:
            code = value if equals else next(given, "")
        else:
            kept.append(word)
    return kept, code


def _hide_code() -> None:
    """Every account of a machine may read command lines; an environment is its process's own (threats 7)."""
    words, code = without_code(sys.orig_argv)
    if code and os.name == "posix":
        os.execve(sys.executable, words, {**os.environ, "BOREALIS_INSTALLER_CODE": code})  # noqa: S606  no shell


def _find_packages() -> None:
    """Our packages lie beside this file, and the shared ones beside its folder."""
    for folder in (HERE.parent / "Shared", HERE):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


if __name__ == "__main__":
    _hide_code()
    sys.exit(main())
