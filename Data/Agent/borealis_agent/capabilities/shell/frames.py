"""What agent and keeper of a terminal say to each other over two pipes: a kind, a length, and so many bytes. Pure."""

import struct
from typing import Final

HEAD: Final = struct.Struct(">cI")
MAX_FRAME: Final = 64 * 1024

START: Final = b"O"
"""To the keeper, once and first: JSON, see ``keeper.Start``."""
INPUT: Final = b"I"
RESIZE: Final = b"R"
"""To the keeper: columns and rows as two 16-bit numbers."""
SIGNAL: Final = b"S"
"""To the keeper: the name of a signal for what runs in the foreground."""
END: Final = b"E"
"""To the keeper: end everything."""
OUTPUT: Final = b"D"
EXIT: Final = b"X"
"""From the keeper, last: the exit status as text; 128 + n where signal n ended the shell."""
FAILED: Final = b"F"
"""From the keeper, last: a sentence about why there is no shell."""

SIZE: Final = struct.Struct(">HH")


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(kind, len(data)) + data


class FrameReader:
    """Puts frames together from bytes as they come."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that ``data`` completes. Raises ``ValueError`` for one that is too long."""
        self._rest += data
        found = []
        while len(self._rest) >= HEAD.size:
            kind, size = HEAD.unpack_from(self._rest)
            if size > MAX_FRAME:
                raise ValueError("a frame is too long")
            if len(self._rest) < HEAD.size + size:
                break
            found.append((kind, bytes(self._rest[HEAD.size : HEAD.size + size])))
            del self._rest[: HEAD.size + size]
        return found
