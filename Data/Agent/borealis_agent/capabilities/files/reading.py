"""A file goes to the Engine."""

import contextlib
import os
import sys
from typing import Any

from borealis_agent.capabilities.files.digest import PIECE, Digests, add_file
from borealis_agent.capabilities.files.faults import FileFault
from borealis_agent.capabilities.files.here import Place
from borealis_agent.capabilities.files.wire import Connection
from borealis_wire.files import FileRefusal, FilesOrder


def send_file(place: Place, order: FilesOrder, connection: Connection, told: dict[str, Any]) -> int:
    """Send it from where the order says; gives how many bytes. What is appended meanwhile is not sent.

    Raises:
        FileFault: it is not there, or less of it than the order goes on from.
        OSError: the connection or the disk failed; where that is in the middle, the connection just ends.
    """
    descriptor = place.open_file()
    try:
        found = os.fstat(descriptor)
        version = f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
        offset = order.offset if order.version in {"", version} else 0
        if offset > found.st_size:
            raise FileFault(FileRefusal.CHANGED, f"{place.shown} has only {found.st_size} bytes now.")
        connection.tell("opened", **told, size=found.st_size, offset=offset, version=version, modified=found.st_mtime)
        # From here on plain bytes are expected: whatever goes wrong can only be told by an end that comes too early.
        try:
            with Digests(1 if offset == 0 else 2) as digests:
                if offset and not add_file(digests.all[1], descriptor, offset):
                    raise ConnectionAbortedError("the file was made shorter")
                _send(descriptor, offset, found.st_size, connection, digests)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            raise ConnectionAbortedError(f"the file cannot be read: {error}") from error
        part, whole = digests.all[0].hexdigest(), digests.all[-1].hexdigest()
        connection.last_word("done", part=part, whole=whole)
        return found.st_size - offset
    finally:
        os.close(descriptor)


def _send(descriptor: int, position: int, size: int, connection: Connection, digests: Digests) -> None:
    rooms = [memoryview(bytearray(PIECE)), memoryview(bytearray(PIECE))]
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, position, 0, os.POSIX_FADV_SEQUENTIAL)
    os.lseek(descriptor, position, os.SEEK_SET)
    with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
        while position < size:
            room = rooms[0][: min(PIECE, size - position)]
            count = file.readinto(room)
            if not count:
                raise ConnectionAbortedError("the file was made shorter")
            digests.add(room[:count])
            connection.send(room[:count])
            position += count
            rooms.reverse()
        digests.settle()
