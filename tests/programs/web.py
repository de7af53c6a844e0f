"""A client for the tests whose connections are closed, and not only about to be, when it is left."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

CLOSED_SECONDS = 15.0


@contextlib.asynccontextmanager
async def web_session(tls: ssl.SSLContext, **connector: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A client session, with further arguments of ``aiohttp.TCPConnector``.

    A socket that spoke WebSocket is let go of by aiohttp before TLS has said good-bye to it: a loop that ends at once
    would leave it open, for the collector to complain about in whatever test runs then.
    """
    opened: list[socket.socket] = []

    def open_socket(address: Any) -> socket.socket:
        family, kind, protocol = address[:3]
        opened.append(socket.socket(family, kind, protocol))
        return opened[-1]

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls, socket_factory=open_socket, **connector)
    ) as session:
        yield session
    async with asyncio.timeout(CLOSED_SECONDS):
        while any(one.fileno() >= 0 for one in opened):
            await asyncio.sleep(0.01)
