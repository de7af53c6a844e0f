"""Counting devices, and which samples a plot takes; pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from borealis_engine.overview.models import FAILED, SLOT_SECONDS, Bar, Counts
from borealis_wire.events import RunStatus

MAX_POINTS: Final = 288
HOURLY: Final = 3600 // SLOT_SECONDS
FINE_SLOTS: Final = 2 * 24 * HOURLY
"""For so long every sample is kept, then one an hour."""
KEPT_SLOTS: Final = 30 * 24 * HOURLY


class CountedDevice(Protocol):
    """What is looked at of a device."""

    @property
    def site_id(self) -> int | None:
        """Its site."""

    @property
    def status(self) -> str:
        """``active``, ``quarantined``, ``revoked`` or ``decommissioned``."""

    @property
    def online(self) -> bool:
        """Whether it is there."""

    @property
    def has_agent(self) -> bool:
        """Whether an agent is on it; of the others nobody can say whether they are there."""

    @property
    def agent_build_id(self) -> str:
        """The version of its agent."""


def current_build(devices: Iterable[CountedDevice]) -> str:
    """The build that most agents which are there report; empty where none reports one.

    Between equally many the later name wins, so that everybody names the same one.
    """
    builds = Counter(device.agent_build_id for device in devices if device.online and device.agent_build_id)
    return max(builds, key=lambda build: (builds[build], build), default="")


def count_by_site(devices: Iterable[CountedDevice], build: str) -> dict[int, Counts]:
    """Devices with an agent by site (0: none), each kind of them; ``build`` is up to date, empty for unknown."""
    found: dict[int, Counts] = {}
    for device in devices:
        if not device.has_agent:
            continue
        connects = device.status in {"active", "quarantined"}
        one = Counts(
            online=int(connects and device.online),
            offline=int(connects and not device.online),
            quarantined=int(device.status == "quarantined"),
            revoked=int(not connects),
            outdated=int(bool(connects and build and device.agent_build_id and device.agent_build_id != build)),
        )
        site = device.site_id or 0
        found[site] = found.get(site, Counts()) + one
    return found


def slot_of(now: float) -> int:
    """The slot that a moment (Unix seconds) lies in."""
    return int(now // SLOT_SECONDS)


def bar_seconds(hours: int) -> int:
    """How long a bar of a plot over so many hours is: an hour, six, or a day, so that there are at most 30 or so."""
    for bar_hours in (1, 6):
        if hours <= 30 * bar_hours:
            return bar_hours * 3600
    return 24 * 3600


def bar_edges(now: float, *, hours: int, step: int, midnight: float) -> list[float]:
    """Where the bars begin that cover the last ``hours``, oldest first; one of them at ``midnight``, give or take
    whole steps."""
    first = math.floor((now - hours * 3600 - midnight) / step)
    last = math.floor((now - midnight) / step)
    return [midnight + number * step for number in range(first + 1, last + 1)]


def bar(at: float, counts: Mapping[str, int]) -> Bar:
    """The bar of runs by status."""
    done = counts.get(RunStatus.SUCCESS.value, 0)
    failed = sum(counts.get(status.value, 0) for status in FAILED)
    return Bar(at, done, failed, sum(counts.values()) - done - failed)


def step_for(hours: int) -> int:
    """Every how many slots a plot over so many hours takes one: at most some 300 points, and only kept ones."""
    wanted = -(-hours * HOURLY // MAX_POINTS)
    if hours * HOURLY <= FINE_SLOTS:
        return max(1, wanted)
    return max(HOURLY, -(-wanted // HOURLY) * HOURLY)
