"""The one state machine of a run, pure: which status may follow which, and who may say so.

A status alone does not decide: a run that the Engine gave up (Expired, Cancelled, Interrupted) after it was
sent may have run all the same, and the device knows better. So facts travel with the status.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from borealis_wire.events import DEVICE_RESULT_STATUSES, TERMINAL_STATUSES, RunStatus


class Party(StrEnum):
    """Who ended a run; nobody for one that is still alive."""

    NOBODY = ""
    DEVICE = "device"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What decides the next step. ``sent``: the order may have left the Engine, whether or not it arrived."""

    status: RunStatus = RunStatus.PENDING
    sent: bool = False
    cancel_requested: bool = False
    ended_by: Party = Party.NOBODY


class IllegalTransition(Exception):
    """A step that the table does not hold; nothing was changed."""

    def __init__(self, facts: RunFacts, to: RunStatus, by: Party) -> None:
        super().__init__(f"{facts.status} -> {to} by {by or 'nobody'} (sent={facts.sent}, ended_by={facts.ended_by})")
        self.facts = facts
        self.to = to
        self.by = by


_OVERTAKEN: Final = DEVICE_RESULT_STATUSES
TRANSITIONS: Final[dict[RunStatus, frozenset[RunStatus]]] = {
    RunStatus.PENDING: frozenset(RunStatus) - {RunStatus.PENDING, RunStatus.COMPLETED},
    RunStatus.RUNNING: DEVICE_RESULT_STATUSES,
    RunStatus.EXPIRED: _OVERTAKEN,
    RunStatus.CANCELLED: _OVERTAKEN,
    RunStatus.INTERRUPTED: _OVERTAKEN,
    RunStatus.SUCCESS: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.TIMED_OUT: frozenset(),
    RunStatus.REFUSED: frozenset(),
    RunStatus.COMPLETED: frozenset(),
}
"""From status to the statuses that may follow; :func:`advance` adds who may say so."""

LIVE: Final = frozenset(RunStatus) - TERMINAL_STATUSES
ENGINE_ENDS: Final[dict[RunStatus, frozenset[RunStatus]]] = {
    RunStatus.PENDING: frozenset({RunStatus.EXPIRED, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset({RunStatus.INTERRUPTED}),
}
"""What the Engine itself may decide: never that something succeeded or failed."""


def advance(facts: RunFacts, to: RunStatus, by: Party) -> RunFacts:
    """The facts after a step.

    Args:
        facts: as they are.
        to: the status that is claimed.
        by: the device (acknowledgement or result) or the Engine (expiry, cancel, loss).

    Raises:
        IllegalTransition: not in the table, or not this party's to say.
    """
    if to not in TRANSITIONS[facts.status]:
        raise IllegalTransition(facts, to, by)
    match by:
        case Party.ENGINE if to in ENGINE_ENDS.get(facts.status, frozenset()):
            return replace(facts, status=to, ended_by=Party.ENGINE)
        case Party.DEVICE if facts.sent and to == RunStatus.RUNNING:
            return replace(facts, status=to)
        case Party.DEVICE if facts.sent and to in DEVICE_RESULT_STATUSES and facts.ended_by != Party.DEVICE:
            return replace(facts, status=to, ended_by=Party.DEVICE)
    raise IllegalTransition(facts, to, by)


def send(facts: RunFacts) -> RunFacts:
    """The facts once the order may leave the Engine.

    Raises:
        IllegalTransition: the run is over, running already, or is to be cancelled.
    """
    if facts.status != RunStatus.PENDING or facts.cancel_requested:
        raise IllegalTransition(facts, facts.status, Party.ENGINE)
    return replace(facts, sent=True)


def request_cancel(facts: RunFacts) -> RunFacts:
    """The facts after an operator asked to end the run: at once where it was never sent, else by the device.

    Raises:
        IllegalTransition: the run is over.
    """
    if facts.status in TERMINAL_STATUSES:
        raise IllegalTransition(facts, RunStatus.CANCELLED, Party.ENGINE)
    if not facts.sent:
        return advance(facts, RunStatus.CANCELLED, Party.ENGINE)
    return replace(facts, cancel_requested=True)
