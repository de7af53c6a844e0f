"""The auth table of socket events: who may send what, and how much of it; pure. Default deny (threats 1, 4).

An event that has no rule here reaches no handler. A test walks this table and the handlers against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from borealis_engine.operators.permissions import Permission
from borealis_wire.events import DeviceEvent, OperatorEvent
from borealis_wire.limits import KIB, MAX_MESSAGE_BYTES, MAX_OUTPUT_CHUNK_BYTES
from borealis_wire.screen import MAX_FRAME_BYTES, MAX_SCREEN_LIST_BYTES

Sender = Literal["device", "operator"]
_ESCAPED: Final = 6
"""A control character takes six bytes in JSON."""


@dataclass(frozen=True, slots=True)
class EventRule:
    """Who may send an event. ``droppable``: from a sender that floods it is dropped, others wait instead.

    ``cost``: how much of a sender's rate it takes.
    """

    sender: Sender
    max_bytes: int
    droppable: bool = False
    permission: Permission | None = None
    cost: float = 1.0


EVENT_RULES: Final[Mapping[str, EventRule]] = {
    DeviceEvent.CONNECT_AGENT: EventRule("device", 256 * KIB),
    DeviceEvent.REQUEST_CONFIG: EventRule("device", 4 * KIB),
    DeviceEvent.QUICK_JOB_OUTPUT: EventRule("device", _ESCAPED * MAX_OUTPUT_CHUNK_BYTES + 4 * KIB, droppable=True),
    DeviceEvent.QUICK_JOB_RESULT: EventRule("device", MAX_MESSAGE_BYTES),
    DeviceEvent.COLLECTOR_STATUS: EventRule("device", 64 * KIB, droppable=True),
    DeviceEvent.MACRO_STATUS: EventRule("device", 4 * KIB, droppable=True),
    DeviceEvent.AGENT_SCREENSHOT_TASK: EventRule("device", MAX_MESSAGE_BYTES),
    DeviceEvent.AGENT_WINDOW_LIST: EventRule("device", MAX_SCREEN_LIST_BYTES),
    DeviceEvent.SCREEN_FRAME: EventRule("device", MAX_FRAME_BYTES + 256 * KIB),
    DeviceEvent.SCREEN_ENDED: EventRule("device", 4 * KIB),
    DeviceEvent.AGENT_SILENT_UPDATE_STATUS: EventRule("device", 16 * KIB),
    OperatorEvent.WATCH_SCREEN: EventRule("operator", 1 * KIB, permission=Permission.SCREEN_VIEW),
    OperatorEvent.UNWATCH_SCREEN: EventRule("operator", 1 * KIB, permission=Permission.SCREEN_VIEW),
    OperatorEvent.VPN_SHELL_OPEN: EventRule("operator", 4 * KIB, permission=Permission.SHELL),
    # A key held down comes 30 times a second, and each is an event.
    OperatorEvent.VPN_SHELL_SEND: EventRule("operator", 64 * KIB, permission=Permission.SHELL, cost=0.2),
    OperatorEvent.VPN_SHELL_RESIZE: EventRule("operator", 1 * KIB, permission=Permission.SHELL, cost=0.5),
    OperatorEvent.VPN_SHELL_CLOSE: EventRule("operator", 1 * KIB, permission=Permission.SHELL),
    OperatorEvent.WATCH_RUN: EventRule("operator", 1 * KIB, permission=Permission.RUNS_READ),
    OperatorEvent.UNWATCH_RUN: EventRule("operator", 1 * KIB, permission=Permission.RUNS_READ),
}

FEED_PERMISSIONS: Final[Mapping[str, Permission]] = {
    OperatorEvent.DEVICE_ACTIVITY_CHANGED: Permission.RUNS_READ,
    OperatorEvent.DEVICE_CHANGED: Permission.DEVICES_READ,
    OperatorEvent.APPROVALS_CHANGED: Permission.ENROLMENT_READ,
    OperatorEvent.RUN_OUTPUT: Permission.RUNS_READ,
    OperatorEvent.SCRIPTS_CHANGED: Permission.SCRIPTS_READ,
    OperatorEvent.AGENT_UPDATE_CHANGED: Permission.DEVICES_READ,
}
"""What an operator must be allowed to hear of; a change of another kind is told to nobody."""

OF_NO_SITE: Final = frozenset({OperatorEvent.SCRIPTS_CHANGED})
"""Changes of what belongs to no site and is everybody's: told to operators of some sites too."""


class Verdict(StrEnum):
    """What becomes of an event before its handler is asked."""

    PASS = "pass"
    UNKNOWN = "unknown_event"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"


def judge(event: str, sender: Sender, size: int, permissions: frozenset[Permission] = frozenset()) -> Verdict:
    """Whether this sender may send this event at this size.

    Args:
        event: its name as it came.
        sender: what the credentials at connect said.
        size: bytes of its payload.
        permissions: what an operator may do; empty for devices.
    """
    rule = EVENT_RULES.get(event)
    if rule is None:
        return Verdict.UNKNOWN
    if rule.sender != sender:
        return Verdict.FORBIDDEN
    if rule.permission is not None and rule.permission not in permissions:
        return Verdict.FORBIDDEN
    return Verdict.TOO_LARGE if size > rule.max_bytes else Verdict.PASS


_DETAILS: Final[Mapping[Verdict, str]] = {
    Verdict.UNKNOWN: "The Engine knows no such event.",
    Verdict.FORBIDDEN: "These credentials may not send this event.",
    Verdict.TOO_LARGE: "The event is larger than allowed.",
}


def refusal(verdict: Verdict) -> dict[str, Any]:
    """The acknowledgement of an event that did not pass."""
    return {"error": verdict.value, "detail": _DETAILS[verdict]}
