"""Who is at the other end of the broker's socket, by the kernel's word, and how much each of them may ask for.

Every account is counted by itself: what one user does, however much, takes nothing from another.
"""

import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from borealis_wire.accounts import is_account_name

FIRST_USER_UID: Final = 1000
NOBODY_UIDS: Final = frozenset({65534, 65535})
MAX_CONNECTIONS_EACH: Final = 4
MAX_CONNECTIONS: Final = 256
REQUESTS_A_MINUTE: Final = 600
RENEWALS_A_MINUTE: Final = 2
"""Each costs a refresh at the Engine, of which a device has twelve a minute for all of its agents."""
RENEWALS_OF_ALL_A_MINUTE: Final = 6
"""What is left is SYSTEM's own."""
WINDOW_SECONDS: Final = 60.0
STRANGERS: Final = -2
"""All accounts that nobody signs in with, as one: a user may have thousands of them (subuid(5))."""
MAX_REMEMBERED: Final = 1024
_NO_SHELLS: Final = frozenset({"nologin", "false", "sync", "halt", "shutdown", ""})


def peer_uid(connection: socket.socket) -> int:
    """Who is at the other end, by the kernel's word; -1 where it does not say."""
    if sys.platform != "linux":
        return -1
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def person_of(uid: int) -> str | None:
    """The account's name, if it is one that somebody signs in to: not root, no service, with a shell; else None.

    The name has to lead back to the number: of two accounts with one name, only the one that the system means by it
    may go by it.
    """
    if uid < FIRST_USER_UID or uid in NOBODY_UIDS or sys.platform == "win32":
        return None
    import pwd

    try:
        account = pwd.getpwuid(uid)
        stands_for = pwd.getpwnam(account.pw_name).pw_uid
    except KeyError:
        return None
    if stands_for != uid or Path(account.pw_shell).name in _NO_SHELLS or not is_account_name(account.pw_name):
        return None
    return account.pw_name


@dataclass(slots=True)
class _Counts:
    """What one account did of late. Seconds are monotonic."""

    connections: int = 0
    since: float = 0.0
    requests: int = 0
    renewals: int = 0
    spoken_of: float = -WINDOW_SECONDS


@dataclass(slots=True)
class Callers:
    """Counts connections and requests by account. Pure; ``now`` is a monotonic second."""

    _by_uid: dict[int, _Counts] = field(default_factory=dict)
    _all: _Counts = field(default_factory=_Counts)

    def enter(self, uid: int, now: float) -> bool:
        """A connection more; False where that is too many."""
        counts = self._counts(uid, now)
        if counts.connections >= MAX_CONNECTIONS_EACH or self.connections >= MAX_CONNECTIONS:
            return False
        counts.connections += 1
        return True

    def leave(self, uid: int) -> bool:
        """A connection less; True where it was the account's last."""
        counts = self._by_uid[uid]
        counts.connections -= 1
        return counts.connections == 0

    def forget(self, uid: int) -> None:
        """It entered and is no account of a person: nothing of it is kept."""
        if self.leave(uid):
            del self._by_uid[uid]

    def may_ask(self, uid: int, now: float) -> bool:
        """A request more; False where there were too many within a minute, over all connections of the account."""
        counts = self._counts(uid, now)
        counts.requests += 1
        return counts.requests <= REQUESTS_A_MINUTE

    def may_renew(self, uid: int, now: float) -> bool:
        """A renewal more; False where there were too many."""
        counts = self._counts(uid, now)
        _new_window(self._all, now)
        if counts.renewals >= RENEWALS_A_MINUTE or self._all.renewals >= RENEWALS_OF_ALL_A_MINUTE:
            return False
        counts.renewals += 1
        self._all.renewals += 1
        return True

    def worth_a_line(self, uid: int, now: float) -> bool:
        """Whether the log should hear of this account's trouble: once a minute, or a user could fill the disk."""
        counts = self._counts(uid, now)
        if now - counts.spoken_of < WINDOW_SECONDS:
            return False
        counts.spoken_of = now
        return True

    @property
    def connections(self) -> int:
        """All of them."""
        return sum(counts.connections for counts in self._by_uid.values())

    def _counts(self, uid: int, now: float) -> _Counts:
        counts = self._by_uid.get(uid)
        if counts is None:
            if len(self._by_uid) >= MAX_REMEMBERED:
                self._by_uid = {known: held for known, held in self._by_uid.items() if held.connections}
            counts = self._by_uid[uid] = _Counts(since=now)
        _new_window(counts, now)
        return counts


def _new_window(counts: _Counts, now: float) -> None:
    if now - counts.since > WINDOW_SECONDS:
        counts.since, counts.requests, counts.renewals = now, 0, 0
