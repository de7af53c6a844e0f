"""Starting the agent's own code as another process: isolated, with the agent's path and nothing else."""

import json
import os
import sys
from pathlib import Path
from typing import Final

_CODE: Final = Path(__file__).resolve().parents[2]
_PATH_FIRST: Final = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "


def command(code: str, *arguments: str) -> list[str]:
    """The command line that runs ``code``, Python text; it finds ``arguments`` from ``sys.argv[2]`` on.

    It gets neither the environment's settings of Python nor the user's packages: it may run with more rights than who
    set those.
    """
    path = json.dumps([str(_CODE), *(entry for entry in sys.path if entry)])
    return [sys.executable, "-I", "-S", "-c", _PATH_FIRST + code, path, *arguments]


def bare_environment(*kept: str) -> dict[str, str]:
    """What such a process needs of the environment: where programs are, and those of ``kept`` that are set."""
    return {"PATH": os.defpath, **{name: os.environ[name] for name in kept if name in os.environ}}
