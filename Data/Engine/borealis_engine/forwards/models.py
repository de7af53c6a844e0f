"""What is asked of a forward, and what is told of one."""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Begin:
    """A ticket for a forward itself. ``host`` and ``port``: the target, as the device understands it."""

    guid: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Connect:
    """A ticket for one connection of a forward that is open."""

    session_id: str


class OpenForward(msgspec.Struct, frozen=True):
    """A forward that is open. ``connections``: now; ``opened``: since it began; ``sent``: bytes to the target.

    ``since``: Unix seconds.
    """

    session_id: str
    guid: str
    hostname: str
    username: str
    host: str
    port: int
    since: float
    connections: int
    opened: int
    sent: int
    received: int
