"""Orders to show a desktop: what an operator may ask for, to bytes and back. Shape only, like ``orders``.

The connection that such an order opens carries the Remote Framebuffer Protocol (RFC 6143) once the device has
answered ``opened``, as plain bytes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from borealis_wire.entry import EntryKind, EntryOrderBase
from borealis_wire.envelope import DESKTOP_TYPE
from borealis_wire.limits import KIB
from borealis_wire.members import malformed, order_of, text_of, whole_of

DESKTOP_PORT: Final = 5900
"""Upstream's allow-list has it. ``BOREALIS_DESKTOP_PORT`` names another."""
DESKTOP_ORDER_SECONDS: Final = 60
"""How long an order to show a desktop may be begun."""
MAX_ASK_SECONDS: Final = 120
MIN_SIDE: Final = 320
MAX_SIDE: Final = 7680
MAX_ORDER_BYTES: Final = 4 * KIB


class DesktopKind(StrEnum):
    """Which desktop. ``SCREEN``: what the signed-in user sees; ``OWN``: one of its own, begun for an account."""

    SCREEN = "screen"
    OWN = "own"


class Consent(StrEnum):
    """Whether the signed-in user is asked first. ``ASK``: asked, and no answer is a no; where nobody is signed in,
    there is nobody to ask, and it goes on. ``NEVER``: it goes on; the user sees that somebody watches all the same.
    """

    NEVER = "never"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class DesktopOrder(EntryOrderBase):
    """One connection to one desktop of one device. Times are Unix seconds.

    Attributes:
        order_id: unique; no order is followed twice.
        session_id: of the Engine; further connections of the same operator to the same desktop share it.
        asked_by: the operator's name, as the user is told it.
        kind: which desktop.
        user: the account whose desktop it is; empty for whoever is at the screen (not with ``OWN``).
        view_only: what the operator types or points at goes nowhere. The device sees to that.
        consent: whether the user is asked first.
        ask_seconds: how long the user has for an answer.
        width: of a desktop of its own, in pixels; it can be changed later.
        height: likewise.
    """

    JOB_ID: ClassVar[str] = "desktop"

    order_id: str
    session_id: str
    device_guid: str
    asked_by: str
    kind: DesktopKind
    issued_at: float
    expires_at: float
    user: str = ""
    view_only: bool = False
    consent: Consent = Consent.NEVER
    ask_seconds: int = 30
    width: int = 1280
    height: int = 800


def parse_desktop(payload: bytes) -> DesktopOrder:
    """Read an order to show a desktop.

    Raises:
        Refused: ``malformed``.
    """
    value, issued_at, expires_at = order_of(
        payload,
        DesktopOrder.names(),
        what="to show a desktop",
        seconds=DESKTOP_ORDER_SECONDS,
        max_bytes=MAX_ORDER_BYTES,
    )
    kind, consent = text_of(value, "kind"), text_of(value, "consent")
    if kind not in set(DesktopKind) or consent not in set(Consent):
        raise malformed("kind is screen or own, consent is never or ask")
    if not isinstance(value["view_only"], bool):
        raise malformed("view_only is true or false")
    order = DesktopOrder(
        order_id=text_of(value, "order_id"),
        session_id=text_of(value, "session_id"),
        device_guid=text_of(value, "device_guid"),
        asked_by=text_of(value, "asked_by"),
        kind=DesktopKind(kind),
        user=text_of(value, "user", least=0),
        view_only=value["view_only"],
        consent=Consent(consent),
        ask_seconds=whole_of(value, "ask_seconds", 5, MAX_ASK_SECONDS),
        width=whole_of(value, "width", MIN_SIDE, MAX_SIDE),
        height=whole_of(value, "height", MIN_SIDE, MAX_SIDE),
        issued_at=issued_at,
        expires_at=expires_at,
    )
    if order.kind is DesktopKind.OWN and not order.user:
        raise malformed("a desktop of its own is begun for an account")
    return order


DESKTOP_ENTRY: Final = EntryKind(DESKTOP_TYPE, parse_desktop, "desktops are")
