"""One POST over pinned TLS, and what came back: nothing about tokens.

Owns: the aiohttp session and its connector, made anew when the pinned CA changes. Redirects are not followed, proxies
of the environment are not used, bodies are bounded: a bearer token goes to the pinned Engine and nowhere else.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from aiohttp.payload import Payload

from borealis_agent.core.certificates import find_pinned
from borealis_agent.core.errors import ReenrolRequired, Retryable
from borealis_agent.http.answer import MAX_ANSWER_BYTES, Answer, read_answer
from borealis_agent.http.errors import EngineNotTrusted
from borealis_agent.http.ports import TrustPort
from borealis_agent.http.tls import fetch_chain, fingerprints, pinned_context
from borealis_wire.events import HEADER_CONTEXT, USER_AGENT

DEFAULT_TIMEOUT: Final = 30.0

log = logging.getLogger(__name__)


class EngineTransport:
    """Connections to the pinned Engine.

    Args:
        url: gives the Engine's address now, without trailing slash.
        trust: the pinned CA.
        context_label: ``SYSTEM`` or ``CURRENTUSER``.
    """

    def __init__(self, *, url: Callable[[], str], trust: TrustPort, context_label: str) -> None:
        self._url = url
        self._trust = trust
        self._context_label = context_label
        self._pinned_pem = ""
        self._connector: aiohttp.TCPConnector | None = None
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.TCPConnector] = []

    @property
    def base_url(self) -> str:
        """The Engine's address now."""
        return self._url()

    def headers(self) -> dict[str, str]:
        """What every request and the socket's connect carry."""
        return {HEADER_CONTEXT: self._context_label, "User-Agent": USER_AGENT}

    def session(self) -> aiohttp.ClientSession:
        """The session whose connector trusts the pinned CA alone.

        Raises:
            ReenrolRequired: nothing is pinned yet.
        """
        if self._session is None or self._session.closed or self._pinned_pem != self._trust.ca_pem:
            self._drop()
            self._session = self._new_session(self._pinned_connector())
        return self._session

    def new_session(self) -> aiohttp.ClientSession:
        """Another session on the same pinned connector, for a caller that keeps it as long as one connection.

        Raises:
            ReenrolRequired: nothing is pinned yet.
        """
        self.session()
        return self._new_session(self._pinned_connector())

    async def post(
        self, path: str, payload: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, timeout: float
    ) -> Answer:
        """POST a JSON object once.

        Raises:
            Retryable: not reachable, no answer in ``timeout`` seconds, or one that is too large.
            EngineNotTrusted: the other end is not the pinned Engine; nothing was sent.
            ReenrolRequired: nothing is pinned yet.
        """
        body = _encode(payload)
        return await self._post(path, lambda: body, headers or {}, timeout)

    async def post_bound(self, path: str, make: Callable[[bytes], Mapping[str, Any]], *, timeout: float) -> Answer:
        """POST a JSON object that depends on the connection it goes over.

        Args:
            path: below the Engine's address.
            make: gives the object for the DER of the leaf certificate that this very connection showed. Every leaf must
                give an object of the same encoded size.
            timeout: seconds.

        Raises:
            AgentError: as :meth:`post`.
        """
        return await self._post(path, lambda: _BoundPayload(make), {}, timeout)

    async def _post(
        self, path: str, body: Callable[[], bytes | Payload], headers: Mapping[str, str], timeout: float
    ) -> Answer:
        await self._close_retired()
        try:
            return await self._post_once(path, body(), headers, timeout)
        except aiohttp.ClientConnectorCertificateError as error:
            # A renewed certificate of the same CA key is taken up; anything else ends here.
            if not await self._renewed_ca(error):
                raise await self._not_trusted(error) from error
        try:
            return await self._post_once(path, body(), headers, timeout)
        except aiohttp.ClientConnectorCertificateError as error:
            raise await self._not_trusted(error) from error

    async def fetch(
        self, path: str, take: Callable[[bytes], None], *, headers: Mapping[str, str], most: int, timeout: float
    ) -> Answer | None:
        """GET bytes once, and hand them on piece by piece; gives the Engine's answer where that is no 200.

        Args:
            path: below the Engine's address.
            take: gets each piece.
            headers: further ones.
            most: more bytes than that are not taken.
            timeout: seconds without a byte.

        Raises:
            Retryable: not reachable, cut off, or more than ``most``.
            EngineNotTrusted: the other end is not the pinned Engine; nothing was sent.
            ReenrolRequired: nothing is pinned yet.
        """
        await self._close_retired()
        seen = 0
        try:
            async with self.session().get(
                self.base_url + path,
                headers={**self.headers(), **headers},
                timeout=aiohttp.ClientTimeout(sock_connect=timeout, sock_read=timeout),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    return read_answer(response.status, await _bounded(response), response.headers)
                async for piece in response.content.iter_chunked(64 * 1024):
                    seen += len(piece)
                    if seen > most:
                        response.close()
                        raise Retryable(f"the Engine sends more than {most} bytes")
                    take(piece)
        except aiohttp.ClientConnectorCertificateError as error:
            raise await self._not_trusted(error) from error
        except TimeoutError as error:
            raise Retryable(f"the Engine at {self.base_url} sent nothing for {timeout:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Retryable(f"the line to {self.base_url} broke ({str(error) or type(error).__name__})") from error
        return None

    async def close(self) -> None:
        """Hang up."""
        self._drop()
        await self._close_retired()

    async def _post_once(self, path: str, body: bytes | Payload, headers: Mapping[str, str], timeout: float) -> Answer:
        try:
            async with self.session().post(
                self.base_url + path,
                data=body,
                headers={**self.headers(), "Content-Type": "application/json", **headers},
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as response:
                return read_answer(response.status, await _bounded(response), response.headers)
        except aiohttp.ClientConnectorCertificateError:
            raise
        except TimeoutError as error:
            raise Retryable(f"the Engine at {self.base_url} did not answer within {timeout:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Retryable(
                f"the Engine at {self.base_url} cannot be reached ({str(error) or type(error).__name__})"
            ) from error

    async def _renewed_ca(self, error: Exception) -> bool:
        chain = await self._chain_now()
        found = find_pinned(chain, self._trust.ca_pin)
        if found is None or found.pem == self._trust.ca_pem:
            return False
        log.debug("-- TLS: %s; the chain has another certificate of the pinned key", error)
        self._trust.replace_ca_certificate(found.pem)
        return True

    async def _not_trusted(self, error: aiohttp.ClientConnectorCertificateError) -> EngineNotTrusted:
        chain = await self._chain_now()
        pin, reason = self._trust.ca_pin, _reason(error)
        if find_pinned(chain, pin) is not None:
            return EngineNotTrusted(
                f"the Engine at {self.base_url} shows a certificate of the pinned CA {pin} that cannot be accepted: "
                f"{reason}. Nothing was sent",
                advice="Check this machine's clock, and that the address is one that the Engine's certificate names "
                "(BOREALIS_PUBLIC_URL on the Engine). If both are right, somebody may sit in between.",
            )
        return EngineNotTrusted(
            f"refused: {self.base_url} is not the Engine that this device is pinned to. Pinned CA {pin}; seen "
            f"{', '.join(fingerprints(chain)) or 'no certificate'}. Nothing was sent, and the stored tokens are kept "
            "for the pinned Engine alone",
            advice="If the Engine got a new CA, give this agent a fresh enrolment token (borealis codes create). "
            "If not, somebody may be in between.",
        )

    async def _chain_now(self) -> list[bytes]:
        parts = urlsplit(self.base_url)
        try:
            return await fetch_chain(parts.hostname or "", parts.port or 443)
        except (TimeoutError, OSError):
            return []

    def _pinned_connector(self) -> aiohttp.TCPConnector:
        if not self._trust.ca_pin or not self._trust.ca_pem:
            raise ReenrolRequired("this device has no pinned Engine yet")
        if self._connector is None or self._connector.closed:
            context = pinned_context(self._trust.ca_pem, self._trust.ca_pin)
            self._pinned_pem = self._trust.ca_pem
            self._connector = aiohttp.TCPConnector(ssl=context, limit=8, keepalive_timeout=75)
        return self._connector

    def _new_session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    def _drop(self) -> None:
        # The pinned CA changed: connections made under the old one must not be used again.
        if self._session is not None:
            self._session.detach()
        if self._connector is not None:
            self._retired.append(self._connector)
        self._session = self._connector = None

    async def _close_retired(self) -> None:
        while self._retired:
            await self._retired.pop().close()


class _BoundPayload(Payload):
    """A body that is made when its connection is known: after the handshake, before its first byte."""

    def __init__(self, make: Callable[[bytes], Mapping[str, Any]]) -> None:
        super().__init__(None, content_type="application/json")
        self._make = make
        self._size = len(_encode(make(b"")))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not offered: there is no body without a connection."""
        raise TypeError("the body is made for its connection")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body for the leaf that this connection showed.

        Raises:
            OSError: the connection is gone.
        """
        transport = writer.transport if isinstance(writer, StreamWriter) else None
        connection = transport.get_extra_info("ssl_object") if transport is not None else None
        leaf = connection.getpeercert(True) if connection is not None else None
        if not leaf:
            raise OSError("the connection is gone")
        body = _encode(self._make(leaf))
        assert len(body) == self._size
        await writer.write(body)


def _encode(payload: Mapping[str, Any]) -> bytes:
    try:
        # Passes JSON text on that a role has already (``msgspec.Raw``): a large inventory never becomes objects here.
        return msgspec.json.encode(payload)
    except (TypeError, ValueError):
        return json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for chunk in response.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            response.close()
            raise Retryable(f"the Engine's answer exceeds {MAX_ANSWER_BYTES} bytes", retry_after=60)
        parts.append(chunk)
    return b"".join(parts)


def _reason(error: aiohttp.ClientConnectorCertificateError) -> str:
    inner = error.certificate_error
    return str(getattr(inner, "verify_message", "") or inner)
