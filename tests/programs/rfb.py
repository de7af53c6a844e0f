"""A small viewer in the Remote Framebuffer Protocol (RFC 6143), for tests: raw pixels, keys, pointer, clipboard, size.

It asks for changes again and again, as a browser's viewer does: what serves a screen looks at it only while somebody
asks, so the answer to one question alone is an old picture.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

from PIL import Image

SECONDS: Final = 60.0
RAW: Final = 0
DESKTOP_SIZE: Final = -223
EXTENDED_SIZE: Final = -308
RETURN: Final = 0xFF0D
SHIFT: Final = 0xFFE1
CONTROL: Final = 0xFFE3
SHIFTED: Final = '~!@#$%^&*()_+{}|:"<>?'
"""With Shift on a US keyboard, beside the capital letters."""
Pixel = tuple[int, int, int]


class Stream(Protocol):
    """Where the bytes come from and go to."""

    async def read_exactly(self, count: int) -> bytes:
        """So many bytes. Raises ``EOFError`` at the end."""

    async def write(self, data: bytes) -> None:
        """Send them."""


class Streams:
    """A plain connection as a ``Stream``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read_exactly(self, count: int) -> bytes:
        return await self.reader.readexactly(count)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class Received:
    """Pieces that come one by one, as those of a WebSocket, as a ``Stream``. An empty piece is the end."""

    def __init__(self, receive: Callable[[], Awaitable[bytes]], send: Callable[[bytes], Awaitable[None]]) -> None:
        self._receive, self._send = receive, send
        self._rest = bytearray()

    async def read_exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            piece = await self._receive()
            if not piece:
                raise EOFError("the connection ended")
            self._rest += piece
        data = bytes(self._rest[:count])
        del self._rest[:count]
        return data

    async def write(self, data: bytes) -> None:
        await self._send(data)


