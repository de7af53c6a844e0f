"""The guard of one WebSocket, with a server and a clock that tests move."""

import asyncio
from typing import Any

from tests.fakes.fake_clock import FakeClock

from borealis_engine.gateway.connection import DEVICE_LIMITS, OPERATOR_LIMITS, STALL_SECONDS, Connection, Limits


class Line:
    """The web server's side of a WebSocket."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Any] = []
        self.writable = asyncio.Event()
        self.writable.set()

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        self.sent.append(message)

    def text(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})


def connect(limits: Limits = DEVICE_LIMITS) -> tuple[Line, Connection, FakeClock]:
    line, clock = Line(), FakeClock()
    return line, Connection(line.incoming.get, line.send, clock, limits), clock


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_frames_pass_in_order() -> None:
    line, connection, _ = connect()
    for number in range(3):
        line.text(f'42["e",{number}]')
    assert [(await connection.receive())["text"] for _ in range(3)] == [f'42["e",{number}]' for number in range(3)]


async def test_rejects_a_frame_over_the_limit() -> None:
    line, connection, _ = connect(OPERATOR_LIMITS)
    line.text('42["watch_run","' + "x" * OPERATOR_LIMITS.max_frame + '"]')
    assert (await connection.receive())["type"] == "websocket.disconnect"
    assert connection.closed
    assert line.sent[-1]["code"] == 1008


async def test_a_fast_sender_is_not_read_any_faster() -> None:
    line, connection, clock = connect()
    for _ in range(int(DEVICE_LIMITS.frames_burst)):
        line.text('42["e"]')
        await connection.receive()
    line.text('42["e"]')
    reading = asyncio.gather(connection.receive())
    await settle()
    assert not reading.done()
    clock.advance(1.0)
    await reading


async def test_reading_pauses_while_many_events_are_worked_on() -> None:
    line, connection, _ = connect()
    for _ in range(DEVICE_LIMITS.in_flight):
        connection.begin_event()
    line.text('42["e"]')
    reading = asyncio.gather(connection.receive())
    await settle()
    assert not reading.done()
    connection.end_event()
    await reading


async def test_nothing_passes_once_it_is_closed() -> None:
    line, connection, _ = connect()
    connection.closed = True
    line.text('42["e"]')
    assert (await connection.receive())["type"] == "websocket.disconnect"
    await connection.send({"type": "websocket.send", "text": "x"})
    assert line.sent == []
    await connection.close()
    assert [message["type"] for message in line.sent] == ["websocket.close"]
    await connection.close()
    assert len(line.sent) == 1


async def test_a_close_ends_who_reads() -> None:
    _line, connection, _ = connect()
    reading = asyncio.gather(connection.receive(), return_exceptions=True)
    await settle()
    await connection.close()
    (outcome,) = await reading
    assert isinstance(outcome, asyncio.CancelledError)


async def test_survives_a_peer_that_does_not_read() -> None:
    line, connection, clock = connect()
    line.writable.clear()
    writing = asyncio.gather(
        connection.send({"type": "websocket.send", "text": "x"}), connection.receive(), return_exceptions=True
    )
    await settle()
    assert not connection.is_stuck(clock.monotonic())
    clock.advance(STALL_SECONDS + 1)
    assert connection.is_stuck(clock.monotonic())
    line.writable.set()
    closing = asyncio.gather(connection.close())
    assert all(isinstance(outcome, asyncio.CancelledError | None) for outcome in await writing)
    await closing
