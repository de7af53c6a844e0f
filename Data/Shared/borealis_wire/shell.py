"""Orders to open a remote shell: what an operator may ask for, to bytes and back. Shape only, like ``orders``."""

from dataclasses import dataclass
from typing import ClassVar, Final

from borealis_wire.entry import EntryKind, EntryOrderBase
from borealis_wire.envelope import SHELL_TYPE
from borealis_wire.limits import KIB
from borealis_wire.members import order_of, text_of, whole_of

SHELL_PORT: Final = 47002
"""Upstream's. ``BOREALIS_WIREGUARD_SHELL_PORT`` names another."""
SHELL_ORDER_SECONDS: Final = 60
"""How long an order to open a shell may be begun: somebody waits for the prompt."""
DETACHED_SECONDS: Final = 300
"""How long a shell lives on while nobody is connected to it."""
MAX_COLUMNS: Final = 1000
MAX_ROWS: Final = 1000
NEW: Final = -1
"""As ``seen``: the session is to be begun; any other number takes it up again from that byte of its output."""
MAX_ORDER_BYTES: Final = 4 * KIB
MAX_SEEN: Final = 2**53
"""As ``seen``: whatever the shell printed so far."""


@dataclass(frozen=True, slots=True)
class ShellOrder(EntryOrderBase):
    """One connection to one shell on one device. Times are Unix seconds.

    Attributes:
        order_id: unique; no order is followed twice.
        session_id: the shell: begun by the first order that names it, taken up again by later ones.
        asked_by: the operator's name. A shell is taken up again by who began it and by nobody else.
        user: the account on the device; empty for the one that the agent runs as.
        seen: :data:`NEW`, or how many bytes of the shell's output arrived before.
    """

    JOB_ID: ClassVar[str] = "shell"

    order_id: str
    session_id: str
    device_guid: str
    asked_by: str
    columns: int
    rows: int
    issued_at: float
    expires_at: float
    user: str = ""
    seen: int = NEW


def parse_shell(payload: bytes) -> ShellOrder:
    """Read an order to open a shell.

    Raises:
        Refused: ``malformed``.
    """
    value, issued_at, expires_at = order_of(
        payload, ShellOrder.names(), what="to open a shell", seconds=SHELL_ORDER_SECONDS, max_bytes=MAX_ORDER_BYTES
    )
    return ShellOrder(
        order_id=text_of(value, "order_id"),
        session_id=text_of(value, "session_id"),
        device_guid=text_of(value, "device_guid"),
        asked_by=text_of(value, "asked_by"),
        columns=whole_of(value, "columns", 1, MAX_COLUMNS),
        rows=whole_of(value, "rows", 1, MAX_ROWS),
        user=text_of(value, "user", least=0),
        seen=whole_of(value, "seen", NEW, MAX_SEEN),
        issued_at=issued_at,
        expires_at=expires_at,
    )


SHELL_ENTRY: Final = EntryKind(SHELL_TYPE, parse_shell, "shells are")
