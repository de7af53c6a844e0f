"""When a macro types next: its mode, trigger, interval and chance. Pure; seconds are monotonic, chances 0 to 1."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from borealis_wire.macro import MIN_INTERVAL_MS, MacroSettings, OperationMode


class Cue(Enum):
    """What to do now, where it is not to wait for a time."""

    TYPE = "type"
    REST = "wait until an operator changes something"
    END = "end"


REPEATING: Final = frozenset({OperationMode.CONTINUOUS, OperationMode.TRIGGER_CONTINUOUS})


@dataclass(slots=True)
class Pacing:
    """One macro's times. ``typed_at`` None: not yet, or what came before does not count any more."""

    settings: MacroSettings
    typed_at: float | None = None
    chance: float = 0.0

    def next(self, now: float) -> Cue | float:
        """What comes next: a cue, or the seconds to wait before asking again."""
        settings = self.settings
        if not settings.active:
            return Cue.REST
        match settings.operation_mode:
            case OperationMode.RUN_ONCE:
                return Cue.TYPE if self.typed_at is None else Cue.END
            case OperationMode.TRIGGER_ONCE:
                return Cue.TYPE if settings.trigger else Cue.REST
            case OperationMode.TRIGGER_CONTINUOUS if not settings.trigger:
                return Cue.REST
        if self.typed_at is None:
            return Cue.TYPE
        left = self.typed_at + self.interval() - now
        return left if left > 0 else Cue.TYPE

    def interval(self) -> float:
        """Seconds from the last time to the next; a changed interval counts for the wait under way."""
        settings = self.settings
        wanted = float(settings.interval_ms)
        if settings.randomize_interval:
            wanted = settings.random_min + self.chance * (settings.random_max - settings.random_min)
        return max(wanted, MIN_INTERVAL_MS) / 1000

    def typed(self, now: float, chance: float) -> None:
        """It begins to type; ``chance`` decides about the wait that follows. A trigger for once has been used."""
        self.typed_at, self.chance = now, chance
        if self.settings.operation_mode is OperationMode.TRIGGER_ONCE:
            self.settings = replace(self.settings, trigger=0)

    def finished(self, now: float) -> None:
        """It has typed, and the wait begins; not where it was set off anew meanwhile."""
        if self.typed_at is not None:
            self.typed_at = now

    def change(self, settings: MacroSettings) -> None:
        """Other settings from now on. What was set off anew, or became another mode, begins at once."""
        before, self.settings = self.settings, settings
        began = settings.trigger > before.trigger or settings.active > before.active
        mode = settings.operation_mode
        if mode is not before.operation_mode or (began and mode in REPEATING):
            self.typed_at = None
