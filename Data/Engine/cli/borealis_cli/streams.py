"""The Engine's streams: where a ticket leads, and how a WebSocket to there is made, whether it blocks or not."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import Unreachable
from borealis_cli.trust import pinned_context

CONNECT_SECONDS: Final = 10.0


def address_of(client: EngineClient, ticket: dict[str, Any]) -> str:
    """Where a ticket is good, once."""
    return f"wss://{urlsplit(client.target.url).netloc}{ticket['path']}?token={segment(str(ticket['token']))}"


def options_of(client: EngineClient) -> dict[str, Any]:
    """What both kinds of ``websockets``' ``connect`` are given: the Engine and nobody else, as the operator."""
    return {
        "ssl": pinned_context(client.target.ca_pem),
        "additional_headers": {"Authorization": f"Bearer {client.target.token}"},
        "compression": None,
        "proxy": None,
        "open_timeout": CONNECT_SECONDS,
        "close_timeout": 1.0,
        "max_size": None,
    }


@contextlib.contextmanager
def explained(client: EngineClient) -> Iterator[None]:
    """What goes wrong while one connects, as ``Unreachable``."""
    from websockets.exceptions import WebSocketException

    try:
        yield
    except (OSError, TimeoutError, WebSocketException) as error:
        raise Unreachable(f"The Engine at {client.target.url} opens no stream ({error}).") from error
