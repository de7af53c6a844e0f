"""Reading a WebSocket handshake; pure. Says who claims to knock, proves nothing.

Credentials are taken from headers only: what stands in a query string ends up in logs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from borealis_engine.core.callers import is_loopback, peer_address
from borealis_engine.core.errors import Forbidden
from borealis_wire.events import CONTEXT_HEADER_VALUES, HEADER_CONTEXT, RunContext

SOCKET_PATHS: Final = frozenset({"/socket.io", "/socket.io/"})
_BEARER: Final = "bearer "
_PROXY_HEADERS: Final = frozenset({"x-forwarded-for", "forwarded", "x-real-ip"})
_CONTEXTS: Final = {text.casefold(): context for context, text in CONTEXT_HEADER_VALUES.items()}


@dataclass(frozen=True, slots=True)
class Knock:
    """A handshake. ``direct``: from this machine and through no proxy. ``context`` is the header as it came."""

    peer: str
    direct: bool
    host: str
    bearer: str | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)
    origin: str | None = None
    fetch_site: str | None = None
    context: str | None = None


def read_knock(scope: Mapping[str, Any], trusted_proxies: Iterable[str], session_cookie: str) -> Knock:
    """Take what matters from an ASGI scope.

    A header that may be there once and is there twice counts as absent: nobody knows whose the other one is.
    """
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    client = scope.get("client")
    socket_peer = str(client[0]) if client else ""
    return Knock(
        peer=peer_address(socket_peer, ",".join(headers.get("x-forwarded-for", [])) or None, trusted_proxies),
        direct=is_loopback(socket_peer) and not _PROXY_HEADERS & headers.keys(),
        host=_single(headers, "host") or "",
        bearer=_bearer(_single(headers, "authorization")),
        session=_cookie(headers.get("cookie", []), session_cookie),
        origin=_joined(headers, "origin"),
        fetch_site=_joined(headers, "sec-fetch-site"),
        context=_joined(headers, HEADER_CONTEXT.lower()),
    )


def called_host(scope: Mapping[str, Any]) -> str:
    """The host that the client called, without its port; empty where it does not say."""
    found = [str(value, "latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
    if len(found) != 1:
        return ""
    host, colon, port = found[0].rpartition(":")
    return host if colon and port.isdigit() else found[0]


def check_context(header: str | None, of_token: RunContext) -> None:
    """Refuse a context header that contradicts the token; an absent one is no contradiction.

    Raises:
        Forbidden: ``context_mismatch``.
    """
    if header is not None and _CONTEXTS.get(header.strip().casefold()) != of_token:
        raise Forbidden("context_mismatch", f"The access token is for {of_token.value}, not for what the header says.")


def _single(headers: Mapping[str, list[str]], name: str) -> str | None:
    values = headers.get(name, [])
    return values[0] if len(values) == 1 else None


def _joined(headers: Mapping[str, list[str]], name: str) -> str | None:
    return ",".join(headers[name]) if name in headers else None


def _bearer(value: str | None) -> str | None:
    if value is None or value[: len(_BEARER)].lower() != _BEARER:
        return None
    return value[len(_BEARER) :].strip() or None


def _cookie(values: Iterable[str], wanted: str) -> str | None:
    found = [
        value.strip()
        for header in values
        for part in header.split(";")
        for name, _, value in [part.partition("=")]
        if name.strip() == wanted
    ]
    return found[0] if len(found) == 1 and found[0] else None
