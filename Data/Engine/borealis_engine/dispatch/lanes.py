"""Deciding what to hand to a device, pure: no clock, no sockets, no database.

A lane is one device in one run context, for one signed-in user. Its slots are the runs that are not over. Seconds
are monotonic and come in as arguments. Delivery is at least once: what is not answered is offered again, and the device
recognises what it has had.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from borealis_wire.events import RefusalCode, RunContext

MAX_IN_FLIGHT: Final = 4
"""Orders of one lane that may wait for an acknowledgement at the same time."""
LEASE_SECONDS: Final = 30.0
"""After this an order that was not answered may be offered again, whatever became of the sender."""
POLL_LEASE_SECONDS: Final = 75.0
"""The same for an order fetched by polling: the result, or silence, shows within two polls."""
RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
CANCEL_AGAIN_SECONDS: Final = 30.0
_DECIDED_BEFORE_ACCEPTANCE: Final = frozenset(RefusalCode) - {
    RefusalCode.INTERPRETER_MISSING,
    RefusalCode.BUSY,
    RefusalCode.HOST_KEY_CHANGED,
}


class Answer(StrEnum):
    """What an acknowledgement, or the lack of one, means."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    BUSY = "busy"
    LOST = "lost"


@dataclass(slots=True)
class Slot:
    """One run in a lane. ``held``: the device has it, only its result is missing."""

    run_id: str
    held: bool = False
    in_flight: bool = False
    not_before: float = 0.0
    failures: int = 0
    cancel: bool = False
    cancel_not_before: float = 0.0


@dataclass(slots=True)
class Lane:
    """The runs of one device in one context, in the order in which they were launched.

    ``user``: the signed-in user whose agent gets them; empty for SYSTEM's, and for those that no user is chosen for.
    """

    guid: str
    context: RunContext
    user: str = ""
    slots: dict[str, Slot] = field(default_factory=dict)
    busy_until: float = 0.0
    busy_count: int = 0

    def add(self, run_id: str, *, held: bool = False, cancel: bool = False) -> None:
        """A run that is not over."""
        self.slots.setdefault(run_id, Slot(run_id, held=held, cancel=cancel))

    def remove(self, run_id: str) -> None:
        """The run is over; a place at the device may be free."""
        if self.slots.pop(run_id, None) is not None:
            self.busy_until = 0.0

    @property
    def key(self) -> tuple[str, RunContext, str]:
        """Device, context and user."""
        return self.guid, self.context, self.user

    def in_flight(self, now: float) -> int:
        """How many orders wait for an answer; an expired lease does not count."""
        return sum(slot.in_flight and slot.not_before > now for slot in self.slots.values())

    def take_due(self, now: float, *, limit: int = MAX_IN_FLIGHT, lease: float = LEASE_SECONDS) -> list[str]:
        """Run ids to hand out now, oldest first; each gets a lease."""
        if now < self.busy_until:
            return []
        free = limit - self.in_flight(now)
        due: list[str] = []
        for slot in self.slots.values():
            if len(due) >= free:
                break
            if not slot.held and not slot.cancel and slot.not_before <= now:
                slot.in_flight, slot.not_before = True, now + lease
                due.append(slot.run_id)
        return due

    def give_back(self, run_id: str) -> None:
        """A run that was taken and did not fit: it is due again at once."""
        slot = self.slots.get(run_id)
        if slot is not None:
            slot.in_flight, slot.not_before = False, 0.0

    def take_cancels(self, now: float) -> list[str]:
        """Run ids whose cancel order should go out now; it is repeated until the result comes."""
        due = [slot for slot in self.slots.values() if slot.cancel and slot.cancel_not_before <= now]
        for slot in due:
            slot.cancel_not_before = now + CANCEL_AGAIN_SECONDS
        return [slot.run_id for slot in due]

    def answered(self, run_id: str, answer: Answer, now: float) -> None:
        """An order was answered, or was not."""
        slot = self.slots.get(run_id)
        if slot is None:
            return
        slot.in_flight = False
        match answer:
            case Answer.ACCEPTED:
                slot.held, slot.failures, self.busy_count = True, 0, 0
            case Answer.BUSY:
                slot.not_before = 0.0
                self.busy_until = now + retry_after(self.busy_count)
                self.busy_count += 1
            case Answer.LOST:
                slot.not_before = now + retry_after(slot.failures)
                slot.failures += 1
            case Answer.REFUSED:
                slot.held = True  # until its end is recorded and it is removed

    def session_began(self, running: set[str]) -> None:
        """A new socket: leases of the old one are void; what the device lists, it has."""
        self.busy_until, self.busy_count = 0.0, 0
        for slot in self.slots.values():
            slot.in_flight, slot.failures, slot.not_before, slot.cancel_not_before = False, 0, 0.0, 0.0
            slot.held = slot.held or slot.run_id in running

    def request_cancel(self, run_id: str) -> None:
        """The run is to be ended by the device."""
        slot = self.slots.get(run_id)
        if slot is not None:
            slot.cancel, slot.cancel_not_before = True, 0.0


def retry_after(count: int) -> float:
    """Seconds to wait after ``count`` earlier failures."""
    return RETRY_SECONDS[min(count, len(RETRY_SECONDS) - 1)]


def read_answer(ack: Any, *, sent_before: bool) -> tuple[Answer, str]:
    """What a device's acknowledgement means, and the reason of a refusal.

    Args:
        ack: the JSON value as it came, or None.
        sent_before: this run may have reached the device earlier. ``replayed`` then says that it did.
    """
    if not isinstance(ack, dict):
        return Answer.LOST, ""
    match ack.get("status"):
        case "accepted":
            return Answer.ACCEPTED, ""
        case "refused":
            reason = ack.get("reason")
            return read_refusal(reason if isinstance(reason, str) else "", sent_before=sent_before)
    return Answer.LOST, ""


def read_refusal(reason: str, *, sent_before: bool) -> tuple[Answer, str]:
    """What a refusal means: ``busy`` is no end, and ``replayed`` of something sent before is an acceptance."""
    if reason == RefusalCode.BUSY:
        return Answer.BUSY, reason
    if reason == RefusalCode.REPLAYED and sent_before:
        return Answer.ACCEPTED, ""
    return Answer.REFUSED, reason[:256]


def about_another_message(reason: str, *, accepted: bool) -> bool:
    """Whether a refusal result cannot be about the run that the device has accepted already.

    Verification comes before acceptance: whoever injects a forged copy of a running job makes the device refuse
    the copy, and that must not pass for the end of the real one.
    """
    return accepted and reason in _DECIDED_BEFORE_ACCEPTANCE
