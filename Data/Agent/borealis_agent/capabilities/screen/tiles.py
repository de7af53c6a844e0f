"""What changed between two pictures, in tiles of a fixed grid. Pure.

Pictures are rows of four bytes a pixel, without gaps. Whole bands and rows are compared first, at the speed of
``memcmp``: a screen that did not change costs one comparison.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TILE: Final = 128
"""Pixels a side. Smaller ones cost more in encoding, larger ones more in sending."""
BYTES_A_PIXEL: Final = 4


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the grid, in pixels; at the right and lower edge it may be smaller."""

    x: int
    y: int
    width: int
    height: int


def grid(width: int, height: int) -> list[Tile]:
    """All tiles of a picture, row by row."""
    return [
        Tile(x, y, min(TILE, width - x), min(TILE, height - y))
        for y in range(0, height, TILE)
        for x in range(0, width, TILE)
    ]


def changed(before: bytes | None, now: bytes, width: int, height: int) -> list[Tile]:
    """The tiles whose pixels differ; all of them where there is nothing to compare with.

    Raises:
        ValueError: ``now`` is not of this size.
    """
    if len(now) != width * height * BYTES_A_PIXEL:
        raise ValueError("the picture has another size than it says")
    if before is None or len(before) != len(now):
        return grid(width, height)
    if before == now:
        return []
    old, new = memoryview(before), memoryview(now)
    stride = width * BYTES_A_PIXEL
    found: list[Tile] = []
    for y in range(0, height, TILE):
        rows = min(TILE, height - y)
        start, end = y * stride, (y + rows) * stride
        if old[start:end] != new[start:end]:
            found += [
                Tile(x, y, min(TILE, width - x), rows) for x in sorted(_columns(old[start:end], new[start:end], width))
            ]
    return found


def _columns(old: memoryview, new: memoryview, width: int) -> Iterator[int]:
    """Left edges of the tiles in a band of rows that differ, each once."""
    waiting, stride = list(range(0, width, TILE)), width * BYTES_A_PIXEL
    for row in range(0, len(new), stride):
        if not waiting:
            return
        # bytes of one row compare faster than views of it, and most rows are equal
        if bytes(old[row : row + stride]) == bytes(new[row : row + stride]):
            continue
        left = []
        for x in waiting:
            first = row + x * BYTES_A_PIXEL
            last = row + min(x + TILE, width) * BYTES_A_PIXEL
            if bytes(old[first:last]) == bytes(new[first:last]):
                left.append(x)
            else:
                yield x
        waiting = left
