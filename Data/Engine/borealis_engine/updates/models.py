"""Rollouts and updates, and the states that they go through."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DEFAULT_AT_ONCE: Final = 10
DEFAULT_STOP_AFTER: Final = 1
MAX_AT_ONCE: Final = 1000


class UpdateState(StrEnum):
    """Where one device's update stands. ``waiting``: ready, until scripts on the device have ended."""

    QUEUED = "queued"
    ORDERED = "ordered"
    STARTED = "started"
    WAITING = "waiting"
    INSTALLED = "installed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


UNDER_WAY: Final = frozenset({UpdateState.ORDERED, UpdateState.STARTED, UpdateState.WAITING})
LIVE: Final = UNDER_WAY | {UpdateState.QUEUED}
BAD: Final = frozenset({UpdateState.ROLLED_BACK, UpdateState.FAILED, UpdateState.REFUSED})
"""What speaks against going on with the rest."""


class RolloutState(StrEnum):
    """``stopped``: by an operator, or because too many updates went wrong."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(slots=True, eq=False)
class Update:
    """One device in a rollout. Times are Unix seconds. ``from_build``: what it ran when it was asked for."""

    request_id: str
    rollout_id: str
    guid: str
    from_build: str
    state: UpdateState
    created_at: float
    changed_at: float
    reason: str = ""


@dataclass(slots=True, eq=False)
class Rollout:
    """One package for some devices: ``at_once`` at a time, and no further one once ``stop_after`` went wrong."""

    rollout_id: str
    build_id: str
    release: str
    sha256: str
    size: int
    allow_older: bool
    at_once: int
    stop_after: int
    requested_by: str
    created_at: float
    state: RolloutState = RolloutState.RUNNING
    reason: str = ""
    ended_at: float | None = None
    updates: dict[str, Update] = field(default_factory=dict)
    """By request id."""

    def of(self, states: Iterable[UpdateState]) -> list[Update]:
        """Its updates in one of these states, in the order they were asked for."""
        wanted = frozenset(states)
        return [update for update in self.updates.values() if update.state in wanted]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which devices, and how. ``allow_older``: also where that takes an agent back to an older release."""

    guids: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()
    site_ids: tuple[int, ...] = ()
    all_devices: bool = False
    at_once: int = DEFAULT_AT_ONCE
    stop_after: int = DEFAULT_STOP_AFTER
    allow_older: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A device that was meant and is not updated. ``why``: ``up_to_date``, ``under_way`` or ``not_active``."""

    guid: str
    hostname: str
    why: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A rollout that has begun."""

    rollout: Rollout
    skipped: list[Skipped]


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about a rollout now."""

    send: list[Update]
    stop: str = ""
    done: bool = False


def next_step(rollout: Rollout, reachable: frozenset[str]) -> Step:
    """Decide about a rollout; pure.

    Args:
        rollout: as it stands.
        reachable: GUIDs of devices that can be sent an order now.
    """
    bad = len(rollout.of(BAD))
    if bad >= rollout.stop_after and rollout.of({UpdateState.QUEUED}):
        return Step([], stop=f"{bad} of its updates went wrong.")
    queued = rollout.of({UpdateState.QUEUED})
    if not queued and not rollout.of(UNDER_WAY):
        return Step([], done=True)
    # One more that is under way may go wrong too: never so many that more could go wrong than are allowed to.
    room = rollout.at_once - len(rollout.of(UNDER_WAY))
    return Step([update for update in queued if update.guid in reachable][: max(0, room)])
