"""Which build of agents is up to date: what somebody set, else what the bootstrap wrote beside our code."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BUILD: Final = re.compile(r"[0-9a-f]{16}\n?")
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class AgentBuild:
    """Read anew each time: an upgrade of the agent alone writes the file and leaves the Engine running."""

    file: Path
    wanted: str = ""

    def __call__(self) -> str:
        """The build; empty where there is nothing to go by, as in a checkout."""
        if self.wanted:
            return self.wanted
        try:
            with self.file.open(encoding="ascii") as opened:
                text = opened.read(_LONGEST)
        except (OSError, UnicodeDecodeError):
            return ""
        return text.strip() if _BUILD.fullmatch(text) else ""
