"""What activity shows of looks: their names there, and how each way to end counts; no I/O."""

from dataclasses import dataclass

from borealis_engine.activity import Use
from borealis_engine.core.errors import EngineError
from borealis_engine.screens.models import PictureAsked, WatchAsked
from borealis_wire.events import RunStatus
from borealis_wire.screen import ALL_MONITORS

ASKER_GONE = "Who asked for it went away."


@dataclass(frozen=True, slots=True)
class Over:
    """A look that is over; ``reason`` is for people."""

    use: Use
    status: RunStatus
    reason: str = ""


def picture_name(asked: PictureAsked) -> str:
    """What lists show of a picture."""
    part = asked.region
    of_what = _monitor(asked.monitor)
    if part is not None:
        of_what = f"{part.width} x {part.height} pixels at {part.x}, {part.y} of {of_what}"
    return f"Screen: picture of {of_what}"


def watch_name(asked: WatchAsked) -> str:
    """What lists show of a live view."""
    return f"Screen: live view of {_monitor(asked.monitor)}"


def failed(use: Use, error: BaseException) -> Over:
    """A look that came to nothing."""
    if isinstance(error, EngineError):
        return Over(use, RunStatus.FAILED, error.detail)
    return Over(use, RunStatus.INTERRUPTED, ASKER_GONE)


def _monitor(number: int) -> str:
    return "all monitors" if number == ALL_MONITORS else f"monitor {number}"