class Viewer:
    """One viewer. ``picture`` is what it sees now, four bytes a pixel: blue, green, red, nothing."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.width = self.height = 0
        self.name = ""
        self.picture = bytearray()
        self.updates = 0
        self.clipboard: list[str] = []
        self.size_answers: list[int] = []
        """What the server said to each wish for another size: 0 for a yes."""
        self.can_resize = False
        self.over = asyncio.Event()
        self._screen_id = 0
        self._changed = asyncio.Condition()

    async def greet(self) -> None:
        """The handshake, without a secret."""
        version = await self._read(12)
        assert version.startswith(b"RFB 003."), version
        await self._stream.write(b"RFB 003.008\n")
        kinds = await self._read((await self._read(1))[0])
        assert 1 in kinds, kinds
        await self._stream.write(b"\x01")
        assert await self._read(4) == b"\0\0\0\0"
        await self._stream.write(b"\x01")
        self.width, self.height = struct.unpack(">HH", await self._read(4))
        await self._read(16)
        self.name = (await self._read(*struct.unpack(">I", await self._read(4)))).decode()
        self.picture = bytearray(self.width * self.height * 4)
        pixels = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        encodings = struct.pack(">BxH3i", 2, 3, RAW, DESKTOP_SIZE, EXTENDED_SIZE)
        await self._stream.write(b"\0\0\0\0" + pixels + encodings)

    async def look(self) -> None:
        """Ask for changes for as long as there is a connection."""
        try:
            await self._ask(changes=False)
            while True:
                kind = (await self._read(1))[0]
                match kind:
                    case 0:
                        changes = await self._update()
                        await self._ask(changes=changes)
                    case 1:
                        await self._read(5)
                        raise AssertionError("a palette, though true colours were asked for")
                    case 2:
                        pass  # a bell
                    case 3:
                        await self._read(3)
                        text = await self._read(*struct.unpack(">I", await self._read(4)))
                        self.clipboard.append(text.decode("latin-1"))
                    case _:
                        raise AssertionError(f"a message of kind {kind}")
                async with self._changed:
                    self._changed.notify_all()
        except (EOFError, OSError):
            pass
        finally:
            self.over.set()
            async with self._changed:
                self._changed.notify_all()

    async def until(self, what: str, probe: Callable[[], bool], *, seconds: float = SECONDS) -> None:
        """Wait for something that only what arrives can bring about."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: probe() or self.over.is_set())
        except TimeoutError:
            raise AssertionError(f"waited {seconds:.0f} s for {what}; {self.updates} updates came") from None
        assert probe(), f"the connection ended before {what}"

    def pixel(self, x: int, y: int) -> Pixel:
        """What is seen there: red, green, blue."""
        at = (y * self.width + x) * 4
        blue, green, red = self.picture[at : at + 3]
        return red, green, blue

    def count(self, wanted: Pixel) -> int:
        """How many pixels have exactly this colour."""
        red, green, blue = wanted
        found, at = 0, -1
        needle = bytes((blue, green, red))
        while (at := self.picture.find(needle, at + 1)) >= 0:
            found += at % 4 == 0
        return found

    def share_of(self, wanted: Pixel, *, slack: int = 12) -> float:
        """Which part of the picture has about this colour."""
        image = self.image()
        near = sum(
            count
            for count, value in image.getcolors(1 << 24) or []
            if isinstance(value, tuple) and all(abs(a - b) <= slack for a, b in zip(value, wanted, strict=True))
        )
        return near / max(1, image.width * image.height)

    def image(self) -> Image.Image:
        """The picture as it is now."""
        return Image.frombytes("RGB", (self.width, self.height), bytes(self.picture), "raw", "BGRX")

    def place_of(self, wanted: Pixel) -> tuple[int, int]:
        """Where a colour is seen: the uppermost of its pixels. Raises ``ValueError`` where it is not."""
        red, green, blue = wanted
        at = -1
        while (at := self.picture.index(bytes((blue, green, red)), at + 1)) % 4:
            pass
        return at // 4 % self.width, at // 4 // self.width

    async def key(self, *keysyms: int) -> None:
        """Press these together and let them go."""
        for keysym in keysyms:
            await self._stream.write(struct.pack(">BBxxI", 4, 1, keysym))
        for keysym in reversed(keysyms):
            await self._stream.write(struct.pack(">BBxxI", 4, 0, keysym))

    async def type(self, text: str, *, pause: float = 0.0) -> None:
        """Type as on a US keyboard, with Return for each new line; so many seconds between two keys."""
        for char in text:
            symbol = RETURN if char == "\n" else ord(char)
            await self.key(*([SHIFT, symbol] if char.isupper() or char in SHIFTED else [symbol]))
            await asyncio.sleep(pause)

    async def click(self, x: int, y: int) -> None:
        """Click there."""
        for buttons in (0, 1, 0):
            await self._stream.write(struct.pack(">BBHH", 5, buttons, x, y))

    async def cut(self, text: str) -> None:
        """Put this on the clipboard."""
        data = text.encode("latin-1")
        await self._stream.write(struct.pack(">BxxxI", 6, len(data)) + data)

    async def resize(self, width: int, height: int) -> None:
        """Wish for another size."""
        head = struct.pack(">BxHHBx", 251, width, height, 1)
        await self._stream.write(head + struct.pack(">IHHHHI", self._screen_id, 0, 0, width, height, 0))

    # --- inside

    async def _read(self, count: int) -> bytes:
        return await self._stream.read_exactly(count) if count else b""

    async def _ask(self, *, changes: bool) -> None:
        await self._stream.write(struct.pack(">BBHHHH", 3, changes, 0, 0, self.width, self.height))

    async def _update(self) -> bool:
        """Take one; False where all of it has to be asked for anew."""
        await self._read(1)
        (count,) = struct.unpack(">H", await self._read(2))
        same_size = True
        for _ in range(count):
            x, y, width, height, kind = struct.unpack(">HHHHi", await self._read(12))
            if kind == RAW:
                self._paint(x, y, width, height, await self._read(width * height * 4))
            elif kind == DESKTOP_SIZE:
                same_size = self._sized(width, height)
            elif kind == EXTENDED_SIZE:
                screens = (await self._read(4))[0]
                told = await self._read(16 * screens)
                self.can_resize = True
                if screens:
                    (self._screen_id,) = struct.unpack_from(">I", told)
                if x == 1:
                    self.size_answers.append(y)
                if y == 0:
                    same_size = self._sized(width, height)
            else:
                raise AssertionError(f"an encoding that was not asked for: {kind}")
        self.updates += 1
        return same_size

    def _sized(self, width: int, height: int) -> bool:
        if (width, height) == (self.width, self.height):
            return True
        self.width, self.height = width, height
        self.picture = bytearray(width * height * 4)
        return False

    def _paint(self, x: int, y: int, width: int, height: int, data: bytes) -> None:
        for row in range(height):
            at = ((y + row) * self.width + x) * 4
            self.picture[at : at + width * 4] = data[row * width * 4 : (row + 1) * width * 4]


@contextlib.asynccontextmanager
async def viewing(stream: Stream) -> AsyncIterator[Viewer]:
    """Greet, and look until it is left."""
    viewer = Viewer(stream)
    async with asyncio.timeout(SECONDS):
        await viewer.greet()
    looking = asyncio.get_running_loop().create_task(viewer.look())
    try:
        yield viewer
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
