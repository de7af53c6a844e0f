"""An operator's end of one of the Engine's streams, as the page has it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from tests.programs.programs import EngineProgram
from tests.programs.web import web_session

SECONDS = 60.0


class OpenStream:
    """A WebSocket whose binary frames are bytes, and whose text frames are words of the Engine."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        self._socket = socket
        self.opened: dict[str, Any] = {}
        self.closed: dict[str, Any] = {}
        """What was said last; empty where nothing was."""

    async def begin(self) -> dict[str, Any]:
        """Wait until it is open, or refused; gives ``opened`` or ``closed``."""
        async with asyncio.timeout(SECONDS):
            while (message := await self._socket.receive()).type is aiohttp.WSMsgType.TEXT:
                said: dict[str, Any] = json.loads(message.data)
                if said["event"] == "opened":
                    self.opened = said
                    return said
                if said["event"] == "closed":
                    self.closed = said
                    return said
        raise AssertionError(f"the Engine hung up: {message}")

    async def read(self) -> bytes:
        """Bytes as they come; empty at the end."""
        while True:
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                data: bytes = message.data
                return data
            if message.type is not aiohttp.WSMsgType.TEXT:
                return b""
            said = json.loads(message.data)
            if said["event"] == "closed":
                self.closed = said

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        await self._socket.send_bytes(data)


@contextlib.asynccontextmanager
async def stream_at(
    engine: EngineProgram, path: str, token: str, *, bearer: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[OpenStream]:
    """Come with a token, as the Engine's owner or with another bearer."""
    secret = bearer or (engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    sent = {"Authorization": f"Bearer {secret}", **(headers or {})}
    async with (
        web_session(engine.tls()) as web,
        web.ws_connect(f"{engine.url}{path}", params={"token": token}, headers=sent, max_msg_size=0) as socket,
    ):
        yield OpenStream(socket)
