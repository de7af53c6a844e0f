"""Turning away who is not let in: with a reason in Socket.IO where that is deserved, by plain HTTP otherwise."""

import asyncio
import contextlib
import json
from typing import Any, Final

from borealis_engine.core.errors import EngineError
from borealis_engine.gateway.connection import POLICY_VIOLATION, Receive, Send
from borealis_engine.gateway.frames import refusal_frames

MAX_CONVERSATIONS: Final = 32
"""Refusals spoken at the same time. Each may hold one frame of a stranger in memory; more get HTTP."""
LINGER_SECONDS: Final = 2.0
MAX_READ: Final = 8


class Refusals:
    """Says no, within bounds."""

    def __init__(self) -> None:
        self._speaking = 0

    async def refuse(self, scope: Any, receive: Receive, send: Send, error: EngineError) -> None:
        """Let a client hear Socket.IO's CONNECT_ERROR with the code of ``error``, and hang up."""
        if self._speaking >= MAX_CONVERSATIONS:
            await self.reject(scope, send, error.status, error.code, error.detail)
            return
        self._speaking += 1
        try:
            with contextlib.suppress(Exception):  # the client may be gone at any point of this
                async with asyncio.timeout(LINGER_SECONDS):
                    await send({"type": "websocket.accept"})
                    for frame in refusal_frames(error.code, error.detail):
                        await send({"type": "websocket.send", "text": frame})
                    for _ in range(MAX_READ):  # time for the client to hear us before the line is cut
                        if (await receive())["type"] == "websocket.disconnect":
                            return
            with contextlib.suppress(Exception):
                async with asyncio.timeout(LINGER_SECONDS):
                    await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": error.code})
        finally:
            self._speaking -= 1

    async def reject(self, scope: Any, send: Send, status: int, code: str, detail: str) -> None:
        """Refuse the upgrade itself."""
        with contextlib.suppress(Exception):
            if "websocket.http.response" in scope.get("extensions", {}):
                await answer_http(send, status, code, detail, kind="websocket.http.response")
            else:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": code})


async def answer_http(send: Send, status: int, code: str, detail: str, *, kind: str = "http.response") -> None:
    """An error as the REST door gives it."""
    body = json.dumps({"error": code, "detail": detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
