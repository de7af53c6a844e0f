"""Orders to open a remote shell: what an operator may ask for, to bytes and back. Shape only, like ``orders``."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.events import RefusalCode
from borealis_wire.limits import KIB
from borealis_wire.refusal import Refused

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
_MAX_NAME: Final = 256
_MAX_SEEN: Final = 2**53


@dataclass(frozen=True, slots=True)
class ShellOrder:
    """One connection to one shell on one device. Times are Unix seconds.

    Attributes:
        order_id: unique; no order is followed twice.
        session_id: the shell: begun by the first order that names it, taken up again by later ones.
        asked_by: the operator's name. A shell is taken up again by who began it and by nobody else.
        user: the account on the device; empty for the one that the agent runs as.
        seen: :data:`NEW`, or how many bytes of the shell's output arrived before.
    """

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

    @property
    def run_id(self) -> str:
        """What the journal knows it by."""
        return self.order_id

    @property
    def job_id(self) -> str:
        """What the journal calls its kind."""
        return "shell"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; reads back with :func:`parse_shell`."""
        return {
            "order_id": self.order_id,
            "session_id": self.session_id,
            "device_guid": self.device_guid,
            "asked_by": self.asked_by,
            "columns": self.columns,
            "rows": self.rows,
            "user": self.user,
            "seen": self.seen,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
        }

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(self.to_json())


_MEMBERS: Final = frozenset(
    {
        "order_id",
        "session_id",
        "device_guid",
        "asked_by",
        "columns",
        "rows",
        "user",
        "seen",
        "issued_at",
        "expires_at",
    }
)


def parse_shell(payload: bytes) -> ShellOrder:
    """Read an order to open a shell.

    Raises:
        Refused: ``malformed``.
    """
    try:
        value = strict_json.loads(payload, max_bytes=MAX_ORDER_BYTES)
    except strict_json.JsonError as error:
        raise _malformed(str(error)) from error
    if not isinstance(value, dict) or set(value) != _MEMBERS:
        # A member we do not know may carry a condition we would break by ignoring it.
        raise _malformed("an order to open a shell has members that are not known, or lacks some")
    issued_at, expires_at = _time(value, "issued_at"), _time(value, "expires_at")
    if not issued_at < expires_at <= issued_at + SHELL_ORDER_SECONDS:
        raise _malformed(f"an order to open a shell holds for {SHELL_ORDER_SECONDS} s at most")
    return ShellOrder(
        order_id=_text(value, "order_id"),
        session_id=_text(value, "session_id"),
        device_guid=_text(value, "device_guid"),
        asked_by=_text(value, "asked_by"),
        columns=_whole(value, "columns", 1, MAX_COLUMNS),
        rows=_whole(value, "rows", 1, MAX_ROWS),
        user=_text(value, "user", least=0),
        seen=_whole(value, "seen", NEW, _MAX_SEEN),
        issued_at=issued_at,
        expires_at=expires_at,
    )


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, detail)


def _text(members: Mapping[str, Any], name: str, *, least: int = 1) -> str:
    value = members[name]
    if not isinstance(value, str) or not least <= len(value) <= _MAX_NAME:
        raise _malformed(f"{name} is a text of {least} to {_MAX_NAME} characters")
    return value


def _whole(members: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _malformed(f"{name} is a whole number from {low} to {high}")
    return value


def _time(members: Mapping[str, Any], name: str) -> float:
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _malformed(f"{name} is a number")
    if not 0 <= value <= 1e12:
        raise _malformed(f"{name} is a time in Unix seconds")
    return value
