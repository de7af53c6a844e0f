"""Pictures through the socket door: bytes beside events from devices, and frames to who watches, at their pace."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.fakes.gateway_world import GUID, World, open_world, until

from borealis_engine.gateway.frames import MALFORMED, announces_bytes, encode_attached, read_attached
from borealis_engine.operators.permissions import OperatorRole
from borealis_engine.screens import FrameHead
from borealis_wire.events import RunContext

JPEG = b"\xff\xd8\xff"
HEAD = {"order_id": "order", "width": 64, "height": 64, "tiles": [[0, 0, 64, 64, 4]]}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as opened:
        yield opened


def frame(data: bytes) -> FrameHead:
    return FrameHead("order", 64, 64, tiles=[(0, 0, 64, 64, len(data))])


async def test_bytes_beside_an_event_arrive_whole_and_are_acknowledged(world: World) -> None:
    client = await world.device(context=RunContext.INTERACTIVE)
    picture = b"\x89PNG" + bytes(range(256)) * 4000
    told = {"agent_id": "x", "node_id": "n", "order_id": "o1", "x": 0}
    assert await client.call("agent_screenshot_task", (told, picture), timeout=5) == {"status": "ok"}
    assert world.screens.pictures == [(GUID, "o1", picture)]
    assert await client.call("screen_frame", (HEAD, JPEG + b"x"), timeout=5) == {"status": "ok"}
    assert await client.call("screen_frame", {**HEAD, "tiles": []}, timeout=5) == {"status": "ok"}
    assert [(head.order_id, data) for _, head, data in world.screens.frames] == [("order", JPEG + b"x"), ("order", b"")]


async def test_upstreams_form_of_a_picture_is_taken_too(world: World) -> None:
    client = await world.device()
    told = {
        "agent_id": "x",
        "node_id": "o1",
        "image_base64": "iVBORw==",
        "timestamp": 1,
        "x": 1,
        "y": 2,
        "w": 3,
        "h": 4,
    }
    assert await client.call("agent_screenshot_task", told, timeout=5) == {"status": "ok"}
    assert world.screens.pictures == [(GUID, "o1", b"\x89PNG")]
    wrong = await client.call("agent_screenshot_task", {**told, "image_base64": "no base64!"}, timeout=5)
    assert wrong["error"] == "invalid_request"


async def test_a_device_whose_socket_goes_is_told_to_the_room(world: World) -> None:
    client = await world.device(context=RunContext.INTERACTIVE)
    await client.disconnect()
    await until(lambda: world.screens.closed == [(GUID, "interactive")])


@pytest.mark.parametrize(
    "frames",
    [
        ['451-["screen_frame",{},{"_placeholder":true,"num":0}]', "3"],
        ['451-["quick_job_result",{},{"_placeholder":true,"num":0}]', b"x"],
        ['452-["screen_frame",{},{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"x"],
        [b"bytes of nothing"],
        ['451-["screen_frame",{},{"_placeholder":true,"num":0}]', b"x", b"one more"],
    ],
)
async def test_rejects_bytes_that_belong_to_nothing(world: World, frames: list[str | bytes]) -> None:
    headers = {"Authorization": f"Bearer {world.token()}"}
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers) as socket:
        await socket.receive()
        await socket.send_str("40")
        assert (await socket.receive()).data.startswith("40")
        for one in frames:
            await (socket.send_bytes(one) if isinstance(one, bytes) else socket.send_str(one))
        async with asyncio.timeout(5):
            while (await socket.receive()).type != aiohttp.WSMsgType.CLOSE:
                pass
    assert world.screens.pictures == []


async def test_rejects_bytes_from_an_operator(world: World) -> None:
    world.sign_in()
    client = await world.operator()
    gone = asyncio.Event()
    client.on("disconnect", lambda *_: gone.set())
    await client.emit("screen_frame", (HEAD, JPEG))
    async with asyncio.timeout(5):
        await gone.wait()
    assert world.screens.frames == []


@pytest.mark.parametrize(
    "text",
    [
        '451-["screen_frame",{},{"_placeholder":false}]',
        '451-["screen_frame",{},{"_placeholder":true,"num":1}]',
        '451-["screen_frame",{}]',
        '451-["screen_frame",{},{"_placeholder":true,"num":0},7]',
        '451-["screen_frame",{',
        "451-[",
    ],
)
def test_rejects_a_head_that_cannot_be_read(text: str) -> None:
    assert read_attached(text)[1] == MALFORMED


def test_a_head_reads_as_it_was_written() -> None:
    text = "4" + encode_attached("screen_frame", {"a": 1}, 12)
    assert announces_bytes(text)
    number, name, payload = read_attached(text)
    assert (number, name, bytes(payload)) == (12, "screen_frame", b'{"a":1}')


class Browser:
    """A socket of an operator that acknowledges frames when a test lets it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.frames: list[tuple[dict[str, Any], bytes]] = []
        self.over: list[dict[str, Any]] = []
        self.may = asyncio.Event()
        client.on("screen_frame", self._frame)
        client.on("screen_ended", self.over.append)

    async def _frame(self, head: dict[str, Any], data: bytes) -> None:
        self.frames.append((head, data))
        await self.may.wait()

    async def watch(self, **more: Any) -> Any:
        return await self.client.call("watch_screen", {"guid": GUID, **more}, timeout=5)


