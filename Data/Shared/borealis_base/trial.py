"""How far an update of the agent is, in one file, and what the next start does with that. Pure but for that file.

The pointers to code and environment name the version that is known to work, always. While a new one is on trial, this
file alone asks for it: whoever is killed at any instruction leaves a start that begins the old version, or the new one
for the few times it has. Written by the agent (``preparing``, ``trial``, ``confirmed``, ``failed``) while it runs, and
by what starts it (``borealis_bootstrap.begin``) before it does; never by both at once.

::

    preparing ─▶ trial ─▶ confirmed ─▶ installed
        │          │
        ▼          ▼
      failed   rolled_back
"""

import json
import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from borealis_base.files import write_atomic

FILE: Final = "update.json"
MAX_STARTS: Final = 3
TRIAL_SECONDS: Final = 180.0
AGAIN: Final = 4
"""The exit status of an agent that is to be started again at once."""
STARTER: Final = "BOREALIS_STARTER"
"""Tells the agent which interpreter started it by the pointers; without it nothing could bring an old version back."""
_MAX_BYTES: Final = 64 * 1024
_MAX_REASON: Final = 1000

State = Literal["preparing", "trial", "confirmed", "installed", "rolled_back", "failed"]
ENDED: Final[frozenset[State]] = frozenset({"installed", "rolled_back", "failed"})
"""Nothing is left to do but to tell the Engine."""


@dataclass(frozen=True, slots=True)
class Build:
    """A staged version and the environment that it runs in."""

    version: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """One update.

    Attributes:
        request_id: the order it follows.
        old: what ran when the order came.
        new: what it is to become; its environment is known once it is staged.
        reason: why it failed or was rolled back; of a trial: why the new version gives itself up.
        roles: roles that were well under the old version.
        starts: how often the new version was begun.
        seconds: what it has, from its first start, to prove itself.
        boot, until: the trial's end on the steady clock of that boot.
    """

    request_id: str
    state: State
    old: Build
    new: Build
    reason: str = ""
    roles: tuple[str, ...] = ()
    starts: int = 0
    seconds: float = TRIAL_SECONDS
    boot: str = ""
    until: float = 0.0

    def ended(self, state: State, reason: str = "") -> "Update":
        """The same with its outcome."""
        return replace(self, state=state, reason=reason[:_MAX_REASON])


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started. ``update`` is what is to be on disk before; None leaves it as it is."""

    new: bool
    update: Update | None = None
    settle: bool = False
    """The pointers are to move first."""


def decide(update: Update | None, *, boot: str, now: float) -> Start:
    """What the next start begins.

    Args:
        update: what the file says; None for no file, or one that cannot be read.
        boot: names this boot of the machine.
        now: seconds of its steady clock.
    """
    if update is None or update.state not in {"trial", "confirmed"}:
        return Start(new=False)
    if update.state == "confirmed":
        return Start(new=True, settle=True)
    if update.reason:
        return Start(new=False, update=update.ended("rolled_back", update.reason))
    same_clock = update.starts > 0 and update.boot == boot and now >= update.until - update.seconds
    if same_clock and now >= update.until:
        return Start(new=False, update=update.ended("rolled_back", _too_late(update)))
    if update.starts >= MAX_STARTS:
        reason = f"The new version ended {update.starts} times before it had reached the Engine."
        return Start(new=False, update=update.ended("rolled_back", reason))
    # A reboot in the middle takes nothing from the time that it has; the number of starts bounds that.
    until = update.until if same_clock else now + update.seconds
    return Start(new=True, update=replace(update, starts=update.starts + 1, boot=boot, until=until))


def _too_late(update: Update) -> str:
    return f"The new version did not reach the Engine within {update.seconds:.0f} s."


def read_update(path: Path) -> Update | None:
    """What the file says; None where there is none, and where it is torn: then nothing asks for a new version.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw: Any = json.loads(file.read(_MAX_BYTES))
        update = Update(
            request_id=_text(raw["request_id"]),
            state=raw["state"],
            old=Build(**{name: _text(value) for name, value in raw["old"].items()}),
            new=Build(**{name: _text(value) for name, value in raw["new"].items()}),
            reason=_text(raw["reason"]),
            roles=tuple(_text(name) for name in raw["roles"]),
            starts=int(raw["starts"]),
            seconds=float(raw["seconds"]),
            boot=_text(raw["boot"]),
            until=float(raw["until"]),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    finite = math.isfinite(update.seconds) and math.isfinite(update.until)
    return update if update.state in get_args(State) and finite else None


def write_update(path: Path, update: Update) -> None:
    """Replace the file as a whole, durably.

    Raises:
        OSError: disk full, read-only, no right; the old one is then untouched.
    """
    write_atomic(path, json.dumps(asdict(update)).encode())


def boot_id() -> str:
    """Names this boot; empty where the system does not tell, and the steady clock alone has to."""
    if sys.platform != "linux":
        return ""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it is not a text")
    return value
