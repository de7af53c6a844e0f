r"""The lines that Engine and agent speak on an entry of a device, inside the tunnel: one JSON object and ``\n`` each.

The first line is ``open`` ``{envelope}``, with the sealed order that this connection is for. The device answers
``opened`` with what the kind of order says, or ``refused`` ``{reason, detail}``; before that, while it waits for a
person, ``wait`` ``{seconds, why}``. What follows is lines, or plain bytes, as the kind of entry says. Pure: no socket,
no clock.
"""

from collections.abc import Iterator
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.limits import KIB

MAX_LINE_BYTES: Final = 64 * KIB


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

    def take_rest(self) -> bytes:
        """What came behind the last message that was given: the beginning of plain bytes. Holds nothing any more."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


def read_line(line: bytes, *, max_bytes: int = MAX_LINE_BYTES) -> dict[str, Any]:
    """One message. Raises ``BadLine``."""
    try:
        value = strict_json.loads(line, max_bytes=max_bytes)
    except strict_json.JsonError as error:
        raise BadLine(str(error)) from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise BadLine("a line is a JSON object with a type")
    return value


def write_line(kind: str, /, **members: Any) -> bytes:
    """One message as a line."""
    return strict_json.canonical({"type": kind, **members}) + b"\n"
