"""The life of the line to the Engine as a state machine, pure: events in, actions out, no clock, no socket.

    OFFLINE ─token─▶ CONNECTING ─up─▶ GREETING ─hello─▶ ONLINE
       ▲                 │               │               │
       └──── WAITING ◀───┴── refused, lost, silent ──────┘

Waits are exponential with full jitter: a fleet that lost its Engine at one moment comes back spread out. A session
counts as a success, and resets the waits, only once it has lasted.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from borealis_base.backoff import Backoff

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0
RATE_LIMITED_WAIT: Final = 60.0
LASTING_SECONDS: Final = 30.0

_WORDS: Final[Mapping[str, str]] = {
    "device_revoked": "this device was revoked by an operator",
    "token_expired": "the access token has expired",
    "invalid_token": "the access token is not one of this Engine's",
    "invalid_claims": "the access token does not say who we are",
    "missing_authorization": "the access token did not arrive; a proxy may have removed it",
    "device_not_found": "the Engine does not know this device any more",
    "device_mismatch": "the access token is another device's",
    "fingerprint_mismatch": "the Engine has another key on record for this device",
    "token_version_mismatch": "the access token was withdrawn",
    "context_mismatch": "the access token is for the other run context",
    "rate_limited": "the Engine has had too many connects from here",
    "unavailable": "the Engine is starting, or its database is away",
    "agent_id_mismatch": "the Engine says that we claim to be another device",
}
_RENEW: Final = frozenset(
    {
        "device_revoked",
        "token_expired",
        "invalid_token",
        "invalid_claims",
        "device_not_found",
        "device_mismatch",
        "fingerprint_mismatch",
        "token_version_mismatch",
        "context_mismatch",
        "agent_id_mismatch",
    }
)
"""After these another token may help, and the token refresh tells the truth about why not."""


class State(StrEnum):
    """Where the line is."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    GREETING = "greeting"
    ONLINE = "online"
    WAITING = "waiting"
    STOPPED = "stopped"


# --- what happens


@dataclass(frozen=True, slots=True)
class Started:
    """The agent wants a line."""


@dataclass(frozen=True, slots=True)
class TokenReady:
    """There is a fresh access token."""


@dataclass(frozen=True, slots=True)
class TokenFailed:
    """There is none. ``sentence`` for the log; ``retry_after`` in seconds where somebody named a time."""

    sentence: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class SocketUp:
    """The socket is there."""


@dataclass(frozen=True, slots=True)
class SocketFailed:
    """No socket. ``code``: the Engine's reason, empty where it gave none; ``detail``: what is known of it."""

    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SocketDown:
    """The socket is gone. ``lasted`` in seconds since it came up."""

    reason: str
    lasted: float


@dataclass(frozen=True, slots=True)
class HelloAccepted:
    """The Engine knows which session this is. ``notice``: what it wants a person to know."""

    notice: str = ""


@dataclass(frozen=True, slots=True)
class HelloRefused:
    """It does not accept ``connect_agent``, or does not answer it (empty ``code``)."""

    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WaitOver:
    """The wait has ended."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The agent ends."""


Event = (
    Started
    | TokenReady
    | TokenFailed
    | SocketUp
    | SocketFailed
    | SocketDown
    | HelloAccepted
    | HelloRefused
    | WaitOver
    | Stopping
)


# --- what to do


@dataclass(frozen=True, slots=True)
class GetToken:
    """Get an access token; with ``renew`` another one than last time."""

    renew: bool = False


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """Connect."""


@dataclass(frozen=True, slots=True)
class SayHello:
    """Send ``connect_agent``."""


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Hang up."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the other rooms that the Engine hears us, or not any more."""

    online: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Say:
    """A line for the log."""

    sentence: str
    error: bool = False


Action = GetToken | OpenSocket | SayHello | CloseSocket | Announce | Wait | Say


@dataclass(slots=True)
class Session:
    """The machine. An event that does not fit its state changes nothing: it came too late."""

    rng: random.Random
    state: State = State.OFFLINE
    backoff: Backoff = field(default_factory=lambda: Backoff(first=FIRST_WAIT, longest=LONGEST_WAIT))
    _renew: bool = False
    _said: str = ""

    def handle(self, event: Event) -> list[Action]:
        """Take one event and give what to do, in order."""
        match (self.state, event):
            case (State.STOPPED, _):
                return []
            case (_, Stopping()):
                was, self.state = self.state, State.STOPPED
                hang_up: list[Action] = [CloseSocket()] if was in _SOCKET_STATES else []
                return [*hang_up, *([Announce(False)] if was is State.ONLINE else [])]
            case (State.OFFLINE, Started()) | (State.WAITING, WaitOver()):
                self.state = State.OFFLINE
                renew, self._renew = self._renew, False
                return [GetToken(renew)]
            case (State.OFFLINE, TokenReady()):
                self.state = State.CONNECTING
                return [OpenSocket()]
            case (State.OFFLINE, TokenFailed(sentence, retry_after)):
                return self._wait(sentence, at_least=retry_after)
            case (State.CONNECTING, SocketUp()):
                self.state = State.GREETING
                return [SayHello()]
            case (State.CONNECTING, SocketFailed(code, detail)):
                return self._refused("the Engine refused the socket", code, detail)
            case (State.GREETING, HelloAccepted(notice)):
                self.state, self._said = State.ONLINE, ""
                notices: list[Action] = [Say(notice, error=True)] if notice else []
                return [Say("connected to the Engine"), *notices, Announce(True)]
            case (State.GREETING, HelloRefused(code, detail)):
                return [CloseSocket(), *self._refused("the Engine did not accept connect_agent", code, detail)]
            case (State.GREETING | State.ONLINE, SocketDown(reason, lasted)):
                was = self.state
                if lasted >= LASTING_SECONDS:
                    self.backoff.reset()
                gone: list[Action] = [Announce(False)] if was is State.ONLINE else []
                return [CloseSocket(), *gone, *self._wait(f"the socket is gone ({reason})")]
        return []

    def _refused(self, what: str, code: str, detail: str) -> list[Action]:
        self._renew = self._renew or code in _RENEW
        if not code:
            return self._wait(f"no socket to the Engine: {detail or 'no answer'}")
        words = _WORDS.get(code, detail or "it gave no sentence")
        at_least = RATE_LIMITED_WAIT if code == "rate_limited" else None
        return self._wait(f"{what} ({code}): {words}", at_least=at_least)

    def _wait(self, sentence: str, *, at_least: float | None = None) -> list[Action]:
        self.state = State.WAITING
        seconds = self.backoff.next_delay(self.rng)
        if at_least is not None:
            seconds = max(seconds, at_least * self.rng.uniform(1.0, 1.2))
        # The same trouble again is not news; it is said once, until it changes or ends.
        say: list[Action] = []
        if sentence != self._said:
            self._said = sentence
            say = [Say(f"{sentence}. Trying again, next in {seconds:.0f} s", error=True)]
        return [*say, Wait(seconds)]


_SOCKET_STATES: Final = frozenset({State.CONNECTING, State.GREETING, State.ONLINE})
