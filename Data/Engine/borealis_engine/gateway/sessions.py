"""Live sessions of devices: one for each device, context and user, the newest; bookkeeping without I/O."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from borealis_engine.gateway.admission import DeviceIdentity
from borealis_engine.gateway.budget import TokenBucket
from borealis_engine.gateway.connection import Connection
from borealis_wire.events import RunContext

EVENTS_A_SECOND: Final = 200.0
EVENTS_BURST: Final = 600.0
MAX_SESSIONS: Final = 64
"""Of one device: SYSTEM's, and one for each signed-in user."""
Key = tuple[RunContext, str]


@dataclass(slots=True, eq=False)
class DeviceSession:
    """One socket of a device.

    ``address`` is what Socket.IO's transport knows it by, once it has connected; ``registered`` is set when the
    device has said which runs it has, and only then it is given work. ``statements_told`` counts the statements
    about signing keys that went down this socket.
    """

    identity: DeviceIdentity
    connection: Connection
    address: str = ""
    registered: bool = False
    statements_told: int = 0
    dropped: int = 0
    events: TokenBucket = field(default_factory=lambda: TokenBucket(EVENTS_A_SECOND, EVENTS_BURST))
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _acks: dict[int, "asyncio.Future[Any]"] = field(default_factory=dict)
    _next_ack: int = 1

    @property
    def key(self) -> tuple[str, RunContext, str]:
        """Device, context and user."""
        return self.identity.guid, self.identity.context, self.identity.user

    @property
    def usable(self) -> bool:
        """Whether something can be sent."""
        return bool(self.address) and not self.connection.closed

    def expect_ack(self) -> tuple[int, "asyncio.Future[Any]"]:
        """A number for an event that wants an acknowledgement, and the future that it will complete."""
        number = self._next_ack
        self._next_ack += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._acks[number] = future
        return number, future

    def acknowledged(self, number: int, data: Any) -> None:
        """The device acknowledged; numbers that nobody waits for are ignored."""
        future = self._acks.pop(number, None)
        if future is not None and not future.done():
            future.set_result(data)

    def forget_ack(self, number: int) -> None:
        """Nobody waits for it any more."""
        self._acks.pop(number, None)

    def gone(self) -> None:
        """The socket is gone: who waits for an acknowledgement gets None."""
        for future in self._acks.values():
            if not future.done():
                future.set_result(None)
        self._acks.clear()


class DeviceSessions:
    """The sessions that count."""

    def __init__(self) -> None:
        self._by_guid: dict[str, dict[Key, DeviceSession]] = {}
        self._count = 0
        self.replaced = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[DeviceSession]:
        return iter([session for sessions in self._by_guid.values() for session in sessions.values()])

    def get(self, guid: str, context: RunContext, user: str = "") -> DeviceSession | None:
        """The session of a device, context and user."""
        return self._by_guid.get(guid, {}).get((context, user))

    def of_device(self, guid: str) -> list[DeviceSession]:
        """All sessions of a device, in either context."""
        return list(self._by_guid.get(guid, {}).values())

    def is_full(self, session: DeviceSession) -> bool:
        """Whether the device has so many sessions that this one, of a further user, has no place."""
        sessions = self._by_guid.get(session.identity.guid, {})
        return len(sessions) >= MAX_SESSIONS and session.key[1:] not in sessions

    def open(self, session: DeviceSession) -> DeviceSession | None:
        """Let a session count; gives the older one whose place it took."""
        sessions = self._by_guid.setdefault(session.identity.guid, {})
        older = sessions.get(session.key[1:])
        sessions[session.key[1:]] = session
        if older is None:
            self._count += 1
        else:
            self.replaced += 1
        return older

    def close(self, session: DeviceSession) -> bool:
        """A session ended; True where it was the one that counted, and none took its place."""
        session.gone()
        sessions = self._by_guid.get(session.identity.guid, {})
        if sessions.get(session.key[1:]) is not session:
            return False
        del sessions[session.key[1:]]
        self._count -= 1
        if not sessions:
            del self._by_guid[session.identity.guid]
        return True


def choose_user(users: Iterable[str], active: str) -> str | None:
    """Whose agent does what any signed-in user's may do: who sits at the machine, else the first by name.

    Args:
        users: whose agents are there; an empty name is an agent that names nobody.
        active: who sits at the machine's own screen; empty where that is not known.

    Returns:
        None where nobody is there.
    """
    return min(users, key=lambda user: (user != active or not user, not user, user), default=None)
