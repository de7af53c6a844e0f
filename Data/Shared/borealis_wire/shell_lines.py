r"""The lines that Engine and agent speak on the shell's port, inside the tunnel: one JSON object and ``\n`` each.

Upstream's lines are ``stdin``, ``stdout`` and ``close`` (upstream-contract 7.5), with base64 bytes in ``data``; the
first line ``open`` with a sealed order, and everything about a real terminal, are ours. Pure: no socket, no clock.

Engine to agent: ``open`` ``{envelope}``, ``stdin`` ``{data}``, ``resize`` ``{cols, rows}``, ``signal`` ``{name}``,
``close``. Agent to Engine: ``opened`` ``{session_id, seq, user, shell}``, ``stdout`` ``{data, seq}`` where ``seq``
counts the bytes of output up to the end of ``data``, ``exit`` ``{status, reason}``, ``refused`` ``{reason, detail}``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from borealis_wire import base64s, strict_json
from borealis_wire.limits import KIB
from borealis_wire.shell import MAX_COLUMNS, MAX_ROWS

MAX_LINE_BYTES: Final = 64 * KIB
MAX_DATA_BYTES: Final = 32 * KIB
"""Bytes of ``stdin`` or ``stdout`` in one line."""
SIGNALS: Final = frozenset({"INT", "QUIT", "TERM", "HUP", "KILL", "TSTP", "CONT"})


class BadLine(ValueError):
    """Bytes that are no line of this protocol. The connection they came by is not worth going on with."""


class LineReader:
    """Cuts bytes as they come into lines; never holds more than one line that is not whole."""

    def __init__(self, *, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that ``data`` completes, one by one. Lines of an unknown type are for the caller to ignore.

        Raises:
            BadLine: a line is too long, no JSON object, or without a type.
        """
        self._rest += data
        start = 0
        try:
            while (end := self._rest.find(b"\n", start)) >= 0:
                line = bytes(self._rest[start:end])
                start = end + 1
                if line.strip():
                    yield read_line(line, max_bytes=self._max)
        finally:
            del self._rest[:start]
        if len(self._rest) > self._max:
            raise BadLine(f"a line exceeds {self._max} bytes")


def read_line(line: bytes, *, max_bytes: int = MAX_LINE_BYTES) -> dict[str, Any]:
    """One message. Raises ``BadLine``."""
    try:
        value = strict_json.loads(line, max_bytes=max_bytes)
    except strict_json.JsonError as error:
        raise BadLine(str(error)) from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise BadLine("a line is a JSON object with a type")
    return value


def write_line(kind: str, **members: Any) -> bytes:
    """One message as a line."""
    return strict_json.canonical({"type": kind, **members}) + b"\n"


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
