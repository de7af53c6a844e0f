"""SHA-256 of what goes by, computed beside the sending and the writing."""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self

PIECE: Final = 1024 * 1024


class Digests:
    """Several digests of the same bytes. A block may be changed again once the next ``add`` or ``settle`` returned."""

    def __init__(self, count: int) -> None:
        self.all = [hashlib.sha256() for _ in range(count)]
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def add(self, block: memoryview) -> None:
        """Take a block in, in another thread: the digest works without the interpreter's lock."""
        self.settle()
        self._under_way = self._pool.submit(self._take, block)

    def settle(self) -> None:
        """Wait until all is taken in."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def _take(self, block: memoryview) -> None:
        for one in self.all:
            one.update(block)


def add_file(into: "hashlib._Hash", descriptor: int, size: int) -> bool:
    """Take the first ``size`` bytes of a file into a digest; false where there are fewer. Raises ``OSError``."""
    position = 0
    os.lseek(descriptor, 0, os.SEEK_SET)
    while position < size:
        block = os.read(descriptor, min(PIECE, size - position))
        if not block:
            return False
        into.update(block)
        position += len(block)
    return True
