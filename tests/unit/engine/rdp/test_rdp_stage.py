"""The Engine's side of a stage: an X server that leaves is an end, whatever it had not read by then."""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from borealis_engine.rdp.stage import Stage

Run = Callable[[Coroutine[Any, Any, None]], None]


async def left_without_reading() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    keeper = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    stage = Stage(keeper, reader, writer, nla=True)
    try:
        await stage.write(b"a key")
        while not theirs.recv(1, socket.MSG_PEEK):
            await asyncio.sleep(0)
        theirs.close()
        assert await stage.read() == b""
        with pytest.raises(ConnectionError):
            for _ in range(3):
                await stage.write(b"another")
                await asyncio.sleep(0.01)
    finally:
        await stage.close()
    assert keeper.returncode is not None


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_survives_an_x_server_that_left_with_input_unread(run: Run) -> None:
    run(left_without_reading())
