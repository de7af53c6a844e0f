"""The last output of a terminal, by position: what a connection that was lost has to be sent again. Pure."""

from typing import Final

KEPT_BYTES: Final = 768 * 1024


class Ring:
    """Bytes counted from the first that the terminal ever printed; the oldest make room."""

    def __init__(self, kept: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._start = 0
        self._data = bytearray()

    @property
    def start(self) -> int:
        """Position of the oldest byte that is still there."""
        return self._start

    @property
    def end(self) -> int:
        """Position after the newest byte: how many there were."""
        return self._start + len(self._data)

    def append(self, data: bytes) -> None:
        """Keep more; holds up to twice ``kept`` bytes, so that it need not move them each time."""
        self._data += data
        if len(self._data) > 2 * self._kept:
            drop = len(self._data) - self._kept
            del self._data[:drop]
            self._start += drop

    def read(self, position: int, most: int) -> tuple[int, bytes]:
        """Up to ``most`` bytes from ``position`` on, or from the oldest there is; with the position after them."""
        begin = min(max(position, self._start), self.end)
        data = bytes(self._data[begin - self._start : begin - self._start + most])
        return begin + len(data), data
