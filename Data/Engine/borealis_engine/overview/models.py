"""What the overview hands out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from borealis_wire.events import RunStatus

SLOT_SECONDS: Final = 300
FAILED: Final = frozenset(
    {RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.REFUSED, RunStatus.INTERRUPTED, RunStatus.EXPIRED}
)
"""Ends of a run that somebody should look at; a cancelled one was meant."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Devices by what they are. Online, offline and revoked add up to all; the rest are among these."""

    online: int = 0
    offline: int = 0
    quarantined: int = 0
    revoked: int = 0
    outdated: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Point:
    """One sample. ``at`` in Unix seconds; ``runs`` and ``failed`` of the 24 hours before it."""

    at: float
    counts: Counts
    waiting: int
    runs: int
    failed: int


@dataclass(frozen=True, slots=True)
class Series:
    """Samples, oldest first; where the Engine did not run there are none."""

    step_seconds: int
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Bar:
    """Runs that began within one step from ``at`` (Unix seconds) on; ``other``: cancelled, or not over yet."""

    at: float
    done: int
    failed: int
    other: int


@dataclass(frozen=True, slots=True)
class Bars:
    """Runs over time, oldest first, without gaps; the last bar is not over yet."""

    step_seconds: int
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Glance:
    """The fleet now. ``agent_build`` is the build that counts as up to date, empty where nobody can tell."""

    at: float
    counts: Counts
    agent_build: str
    waiting: int
    runs: Mapping[str, int]
