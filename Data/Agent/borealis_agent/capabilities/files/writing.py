"""A file comes from the Engine: beside its place until it is whole, then in its place in one step."""

import contextlib
import os
from typing import Any

from borealis_agent.capabilities.files.digest import PIECE, Digests, add_file
from borealis_agent.capabilities.files.faults import FileFault
from borealis_agent.capabilities.files.here import Place
from borealis_agent.capabilities.files.wire import Connection
from borealis_wire.files import FileRefusal, FilesOrder


def take_file(place: Place, order: FilesOrder, connection: Connection, told: dict[str, Any]) -> None:
    """Take it from where the order says.

    Raises:
        FileFault: it is not taken, or it did not arrive as it was sent; what was in its place is as before.
        OSError: the connection or the disk failed. What came so far waits to be gone on with.
    """
    replaced = _replaced(place, order)
    descriptor = place.open_partial(order.transfer_id)
    try:
        there = os.fstat(descriptor).st_size
        if order.offset > there:
            raise FileFault(FileRefusal.CHANGED, f"Only {there} bytes of {place.shown} are there to go on with.")
        if place.free_bytes(descriptor) < order.size - order.offset:
            if not there:
                place.drop_partial(order.transfer_id)
            raise FileFault(FileRefusal.NO_SPACE, f"There is no space left for {place.shown}.")
        os.ftruncate(descriptor, order.offset)
        connection.tell("opened", **told, offset=order.offset, size=order.size)
        with Digests(1) as digests:
            _receive(descriptor, order, connection, digests)
        if connection.ends_with("end").get("part") != digests.all[0].hexdigest():
            os.ftruncate(descriptor, order.offset)
            raise FileFault(FileRefusal.DIGEST_MISMATCH, f"{place.shown} did not arrive as it was sent. Try again.")
        _check_whole(place, order, descriptor, digests.all[0].hexdigest())
        place.dress(descriptor, order.mode, replaced)
        os.fsync(descriptor)
        closing, descriptor = descriptor, -1
        place.put(closing, order.transfer_id, overwrite=order.overwrite)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _replaced(place: Place, order: FilesOrder) -> os.stat_result | None:
    found = place.status()
    if found is not None:
        place.check_plain(found)
        if not order.overwrite:
            raise FileFault(FileRefusal.EXISTS, f"{place.shown} is there already.")
    elif not place.is_named:
        raise FileFault(FileRefusal.IS_FOLDER, f"{place.shown} is a folder.")
    return found


def _receive(descriptor: int, order: FilesOrder, connection: Connection, digests: Digests) -> None:
    rooms = [memoryview(bytearray(PIECE)), memoryview(bytearray(PIECE))]
    os.lseek(descriptor, order.offset, os.SEEK_SET)
    position = order.offset
    while position < order.size:
        room, filled = rooms[0][: min(PIECE, order.size - position)], 0
        try:
            while filled < len(room):
                filled += connection.receive_into(room[filled:])
        finally:
            # What came before the connection broke is kept: it need not be sent again.
            _write(descriptor, room[:filled])
        digests.add(room)
        position += filled
        rooms.reverse()
    digests.settle()


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _check_whole(place: Place, order: FilesOrder, descriptor: int, part: str) -> None:
    if not order.sha256:
        return
    whole = part
    if order.offset:
        with Digests(1) as digests:
            add_file(digests.all[0], descriptor, order.size)
            whole = digests.all[0].hexdigest()
    if whole != order.sha256:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            place.drop_partial(order.transfer_id)
        raise FileFault(FileRefusal.DIGEST_MISMATCH, f"What arrived of {place.shown} is not the file that was meant.")
