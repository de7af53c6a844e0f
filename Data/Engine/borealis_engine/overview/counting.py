"""Counting devices, and which samples a plot takes; pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from borealis_engine.overview.models import SLOT_SECONDS, Counts

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
    def agent_build_id(self) -> str:
        """The version of its agent."""


def current_build(devices: Iterable[CountedDevice]) -> str:
    """The build that most agents which are there report; empty where none reports one.

    Between equally many the later name wins, so that everybody names the same one.
    """
    builds = Counter(device.agent_build_id for device in devices if device.online and device.agent_build_id)
    return max(builds, key=lambda build: (builds[build], build), default="")


def count_by_site(devices: Iterable[CountedDevice], build: str) -> dict[int, Counts]:
    """Devices by site (0: none), each kind of them; ``build`` is the one that is up to date, empty for unknown."""
    found: dict[int, Counts] = {}
    for device in devices:
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


def step_for(hours: int) -> int:
    """Every how many slots a plot over so many hours takes one: at most some 300 points, and only kept ones."""
    wanted = -(-hours * HOURLY // MAX_POINTS)
    if hours * HOURLY <= FINE_SLOTS:
        return max(1, wanted)
    return max(HOURLY, -(-wanted // HOURLY) * HOURLY)
