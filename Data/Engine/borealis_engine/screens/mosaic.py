"""The newest picture of a live view, kept as the encoded tiles it came in; pure, bounded.

Whoever watches is given the tiles that are newer than what they have. One who is slow gets fewer and newer pictures,
never a queue; one who comes later gets the whole picture at once.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from borealis_wire.screen import MAX_FRAME_BYTES, MAX_SIDE, MAX_TILES

_Side = Annotated[int, Meta(ge=0, le=MAX_SIDE)]
SIGNATURES: Final = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


class FrameHead(msgspec.Struct, frozen=True):
    """``screen_frame`` as devices send it: ``tiles`` are x, y, width, height and bytes of each, in their order."""

    order_id: Annotated[str, Meta(min_length=1, max_length=256)]
    width: Annotated[int, Meta(ge=1, le=MAX_SIDE)]
    height: Annotated[int, Meta(ge=1, le=MAX_SIDE)]
    format: Literal["jpeg", "webp", "png"] = "jpeg"
    monitor: int = 1
    seq: int = 0
    x: int = 0
    y: int = 0
    tiles: Annotated[list[tuple[_Side, _Side, _Side, _Side, int]], Meta(max_length=MAX_TILES)] = []


@dataclass(frozen=True, slots=True)
class Update:
    """What somebody who watches is sent. ``fresh``: what they had is of another size and counts no more."""

    width: int
    height: int
    format: str
    fresh: bool
    tiles: list[tuple[int, int, int, int, int]]
    data: bytes


class BadFrame(Exception):
    """A device sent what is no frame."""


@dataclass(slots=True, eq=False)
class Mosaic:
    """``version`` grows with every frame; ``generation`` with every change of size."""

    version: int = 0
    generation: int = 0
    width: int = 0
    height: int = 0
    format: str = ""
    _tiles: dict[tuple[int, int], tuple[int, int, int, bytes]] = field(default_factory=dict)
    _bytes: int = 0

    def apply(self, head: FrameHead, data: bytes) -> None:
        """Take a frame in.

        Raises:
            BadFrame: tiles outside of the picture, of no bytes or others' bytes, or more than is kept.
        """
        pieces = list(_cut(head, data))
        if (head.width, head.height, head.format) != (self.width, self.height, self.format):
            self._tiles.clear()
            self._bytes = 0
            self.width, self.height, self.format = head.width, head.height, head.format
            self.generation += 1
        self.version += 1
        for (x, y, width, height, _), piece in zip(head.tiles, pieces, strict=True):
            before = self._tiles.get((x, y))
            self._bytes += len(piece) - (len(before[3]) if before else 0)
            self._tiles[x, y] = (self.version, width, height, piece)
        if len(self._tiles) > MAX_TILES or self._bytes > MAX_FRAME_BYTES:
            raise BadFrame("the pictures of this device are larger than what is kept")

    def newer_than(self, version: int, generation: int) -> Update | None:
        """What is newer; None where nothing is."""
        if version >= self.version:
            return None
        fresh = generation != self.generation
        found = [
            ((x, y, width, height, len(piece)), piece)
            for (x, y), (of, width, height, piece) in self._tiles.items()
            if fresh or of > version
        ]
        if not found:
            return None
        listed, pieces = [place for place, _ in found], [piece for _, piece in found]
        return Update(self.width, self.height, self.format, fresh, listed, b"".join(pieces))

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._bytes


def _cut(head: FrameHead, data: bytes) -> list[bytes]:
    pieces, at, sign = [], 0, SIGNATURES[head.format]
    for x, y, width, height, size in head.tiles:
        if width < 1 or height < 1 or x + width > head.width or y + height > head.height or size < 1:
            raise BadFrame("a tile lies outside of its picture")
        piece = data[at : at + size]
        if len(piece) != size or not piece.startswith(sign):
            raise BadFrame("a tile is not what the frame says")
        pieces.append(piece)
        at += size
    if at != len(data):
        raise BadFrame("the frame has bytes that belong to no tile")
    return pieces
