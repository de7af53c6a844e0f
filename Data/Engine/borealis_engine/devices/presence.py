"""Who is there: live sessions, and when each device was heard of last. In memory, on the steady clock.

Owns nothing on disk. A device is online while it has a live session, and for 300 s after it was last heard of
(upstream-contract 8b); one that may not connect is offline whatever it does.
"""

from dataclasses import dataclass
from typing import Any, Final

from borealis_engine.devices.models import MAY_CONNECT, DeviceRecord
from borealis_wire.events import RunContext
from borealis_wire.limits import ONLINE_WINDOW_SECONDS

_ORDER: Final = (RunContext.SYSTEM, RunContext.INTERACTIVE)


@dataclass(frozen=True, slots=True)
class LiveSession:
    """One live Socket.IO connection. ``since`` in Unix seconds."""

    since: float
    address: str


class Presence:
    """Live sessions by device, run context and user."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[tuple[RunContext, str], LiveSession]] = {}

    def open(self, guid: str, context: RunContext, session: LiveSession, user: str = "") -> LiveSession | None:
        """Note a session; gives the live one that it replaces."""
        sessions = self._sessions.setdefault(guid, {})
        replaced = sessions.get((context, user))
        sessions[context, user] = session
        return replaced

    def close(self, guid: str, context: RunContext, user: str = "") -> bool:
        """Forget a session; False where there was none."""
        sessions = self._sessions.get(guid)
        if sessions is None or sessions.pop((context, user), None) is None:
            return False
        if not sessions:
            del self._sessions[guid]
        return True

    def is_connected(self, guid: str) -> bool:
        """Whether the device has a live session in any context."""
        return guid in self._sessions

    def connected_count(self) -> int:
        """How many devices have a live session."""
        return len(self._sessions)

    def is_online(self, record: DeviceRecord, now: float) -> bool:
        """Whether a device is there at steady second ``now``."""
        if record.status not in MAY_CONNECT:
            return False
        return record.guid in self._sessions or now - record.seen_at <= ONLINE_WINDOW_SECONDS

    def describe(self, record: DeviceRecord, now: float) -> dict[str, Any]:
        """``{"online", "contexts", "last_seen", "since", "users"}`` as REST shows it."""
        sessions = self._sessions.get(record.guid, {})
        since: dict[RunContext, float] = {}
        for (context, _), session in sessions.items():
            since[context] = min(since.get(context, session.since), session.since)
        return {
            "online": self.is_online(record, now),
            "contexts": [context.value for context in _ORDER if context in since],
            "last_seen": record.last_seen,
            "since": {context.value: since[context] for context in _ORDER if context in since},
            "users": [
                {"user": user, "since": session.since, "active": bool(user) and user == record.active_user}
                for (context, user), session in sorted(sessions.items(), key=lambda item: item[0][1])
                if context is RunContext.INTERACTIVE
            ],
        }
