"""What is said of a macro while it runs: each of its first steps, then how many there were, ever less often. Pure."""

from dataclasses import dataclass
from typing import Final

EACH: Final = 5
"""So many steps are told one by one after the start, and after each change."""
FIRST_SECONDS: Final = 5.0
LAST_SECONDS: Final = 300.0
"""Between two summaries: twice as long each time, up to this."""


@dataclass(slots=True)
class Telling:
    """One macro's words. Within a day it says some 300 lines and those that operators cause."""

    told: int = 0
    steps: int = 0
    _unsaid: int = 0
    _pause: float = FIRST_SECONDS
    _due: float = 0.0

    def step(self, what: str, now: float) -> str | None:
        """It typed once more; gives the line to say, if one is due."""
        self.steps += 1
        if self.told < EACH:
            self.told += 1
            self._due = now + self._pause
            return what if self.steps == 1 else f"{what} (time {self.steps})"
        self._unsaid += 1
        if now < self._due:
            return None
        line = f"typed {self._unsaid} more times, {self.steps} in all"
        self._unsaid = 0
        self._pause = min(self._pause * 2, LAST_SECONDS)
        self._due = now + self._pause
        return line

    def anew(self) -> None:
        """Something changed: the steps that follow are told one by one again."""
        self.told = 0

    def total(self) -> str:
        """How often it typed, for the end."""
        return "it typed nothing" if not self.steps else f"it typed {self.steps} time{'s' if self.steps > 1 else ''}"
