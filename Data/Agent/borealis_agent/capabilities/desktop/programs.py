"""Which programs that serve desktops are installed. Loads nothing that the agent has not loaded at rest."""

import shutil
from collections.abc import Callable
from typing import Final

from borealis_agent.capabilities.shell.choice import SYSTEM_PATH

SCREEN_SERVER: Final = "x11vnc"
OWN_SERVER: Final = "Xvnc"

Which = Callable[[str], str | None]


def which(program: str) -> str | None:
    """Where a program of this system is; an account's own folders do not count."""
    return shutil.which(program, path=SYSTEM_PATH)


def programs_here(look: Which = which) -> str:
    """The servers of desktops that are installed, as a list for people."""
    return " ".join(name for name in (SCREEN_SERVER, OWN_SERVER) if look(name))
