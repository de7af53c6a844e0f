"""The operator's end of a desktop: a ticket from the Engine, its WebSocket, and what is said on it."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from tests.programs.programs import EngineProgram
from tests.programs.rfb import Received
from tests.programs.web import web_session

SECONDS = 60.0


def owner_token(engine: EngineProgram) -> str:
    """What the owner's command line uses."""
    return (engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()


class DesktopSocket:
    """One WebSocket. What the Engine says is kept in ``told``, bytes are for ``stream``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []
        self.stream = Received(self._bytes, socket.send_bytes)
        self._early: list[bytes] = []

    async def next_word(self) -> dict[str, Any]:
        """What the Engine says next; bytes that come before are kept."""
        async with asyncio.timeout(SECONDS):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.told.append(json.loads(message.data))
                    return self.told[-1]
                assert message.type is aiohttp.WSMsgType.BINARY, f"{message.type.name}, after {self.told}"
                self._early.append(message.data)

    async def opened(self) -> dict[str, Any]:
        """Wait until it is open; gives what was told then."""
        while (said := await self.next_word())["event"] == "wait":
            pass
        assert said["event"] == "opened", said
        return said

    async def closed(self) -> dict[str, Any]:
        """Wait until it is over, whatever comes before; gives the Engine's last word."""
        async with asyncio.timeout(SECONDS):
            while not self.told or self.told[-1]["event"] != "closed":
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.told.append(json.loads(message.data))
                else:
                    assert message.type is aiohttp.WSMsgType.BINARY, f"{message.type.name}, after {self.told}"
        return self.told[-1]

    async def _bytes(self) -> bytes:
        if self._early:
            return self._early.pop(0)
        while (message := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
            self.told.append(json.loads(message.data))
        return message.data if message.type is aiohttp.WSMsgType.BINARY else b""


@contextlib.asynccontextmanager
async def desktop_socket(
    engine: EngineProgram, path: str, *, token: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[DesktopSocket]:
    """Knock at an address of the Engine's, as its owner or with a token of the operator's, or with these headers.

    Raises:
        aiohttp.WSServerHandshakeError: it was not let in.
    """
    given = headers if headers is not None else {"Authorization": f"Bearer {token or owner_token(engine)}"}
    tls = ssl.create_default_context(cafile=str(engine.ca_file))
    async with web_session(tls) as web, web.ws_connect(engine.url + path, headers=given, max_msg_size=0) as socket:
        yield DesktopSocket(socket)


def desktop_ticket(engine: EngineProgram, guid: str, *, token: str = "", **asked: Any) -> dict[str, Any]:
    """Ask for a connection; gives the Engine's answer, also where it is a no."""
    with engine.client() as client:
        headers = {"Authorization": f"Bearer {token or owner_token(engine)}"}
        answer = client.post("/api/desktop/session", json={"agent_id": guid, **asked}, headers=headers)
    return {"status": answer.status_code, **answer.json()}


@contextlib.asynccontextmanager
async def open_desktop(
    engine: EngineProgram, guid: str, *, token: str = "", **asked: Any
) -> AsyncIterator[DesktopSocket]:
    """Both steps; whether it opens is for the caller to see."""
    ticket = await asyncio.to_thread(desktop_ticket, engine, guid, token=token, **asked)
    assert ticket["status"] == 201, ticket
    async with desktop_socket(engine, f"{ticket['path']}?token={ticket['token']}", token=token) as socket:
        yield socket
