"""Forwarded connections on the device: connecting, both ways to their own ends, and what a broken one looks like."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from borealis_agent.capabilities.entry import Refusing, Visitor
from borealis_agent.capabilities.forward import Forwards, Targets, dialling
from borealis_wire.forward import ForwardOrder
from borealis_wire.lines import BadLine

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def order(port: int, host: str = "127.0.0.1") -> ForwardOrder:
    return ForwardOrder("o", "s", "G", "olga", host, port, 1.0, 2.0)


def forwards(said: list[str] | None = None, **options: Any) -> Forwards:
    options = {"targets": Targets(), "closed": frozenset, "engine": lambda: ("", 0), **options}
    return Forwards(say=(said if said is not None else []).append, **options)


@contextlib.asynccontextmanager
async def target(serve: Serve) -> AsyncIterator[int]:
    """A server on loopback; gives its port."""

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(whole, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def visiting(carrier: Forwards, asked: ForwardOrder) -> AsyncIterator[tuple[socket.socket, asyncio.Task[None]]]:
    """The Engine's end of a connection that is served."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        serving = asyncio.create_task(carrier.serve(asked, Visitor(theirs, "127.0.0.1")))
        serving.add_done_callback(lambda _: theirs.close())
        try:
            yield ours, serving
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def line(ours: socket.socket) -> dict[str, Any]:
    heard = b""
    while not heard.endswith(b"\n"):
        piece = await asyncio.get_running_loop().sock_recv(ours, 1)
        assert piece, f"it ended after {heard!r}"
        heard += piece
    found: dict[str, Any] = json.loads(heard)
    return found


async def rest(ours: socket.socket) -> bytes:
    heard = b""
    while data := await asyncio.get_running_loop().sock_recv(ours, 65536):
        heard += data
    return heard


async def test_each_direction_ends_by_itself() -> None:
    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()  # to the end, which is not the end of the answer
        writer.write(b"%d " % len(asked) + asked)
        await writer.drain()

    said: list[str] = []
    carrier = forwards(said)
    async with target(counting) as port, visiting(carrier, order(port)) as (ours, serving):
        assert await line(ours) == {"type": "opened", "address": "127.0.0.1"}
        loop = asyncio.get_running_loop()
        sent = bytes(range(256)) * 4000
        await loop.sock_sendall(ours, sent)
        ours.shutdown(socket.SHUT_WR)
        assert await rest(ours) == b"1024000 " + sent
        await serving
    assert carrier.report() == {"connections": 0, "opened": 1}
    assert said == [f"olga is connected to 127.0.0.1 port {port}"]


async def test_the_target_may_end_first_and_still_listen() -> None:
    heard: list[bytes] = []

    async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.write_eof()
        heard.append(await reader.read())

    async with target(greeting) as port, visiting(forwards(), order(port)) as (ours, serving):
        await line(ours)
        assert await rest(ours) == b"hello"
        await asyncio.get_running_loop().sock_sendall(ours, b"still here")
        ours.shutdown(socket.SHUT_WR)
        await serving
    assert heard == [b"still here"]


async def test_who_does_not_read_holds_the_target_up() -> None:
    written = 0

    async def flooding(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            written += 65536

    async with target(flooding) as port, visiting(forwards(), order(port)) as (ours, _):
        await line(ours)
        before = -1
        async with asyncio.timeout(30):
            while before != written:
                before = written
                await asyncio.sleep(0.3)
        assert written < 32 * 1024 * 1024
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            while written == before:
                await loop.sock_recv(ours, 65536)


@pytest.mark.skipif(sys.platform == "win32", reason="under wine the reset that this test makes wakes no reader")
async def test_survives_a_broken_target_and_says_that_it_broke() -> None:
    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"half of it")
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    carrier = forwards()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        async with target(breaking) as port:
            ours = socket.socket()
            with ours:
                ours.setblocking(False)
                await loop.sock_connect(ours, listener.getsockname())
                theirs, _ = await loop.sock_accept(listener)
                with theirs:
                    serving = asyncio.create_task(carrier.serve(order(port), Visitor(theirs, "127.0.0.1")))
                    await line(ours)
                    await loop.sock_sendall(ours, b"x")
                    await serving
                with pytest.raises(ConnectionResetError):
                    await rest(ours)
    assert carrier.report()["connections"] == 0


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1", "refused"), ("no-such-name.invalid", "not_resolved"), ("0.0.0.0", "not_allowed")],
)
async def test_rejects_with_a_reason_where_there_is_no_connection(host: str, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said: list[str] = []
    async with visiting(forwards(said), order(port, host)) as (_, serving):
        with pytest.raises(Refusing) as no:
            await serving
    assert no.value.reason == reason
    assert said == [f"olga got no connection to {host} port {port}: {reason}"]


async def test_rejects_a_target_that_does_not_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_address: object, _port: int) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(dialling, "_attempt", never)
    monkeypatch.setattr(dialling, "CONNECT_SECONDS", 0.05)
    async with visiting(forwards(), order(80, "192.0.2.1")) as (_, serving):
        with pytest.raises(Refusing) as no:
            await serving
    assert no.value.reason == "timed_out"


async def test_a_name_is_tried_by_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waving(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")

    async def three(_host: str, _port: object, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 0)) for last in (3, 2, 1)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", three)
    async with target(waving) as port, visiting(forwards(), order(port, "here.example")) as (ours, _):
        assert (await line(ours))["address"] == "127.0.0.1"


async def test_rejects_a_name_that_leads_into_the_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    import ipaddress

    async def inside(_host: str, _port: object, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.255.0.1", 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", inside)
    carrier = forwards(closed=lambda: frozenset({ipaddress.ip_address("10.255.0.1")}))
    async with visiting(carrier, order(5000, "innocent.example")) as (_, serving):
        with pytest.raises(Refusing, match="tunnel"):
            await serving


async def test_rejects_one_more_than_the_device_carries_and_who_speaks_too_soon() -> None:
    async def waiting(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    carrier = forwards(most=1)
    async with target(waiting) as port:
        async with visiting(carrier, order(port)) as (ours, _):
            await line(ours)
            async with visiting(carrier, order(port)) as (_, serving):
                with pytest.raises(Refusing) as no:
                    await serving
                assert no.value.reason == "busy"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            ours.sendall(b'{"type":"open"}\nGET /')
            visitor = Visitor(theirs, "127.0.0.1")
            assert (await visitor.first_message())["type"] == "open"
            with pytest.raises(BadLine):
                await carrier.serve(order(port), visitor)


@pytest.mark.parametrize("called", ["localhost", "127.0.0.1"])
async def test_rejects_the_engine_itself_also_by_another_address_of_its_machine(called: str) -> None:
    async def nobody(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """Nobody gets here."""

    async with target(nobody) as port:
        carrier = forwards(engine=lambda: (called, port))
        for host in ("127.0.0.1", "127.0.0.2", "localhost"):
            async with visiting(carrier, order(port, host)) as (_, serving):
                with pytest.raises(Refusing, match="the Engine itself"):
                    await serving
