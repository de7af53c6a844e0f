"""A device that carries orders about files out, and the Engine's end of each connection."""

import asyncio
import contextlib
import hashlib
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from borealis_agent.capabilities.entry import Refusing, Visitor
from borealis_agent.capabilities.files.carrier import Carrier
from borealis_base.clock import SystemClock
from borealis_base.tasks import Supervisor
from borealis_wire.files import FileAction, FilesOrder
from borealis_wire.lines import LineReader, write_line

TRANSFER = "ab" * 16
_NUMBERS = itertools.count()


def order(action: FileAction, path: Path | str, **more: Any) -> FilesOrder:
    """An order as the agent verified it."""
    if action is FileAction.WRITE:
        more.setdefault("transfer_id", TRANSFER)
    return FilesOrder(f"o{next(_NUMBERS)}", "G", "olga", action, 1000.0, 1060.0, path=str(path), **more)


def digest(data: bytes) -> str:
    """SHA-256 as it is written."""
    return hashlib.sha256(data).hexdigest()


class Line:
    """The Engine's end."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._lines = LineReader()

    async def message(self) -> dict[str, Any]:
        """The next line."""
        data = b""
        while True:
            for found in self._lines.feed(data):
                return found
            data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
            assert data, "the device closed the connection"

    async def plain(self, count: int) -> bytes:
        """So many plain bytes."""
        data = self._lines.take_rest()
        while len(data) < count:
            more = await asyncio.get_running_loop().sock_recv(self.socket, count - len(data))
            assert more, f"the device closed the connection after {len(data)} bytes"
            data += more
        for _ in self._lines.feed(data[count:]):
            raise AssertionError("more than a line came")
        return data[:count]

    async def send(self, data: bytes) -> None:
        """Send plain bytes."""
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def end(self, part: bytes) -> dict[str, Any]:
        """All was sent: what the device says."""
        await self.send(write_line("end", part=digest(part)))
        return await self.message()

    async def at_end(self) -> bool:
        """The device closed the connection, and said no more."""
        return await asyncio.get_running_loop().sock_recv(self.socket, 1) == b""


class Device:
    """Carries orders out."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.carrier = Carrier(folder=folder, clock=SystemClock(), say=self.said.append)
        self.tasks = Supervisor()

    @contextlib.asynccontextmanager
    async def line(self, wanted: FilesOrder) -> AsyncIterator[Line]:
        """A connection for one order."""
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            far.setblocking(False)
            visitor = Visitor(far, "test")
            task = self.tasks.start("serve", self._serve(wanted, visitor))
            async with asyncio.timeout(30):
                yield Line(near)
                near.close()
                await asyncio.wait([task])

    async def _serve(self, wanted: FilesOrder, visitor: Visitor) -> None:
        visitor.begin()
        try:
            await self.carrier.carry(wanted, visitor)
        except Refusing as no:
            await visitor.last_line("refused", reason=no.reason, detail=str(no))
        except asyncio.CancelledError:
            if not visitor.dropped:
                raise
        finally:
            visitor.socket.close()

    async def answer(self, wanted: FilesOrder) -> dict[str, Any]:
        """The first thing that is said to an order."""
        async with self.line(wanted) as line:
            return await line.message()

    async def write(self, path: Path | str, data: bytes, **more: Any) -> dict[str, Any]:
        """Send a whole file, and give the last thing that is said."""
        async with self.line(order(FileAction.WRITE, path, size=len(data), **more)) as line:
            said = await line.message()
            if said["type"] == "opened":
                await line.send(data[said["offset"] :])
                said = await line.end(data[said["offset"] :])
            return said


@contextlib.asynccontextmanager
async def device_in(folder: Path) -> AsyncIterator[Device]:
    """A device whose notes are in ``folder``."""
    device = Device(folder)
    async with device.tasks:
        yield device
