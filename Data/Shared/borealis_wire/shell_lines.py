"""The lines of a shell, on the shell's port inside the tunnel; what all such lines have in common is in ``lines``.

Upstream's lines are ``stdin``, ``stdout`` and ``close`` (upstream-contract 7.5), with base64 bytes in ``data``; the
first line ``open`` with a sealed order, and everything about a real terminal, are ours. Pure: no socket, no clock.

Engine to agent: ``open`` ``{envelope}``, ``stdin`` ``{data}``, ``resize`` ``{cols, rows}``, ``signal`` ``{name}``,
``close``. Agent to Engine: ``opened`` ``{session_id, seq, user, shell}``, ``stdout`` ``{data, seq}`` where ``seq``
counts the bytes of output up to the end of ``data``, ``exit`` ``{status, reason}``, ``refused`` ``{reason, detail}``.
"""

from collections.abc import Mapping
from typing import Any, Final

from borealis_wire import base64s
from borealis_wire.limits import KIB
from borealis_wire.lines import BadLine, write_line
from borealis_wire.shell import MAX_COLUMNS, MAX_ROWS

MAX_DATA_BYTES: Final = 32 * KIB
"""Bytes of ``stdin`` or ``stdout`` in one line."""
SIGNALS: Final = frozenset({"INT", "QUIT", "TERM", "HUP", "KILL", "TSTP", "CONT"})


def data_line(kind: str, data: bytes, **members: Any) -> bytes:
    """``stdin`` or ``stdout`` with these bytes; of more than :data:`MAX_DATA_BYTES` the caller makes several."""
    return write_line(kind, data=base64s.encode(data), **members)


def data_of(message: Mapping[str, Any]) -> bytes:
    """The bytes in ``stdin`` or ``stdout``. Raises ``BadLine``."""
    text = message.get("data")
    if not isinstance(text, str):
        raise BadLine("data is base64")
    try:
        data = base64s.decode(text)
    except ValueError as error:
        raise BadLine("data is base64") from error
    return data


def size_of(message: Mapping[str, Any]) -> tuple[int, int]:
    """Columns and rows in ``resize``. Raises ``BadLine``."""
    return _side(message.get("cols"), MAX_COLUMNS), _side(message.get("rows"), MAX_ROWS)


def seq_of(message: Mapping[str, Any]) -> int:
    """How many bytes of output there were up to the end of this message. Raises ``BadLine``."""
    value = message.get("seq")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadLine("seq is a number of bytes")
    return value


def _side(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise BadLine(f"a terminal has 1 to {most} columns and rows")
    return value
