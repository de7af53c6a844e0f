"""Orders to forward a connection: what an operator may ask for, to bytes and back. Shape only, like ``orders``.

The connection that such an order opens carries the plain bytes of one TCP connection, which the device makes to
``host`` and ``port``, once the device has answered ``opened``. Each direction ends by itself.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from borealis_wire.entry import EntryKind, EntryOrderBase
from borealis_wire.envelope import FORWARD_TYPE
from borealis_wire.limits import KIB
from borealis_wire.members import malformed, order_of, text_of, whole_of

FORWARD_PORT: Final = 47004
"""``BOREALIS_FORWARD_PORT`` names another."""
FORWARD_ORDER_SECONDS: Final = 60
"""How long an order to forward a connection may be begun."""
MAX_HOST: Final = 253
MAX_ORDER_BYTES: Final = 4 * KIB

_HOST: Final = re.compile(r"[0-9A-Za-z._:-]+")


class ForwardReason:
    """Words by which a device says why it forwards nothing."""

    REFUSED: Final = "refused"
    """The target takes no connection on this port."""
    UNREACHABLE: Final = "unreachable"
    """No way leads there from the device."""
    NOT_RESOLVED: Final = "not_resolved"
    """The device knows no address for the name."""
    TIMED_OUT: Final = "timed_out"
    """The target did not answer."""
    NOT_ALLOWED: Final = "not_allowed"
    """The device forwards nothing to this target."""
    BUSY: Final = "busy"
    """The device carries as many connections as it does at a time."""


@dataclass(frozen=True, slots=True)
class ForwardOrder(EntryOrderBase):
    """One TCP connection from one device to one target. Times are Unix seconds.

    Attributes:
        order_id: unique; no order is followed twice.
        session_id: of the Engine; all connections of one forward share it.
        asked_by: the operator's name.
        host: a name or an address without brackets, as the device understands it.
        port: TCP.
    """

    JOB_ID: ClassVar[str] = "forward"

    order_id: str
    session_id: str
    device_guid: str
    asked_by: str
    host: str
    port: int
    issued_at: float
    expires_at: float


def is_host(text: str) -> bool:
    """Whether a text may be the host of an order: ASCII letters, digits and ``._:-``, 253 at most."""
    return len(text) <= MAX_HOST and _HOST.fullmatch(text) is not None


def parse_forward(payload: bytes) -> ForwardOrder:
    """Read an order to forward a connection.

    Raises:
        Refused: ``malformed``.
    """
    value, issued_at, expires_at = order_of(
        payload,
        ForwardOrder.names(),
        what="to forward a connection",
        seconds=FORWARD_ORDER_SECONDS,
        max_bytes=MAX_ORDER_BYTES,
    )
    host = text_of(value, "host", most=MAX_HOST)
    if not is_host(host):
        raise malformed("host is a name or an address, in ASCII and without brackets")
    return ForwardOrder(
        order_id=text_of(value, "order_id"),
        session_id=text_of(value, "session_id"),
        device_guid=text_of(value, "device_guid"),
        asked_by=text_of(value, "asked_by"),
        host=host,
        port=whole_of(value, "port", 1, 65535),
        issued_at=issued_at,
        expires_at=expires_at,
    )


FORWARD_ENTRY: Final = EntryKind(FORWARD_TYPE, parse_forward, "forwarded connections are")
"""What ``EntryRole`` needs to know of these orders."""
