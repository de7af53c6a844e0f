"""A viewer of RFB 3.8 for tests: raw pictures, keys, the pointer and the clipboard, as noVNC has them.

Asks for the next update as soon as one has come, as browsers do; a picture that was asked for once would be an old one.
Source: RFC 6143; the extension of desktop sizes is described beside it by the community.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from PIL import Image

SECONDS = 40.0
RAW, DESKTOP_SIZE, EXTENDED_SIZE = 0, -223, -308
RETURN, CONTROL, SHIFT = 0xFF0D, 0xFFE3, 0xFFE1
SHIFTED = '~!@#$%^&*()_+{}|:"<>?'
"""On a US keyboard."""


class RfbViewer:
    """Over any pair of ``read() -> bytes`` (empty at the end) and ``write(bytes)``."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[None]]) -> None:
        self._read = read
        self._write = write
        self._data = bytearray()
        self._changed = asyncio.Event()
        self.size = (0, 0)
        self.name = ""
        self.pixels = bytearray()
        """BGRX."""
        self.clipboard: list[str] = []
        self.updates = 0
        self.ended = False

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator["RfbViewer"]:
        """Shake hands, and keep the picture up to date while the context lasts."""
        async with asyncio.timeout(SECONDS):
            await self._shake_hands()
        task = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def key(self, *symbols: int) -> None:
        """Press these together."""
        for symbol in symbols:
            await self._write(struct.pack(">BBxxI", 4, 1, symbol))
        for symbol in reversed(symbols):
            await self._write(struct.pack(">BBxxI", 4, 0, symbol))

    async def type(self, text: str) -> None:
        """Type Latin-1 text, as on a US keyboard; a line end is Return."""
        for char in text:
            symbol = RETURN if char == "\n" else ord(char)
            await self.key(*([SHIFT, symbol] if char.isupper() or char in SHIFTED else [symbol]))
            await asyncio.sleep(0.02)  # as fast as people are, and no faster: the far end drops what comes faster

    async def point(self, x: int, y: int, *, click: bool = False) -> None:
        """Move there, and click."""
        for mask in (0, 1, 0) if click else (0,):
            await self._write(struct.pack(">BBHH", 5, mask, x, y))
            await asyncio.sleep(0.05)

    async def cut(self, text: str) -> None:
        """Put this into the clipboard."""
        data = text.encode("latin-1")
        await self._write(struct.pack(">BxxxI", 6, len(data)) + data)

    async def resize(self, width: int, height: int) -> None:
        """Ask for another size of the desktop."""
        screen = struct.pack(">IHHHHI", 1, 0, 0, width, height, 0)
        await self._write(struct.pack(">BxHHBx", 251, width, height, 1) + screen)

    def image(self) -> Image.Image:
        """The picture as it is now."""
        return Image.frombytes("RGB", self.size, bytes(self.pixels), "raw", "BGRX")

    def save(self, path: Path) -> None:
        """The picture as a file."""
        self.image().save(path)

    def share_of(self, colour: tuple[int, int, int], *, slack: int = 12) -> float:
        """Which part of the picture has about this colour."""
        image = self.image()
        found = image.getcolors(1 << 24) or []
        near = sum(
            count
            for count, value in found
            if isinstance(value, tuple) and all(abs(a - b) <= slack for a, b in zip(value, colour, strict=True))
        )
        return near / max(1, image.width * image.height)

    async def until(self, probe: Callable[[], bool], what: str, *, seconds: float = SECONDS) -> None:
        """Wait for something that only what arrives can bring about."""
        try:
            async with asyncio.timeout(seconds):
                while not probe():
                    if self.ended:
                        raise AssertionError(f"the stream ended before {what}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited {seconds:.0f} s for {what}") from None

    async def _shake_hands(self) -> None:
        assert await self._take(12) == b"RFB 003.008\n"
        await self._write(b"RFB 003.008\n")
        (count,) = await self._take(1)
        assert 1 in await self._take(count), "no security beside the door's own"
        await self._write(b"\x01")
        assert await self._take(4) == b"\0\0\0\0"
        await self._write(b"\x01")
        width, height = struct.unpack(">HH", (await self._take(20))[:4])
        self._resized(width, height)
        (length,) = struct.unpack(">I", await self._take(4))
        self.name = (await self._take(length)).decode("utf-8", "replace")
        pixel_format = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        await self._write(b"\0\0\0\0" + pixel_format)
        await self._write(struct.pack(">BxHiii", 2, 3, RAW, DESKTOP_SIZE, EXTENDED_SIZE))
        await self._ask(incremental=False)

    async def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                await self._message()
                self._changed.set()
        self.ended = True
        self._changed.set()

    async def _message(self) -> None:
        (kind,) = await self._take(1)
        match kind:
            case 0:
                (count,) = struct.unpack(">xH", await self._take(3))
                resized = False
                for _ in range(count):
                    resized |= await self._rectangle()
                self.updates += 1
                await self._ask(incremental=not resized)
            case 2:
                pass  # a bell
            case 3:
                (length,) = struct.unpack(">xxxI", await self._take(7))
                self.clipboard.append((await self._take(length)).decode("latin-1"))
            case _:
                raise AssertionError(f"message {kind} was not expected")

    async def _rectangle(self) -> bool:
        x, y, width, height, encoding = struct.unpack(">HHHHi", await self._take(12))
        if encoding == EXTENDED_SIZE:
            (screens,) = struct.unpack(">Bxxx", await self._take(4))
            await self._take(16 * screens)
        if encoding in {EXTENDED_SIZE, DESKTOP_SIZE}:
            changed = (width, height) != self.size
            if changed:
                self._resized(width, height)
            return changed
        assert encoding == RAW
        data, stride = await self._take(4 * width * height), 4 * self.size[0]
        for row in range(height):
            at = (y + row) * stride + 4 * x
            self.pixels[at : at + 4 * width] = data[4 * width * row : 4 * width * (row + 1)]
        return False

    def _resized(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.pixels = bytearray(4 * width * height)

    async def _ask(self, *, incremental: bool) -> None:
        await self._write(struct.pack(">BBHHHH", 3, incremental, 0, 0, *self.size))

    async def _take(self, size: int) -> bytes:
        while len(self._data) < size:
            if not (data := await self._read()):
                raise EOFError
            self._data += data
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken
