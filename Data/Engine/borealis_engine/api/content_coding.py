"""Which content coding a caller gets, and long JSON answers in it. May be called by ``api`` alone.

Compression and secrets: the length of a compressed answer tells something of what is in it, to whoever can see that
length and put words of their own into the same answer (BREACH). So nothing is compressed but what a route names with
``LONG_ANSWER``, and no route does that whose answer holds a secret: neither ``/api/auth/*`` with the value against
cross-site requests, nor tokens, enrolment codes, variables or output of scripts. The session is in no body at all, and
its cookie is ``SameSite=Strict``: a stranger's page cannot make the reader's browser ask for any of these.
"""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar.datastructures import Headers
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

GZIP: Final = "gzip"
BROTLI: Final = "br"
LONG_ANSWER: Final[Mapping[str, Any]] = {"long_answer": True}
"""For the ``opt`` of a route whose answer may be long and holds no secret."""
SHORT: Final = 4096
"""Bytes below which compressing costs more than it spares."""
_LEVEL: Final = 1
"""Of zlib: the next ones take a fifth to a whole longer and spare 2 to 12 percent."""
_WHOLE_GZIP: Final = 31
"""zlib's window bits for a stream with gzip's header."""
_HEADER: Final = "accept-encoding"
_VARY: Final = (b"vary", b"Accept-Encoding")


def accepted(headers: Headers) -> str:
    """What the caller says of content codings, all its headers together."""
    return ",".join(headers.getall(_HEADER, []))


def choose_coding(said: str, offered: Sequence[str]) -> str | None:
    """The coding to answer in.

    Args:
        said: the caller's ``Accept-Encoding``.
        offered: codings that there are, the best first.

    Returns:
        The one that the caller likes best, of equals the first; None for the content as it is, which is also what
        callers get who accept nothing that there is.
    """
    weights = _weights(said)
    others = weights.get("*", 0.0)
    best, highest = None, 0.0
    for coding in offered:
        weight = weights.get(coding, others)
        if weight > highest:
            best, highest = coding, weight
    # As it is comes before what the caller likes less.
    return None if weights.get("identity", 0.0) > highest else best


def _weights(said: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in said.split(","):
        coding, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if coding:
            name = GZIP if coding == "x-gzip" else coding
            weights[name] = _weight(parameters)
    return weights


def _weight(parameters: Sequence[str]) -> float:
    """``q`` of a coding; 1 where it is absent, 0 where it is no number from 0 to 1."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0.0 <= weight <= 1.0 else 0.0
    return 1.0


class LongAnswers:
    """ASGI middleware, inside routing: sends answers of ``LONG_ANSWER`` routes in gzip to who accepts that."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the handler answer, and compress what it said if it is long."""
        # The doorkeeper, outside this, lets nothing but HTTP in.
        if scope["route_handler"].opt.get("long_answer") is not True:
            await self.app(scope, receive, send)
            return
        coding = choose_coding(accepted(Headers.from_scope(scope)), (GZIP,))
        start: HTTPResponseStartEvent | None = None

        async def pack(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None and message["type"] == "http.response.body":
                body = message["body"]
                headers = [*start["headers"], _VARY]
                if coding is not None and len(body) >= SHORT and not message["more_body"]:
                    # In another thread: zlib works without the interpreter's lock, and other callers are not held up.
                    body = await asyncio.to_thread(compress, body)
                    headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
                    headers += [(b"content-encoding", coding.encode()), (b"content-length", str(len(body)).encode())]
                start["headers"] = headers
                await send(start)
                start = None
                await send({"type": "http.response.body", "body": body, "more_body": message["more_body"]})
                return
            await send(message)

        await self.app(scope, receive, pack)


def compress(content: bytes) -> bytes:
    """``content`` in gzip, quickly rather than small."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WHOLE_GZIP)
    return packer.compress(content) + packer.flush()