async def browser(world: World, role: OperatorRole = OperatorRole.OPERATOR, token: str = "s1") -> Browser:
    world.sign_in(token, role)
    return Browser(await world.operator(token))


async def test_who_watches_gets_frames_as_bytes_and_nobody_else_does(world: World) -> None:
    one, other = await browser(world), await browser(world, token="s2")
    one.may.set()
    granted = {"status": "ok", "rate": 5.0, "quality": 40, "seconds": 1800, "user": ""}
    assert (await one.watch(rate=5, quality=40)) == granted
    (viewer,) = world.screens.viewers
    viewer.watch.mosaic.apply(frame(JPEG), JPEG)
    viewer.watch.tell()
    await until(lambda: one.frames)
    ((head, data),) = one.frames
    assert data == JPEG
    assert head == {
        "guid": GUID,
        "user": "",
        "monitor": 1,
        "width": 64,
        "height": 64,
        "format": "jpeg",
        "fresh": True,
        "tiles": [[0, 0, 64, 64, 3]],
    }
    viewer.end("It is over.")
    await until(lambda: one.over)
    assert one.over == [{"guid": GUID, "user": "", "monitor": 1, "reason": "It is over."}]
    assert (other.frames, other.over) == ([], [])


async def test_a_browser_that_does_not_keep_up_gets_fewer_frames_and_the_newest_last(world: World) -> None:
    slow = await browser(world)
    await slow.watch()
    (viewer,) = world.screens.viewers
    for number in range(40):
        data = JPEG + b"%02d" % number
        viewer.watch.mosaic.apply(frame(data), data)
        viewer.watch.tell()
        await asyncio.sleep(0.002)
    await until(lambda: len(slow.frames) == 2)
    slow.may.set()
    await until(lambda: slow.frames[-1][1] == JPEG + b"39")
    assert len(slow.frames) <= 4


async def test_watching_ends_with_the_word_the_socket_and_the_right(world: World) -> None:
    one = await browser(world)
    await one.watch()
    assert (await one.client.call("unwatch_screen", {"guid": GUID}, timeout=5)) == {"status": "ok"}
    assert world.screens.left == world.screens.viewers
    await one.watch()
    await one.client.disconnect()
    await until(lambda: len(world.screens.left) == 2)
    two = await browser(world, token="s2")
    await two.watch()
    world.operators.change("s2", world.sign_in("s3", OperatorRole.VIEWER))
    await until(lambda: len(world.screens.left) == 3)
    assert (await two.watch())["error"] == "forbidden"


async def test_rejects_watching_without_the_right_or_with_a_wrong_form(world: World) -> None:
    viewer = await browser(world, OperatorRole.VIEWER)
    assert (await viewer.watch())["error"] == "forbidden"
    one = await browser(world, token="s2")
    for wrong in ({"rate": 0}, {"rate": 1000}, {"monitor": -1}, {"quality": "good"}, {"seconds": 10**9}, {"x": 1}):
        assert (await one.watch(**wrong))["error"] == "invalid_request"
    for monitor in range(4):
        assert (await one.watch(monitor=monitor))["status"] == "ok"
    assert (await one.watch(monitor=9))["error"] == "too_many_watched"
    assert len(world.screens.viewers) == 4
