"""Streams on real sockets: bytes both ways, words about them, one end for everybody, nobody else inside."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.fakes.fake_streams import STREAM_PATH
from tests.fakes.gateway_world import World, until

from borealis_engine.core.errors import Conflict

Socket = aiohttp.ClientWebSocketResponse


@contextlib.asynccontextmanager
async def stream(
    world: World, query: str = "?token=t1", headers: dict[str, str] | None = None
) -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession() as http:
        address = f"{world.url}{STREAM_PATH}{query}"
        async with http.ws_connect(
            address, headers=world.cookie() if headers is None else headers, protocols=["binary"]
        ) as socket:
            yield socket


async def refused(world: World, headers: dict[str, str], query: str = "?token=t1") -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as no:
        async with stream(world, query, headers):
            pass
    return no.value.status


async def closed(socket: Socket) -> tuple[dict[str, Any], int | None]:
    """What is said last, and the code."""
    said = await socket.receive_json(timeout=10)
    end = await socket.receive(timeout=10)
    assert end.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    return said, socket.close_code


async def test_bytes_go_both_ways_after_the_word_that_it_is_open(world: World) -> None:
    world.sign_in()
    async with stream(world) as socket:
        assert socket.protocol == "binary"
        assert await socket.receive_json(timeout=10) == {"event": "opened", "width": 800}
        (inside,) = world.streams.opened
        await socket.send_bytes(b"keys")
        await until(lambda: inside.came == b"keys")
        inside.outgoing.put_nowait(b"picture")
        assert await socket.receive_bytes(timeout=10) == b"picture"
        inside.reason = "olga ended it."
        inside.outgoing.put_nowait(None)
        assert await closed(socket) == ({"event": "closed", "error": "", "detail": "olga ended it."}, 1000)
    assert inside.ended
    assert world.streams.asked == [("olga", "t1", "127.0.0.1")]


async def test_what_an_operator_sent_before_leaving_arrives(world: World) -> None:
    world.sign_in()
    async with stream(world) as socket:
        await socket.receive_json(timeout=10)
        (inside,) = world.streams.opened
        inside.open_for_writing.clear()
        for _ in range(5):
            await socket.send_bytes(b"0123456789")
    inside.open_for_writing.set()
    await until(lambda: inside.ended)
    assert inside.came == b"0123456789" * 5


async def test_each_direction_ends_by_itself_where_the_stream_has_that(world: World) -> None:
    world.sign_in()
    world.streams.half_close = True
    async with stream(world) as socket:
        await socket.receive_json(timeout=10)
        (inside,) = world.streams.opened
        await socket.send_bytes(b"request")
        await socket.send_json({"event": "eof"})
        await until(lambda: inside.no_more)
        inside.outgoing.put_nowait(b"answer")
        assert await socket.receive_bytes(timeout=10) == b"answer"
        inside.outgoing.put_nowait(None)
        assert await socket.receive_json(timeout=10) == {"event": "eof"}
        assert (await closed(socket))[1] == 1000
    assert inside.came == b"request"


async def test_the_operator_hears_that_a_person_is_asked_and_what_they_said(world: World) -> None:
    world.sign_in()
    world.streams.waits = [{"seconds": 30, "why": "otto is asked"}]
    world.streams.may_open.clear()
    world.streams.refusal = Conflict("desktop_refused", "otto said no.")
    async with stream(world) as socket:
        assert await socket.receive_json(timeout=10) == {"event": "wait", "seconds": 30, "why": "otto is asked"}
        world.streams.may_open.set()
        said, code = await closed(socket)
    assert said == {"event": "closed", "error": "desktop_refused", "detail": "otto said no."}
    assert code == 1008


async def test_who_leaves_while_a_person_is_asked_is_not_waited_for(world: World) -> None:
    world.sign_in()
    world.streams.may_open.clear()
    async with stream(world):
        await until(lambda: world.streams.asked)
    await until(lambda: world.streams.given_up)


async def test_the_end_of_the_engine_ends_streams_in_good_order(world: World) -> None:
    world.sign_in()
    async with stream(world) as socket:
        await socket.receive_json(timeout=10)
        (inside,) = world.streams.opened
        closing = asyncio.ensure_future(world.gateway.close())
        assert (await closed(socket))[1] == 1001
        await closing
        assert inside.ended


async def test_rejects_streams_for_strangers_devices_and_foreign_pages(world: World) -> None:
    world.sign_in()
    assert await refused(world, {}) == 401
    assert await refused(world, {"Authorization": f"Bearer {world.token()}"}) == 403
    assert await refused(world, world.cookie("unknown")) == 401
    assert await refused(world, {**world.cookie(), "Origin": "https://evil.example"}) == 403
    assert world.streams.asked == []


async def test_rejects_streams_without_one_token(world: World) -> None:
    world.sign_in()
    for query in ("", "?token=", "?token=a&token=b", "?token=" + 65 * "a"):
        assert await refused(world, world.cookie(), query) == 400
    assert world.streams.asked == []


async def test_who_says_hold_gets_nothing_until_it_says_go(world: World) -> None:
    world.sign_in()
    async with stream(world) as socket:
        await socket.receive_json(timeout=10)
        (device,) = world.streams.opened
        await socket.send_json({"event": "hold"})
        await socket.send_bytes(b"after")
        await until(lambda: device.came == b"after")
        device.outgoing.put_nowait(b"held")
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.2)
        await socket.send_json({"event": "go"})
        assert await socket.receive_bytes(timeout=10) == b"held"
