"""What the Engine makes of what a device says of a file: bytes, digests, refusals, and nonsense."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from borealis_base.clock import SystemClock
from borealis_engine.core.errors import Conflict, EngineError, Invalid, NotFound, Unavailable
from borealis_engine.lines import Place, Stay
from borealis_engine.transfers import Reading, WriteAsked, Writing
from borealis_engine.transfers.line import FILES, FilesLine
from borealis_wire.lines import write_line

DATA = bytes(range(256)) * 2000
Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.asynccontextmanager
async def line_to(says: Says) -> AsyncIterator[FilesLine]:
    """A line to a device that says this to an order."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readline()
            await says(reader, writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        place = Place("127.0.0.1", server.sockets[0].getsockname()[1], asyncio.Event())
        line = await FilesLine.open(place, {}, SystemClock(), FILES)
        try:
            yield line
        finally:
            line.cut()
            await asyncio.sleep(0)


def stay() -> Stay:
    nobody: Any = None
    return Stay("s", nobody, None, nobody, "", time.time(), "")


def says(*pieces: bytes) -> Says:
    async def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)

    return say


def opened(**more: Any) -> bytes:
    members = {"path": "/f", "user": "u", "size": len(DATA), "offset": 0, "version": "1-2-3", **more}
    return write_line("opened", **members)


async def read(line: FilesLine) -> tuple[bytes, list[str]]:
    kept: list[str] = []
    reading = Reading(line, stay(), kept.append)
    return b"".join([piece async for piece in reading.pieces()]), kept


@pytest.mark.parametrize("together", [True, False])
async def test_a_file_and_its_digest_come_in_any_pieces(together: bool) -> None:
    done = write_line("done", part=digest(DATA), whole="f" * 64)
    pieces = [opened() + DATA + done] if together else [opened(), DATA[:100], DATA[100:] + done[:5], done[5:]]
    async with line_to(says(*pieces)) as line:
        assert await read(line) == (DATA, ["f" * 64])


async def test_rejects_a_file_that_is_not_what_the_device_sent_before_its_last_piece() -> None:
    async with line_to(says(opened(), DATA, write_line("done", part=digest(b"x"), whole=""))) as line:
        reading, came = Reading(line, stay(), lambda _: None), 0
        with pytest.raises(Conflict, match="files_digest_mismatch"):
            async for piece in reading.pieces():
                came += len(piece)
        assert came < len(DATA)


@pytest.mark.parametrize("rest", [b"", DATA[:-1], DATA])
async def test_survives_a_device_that_goes_away_in_the_middle(rest: bytes) -> None:
    async with line_to(says(opened(), rest)) as line:
        with pytest.raises(Unavailable, match="files_cut"):
            await read(line)


@pytest.mark.parametrize(
    "members",
    [
        {"size": -1},
        {"size": "1"},
        {"size": True},
        {"size": 2**60},
        {"offset": len(DATA) + 1},
        {"version": '"\r\nX: y'},
        {"version": ""},
        {"version": None},
    ],
)
async def test_rejects_what_is_no_description_of_a_file(members: dict[str, Any]) -> None:
    async with line_to(says(opened(**members))) as line:
        with pytest.raises(Unavailable, match="files_failed"):
            Reading(line, stay(), lambda _: None)


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("not_found", NotFound, "files_not_found"),
        ("no_right", Conflict, "files_no_right"),
        ("bad_signature", Conflict, "files_refused"),
        ("anything", Conflict, "files_refused"),
    ],
)
async def test_a_refusal_has_a_code_of_its_own(reason: str, kind: type[EngineError], code: str) -> None:
    with pytest.raises(kind) as raised:
        async with line_to(says(write_line("refused", reason=reason, detail="No."))):
            pass
    assert (raised.value.code, "No." in raised.value.detail) == (code, True)


async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, size: int, answer: bytes) -> None:
    """A device that takes a file."""
    writer.write(opened(size=size))
    await reader.readexactly(size)
    await reader.readline()
    writer.write(answer)


@contextlib.asynccontextmanager
async def writing_to(device: Says, size: int) -> AsyncIterator[Writing]:
    asked = WriteAsked("/f", transfer="t", size=size)
    async with line_to(device) as line, Writing.begin(line, asked) as writing:
        yield writing


async def test_a_file_goes_and_is_waited_for() -> None:
    device = lambda reader, writer: take(reader, writer, size=len(DATA), answer=write_line("done"))  # noqa: E731
    async with writing_to(device, len(DATA)) as writing:
        await writing.write(DATA[:1000])
        assert not writing.whole
        await writing.write(DATA[1000:])
        assert writing.whole
        await writing.finish()


async def test_rejects_more_bytes_than_the_file_has() -> None:
    with pytest.raises(Invalid, match="files_too_long"):
        async with writing_to(says(opened(size=3)), 3) as writing:
            await writing.write(b"four")


async def test_a_refusal_in_the_middle_ends_a_file_with_its_reason() -> None:
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(opened(size=50_000_000))
        await reader.readexactly(1000)
        writer.write(write_line("refused", reason="no_space", detail="The disk is full."))

    with pytest.raises(Conflict, match="files_no_space"):
        async with writing_to(full, 50_000_000) as writing:
            for _ in range(1000):
                await writing.write(bytes(50_000))
                await asyncio.sleep(0)


async def test_survives_a_connection_that_was_closed_before_the_next_byte() -> None:
    with pytest.raises(Unavailable, match="files_cut"):
        async with writing_to(says(opened(size=3)), 3) as writing:
            writing._line.cut()
            await writing.write(b"abc")
