"""A file that goes to a device."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final, Self

from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import EngineError, Invalid, Unavailable
from borealis_engine.transfers.line import CUT, FilesLine, nonsense, whole_number
from borealis_engine.transfers.models import WriteAsked

PLACE_SECONDS: Final = 900.0
"""So long a device may take to check a large file and to bring it to its disk."""
REASON_SECONDS: Final = 2.0


class Writing:
    """Takes the bytes from ``offset`` to ``size``. Made by :meth:`begin`."""

    def __init__(self, line: FilesLine, asked: WriteAsked) -> None:
        self._line = line
        self._digest = hashlib.sha256()
        self._said: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.path = str(line.opened.get("path", ""))
        self.size = asked.size
        self.offset = whole_number(line.opened.get("offset"), asked.size)
        self.done = self.offset
        if self.offset != asked.offset:
            raise nonsense()

    @classmethod
    @contextlib.asynccontextmanager
    async def begin(cls, line: FilesLine, asked: WriteAsked) -> AsyncIterator[Self]:
        """Begin, on a line that is open. Raises ``Unavailable`` where the device's answer is none."""
        writing, failure = cls(line, asked), None
        try:
            async with Supervisor() as tasks:
                # The device may say no in the middle, while we send.
                tasks.start("hear of a file", writing._hear())
                try:
                    yield writing
                except Exception as error:  # noqa: BLE001  # raised again where no group of tasks wraps it
                    failure = error
            if failure is not None:
                raise failure
        finally:
            if writing._said.done() and not writing._said.cancelled():
                writing._said.exception()  # whoever wanted to know has asked

    @property
    def whole(self) -> bool:
        """All bytes went to the device."""
        return self.done == self.size

    async def write(self, data: bytes) -> None:
        """Send the next bytes; waits while the device takes no more.

        Raises:
            Conflict: the device says no.
            Invalid: there are more than there should be.
            Unavailable: the connection was lost.
        """
        if self.done + len(data) > self.size:
            raise Invalid("files_too_long", f"More than the {self.size} bytes came that the file was said to have.")
        if self._said.done():
            self._said.result()
            raise nonsense()
        self._digest.update(data)
        try:
            await self._line.write_bytes(data)
        except OSError as error:
            await self._why(error)
        self.done += len(data)

    async def finish(self) -> None:
        """All bytes were sent: have the file put in its place, and wait for that.

        Raises:
            Conflict: the device says no; what was in its place is untouched.
            Unavailable: the connection was lost; whether it is there is not known.
        """
        try:
            await self._line.write("end", part=self._digest.hexdigest())
        except OSError as error:
            await self._why(error)
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                said = await asyncio.shield(self._said)
        except TimeoutError as error:
            raise Unavailable("files_cut", "The device does not say whether the file is in its place.") from error
        if said.get("type") != "done":
            raise nonsense()

    async def _why(self, error: OSError) -> None:
        """The device hung up; it may have said why. Always raises."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REASON_SECONDS):
                await asyncio.shield(self._said)
        raise Unavailable("files_cut", CUT) from error

    async def _hear(self) -> None:
        try:
            said = await self._line.told("done", seconds=None)
        except EngineError as error:
            self._said.set_exception(error)
        else:
            self._said.set_result(said)
