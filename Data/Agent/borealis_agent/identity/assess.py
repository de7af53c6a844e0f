"""What to do at start, for every combination of what was found on disk (house G). Pure; one sentence for each row."""

from dataclasses import dataclass
from enum import StrEnum


class StartAction(StrEnum):
    """What comes first."""

    CONNECT = "connect"
    ATTEST = "attest"
    ENROL = "enrol"
    ENROL_SAME_KEY = "enrol_same_key"
    DISCARD_AND_ENROL = "discard_and_enrol"
    FATAL_KEY_LOST = "fatal_key_lost"
    REFUSE_PIN_LOST = "refuse_pin_lost"


class TokenState(StrEnum):
    """``fresh``: an access token for now. ``stale``: some token file, but none for now. ``missing``: no token file."""

    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Found:
    """What is on disk. ``offered``: an operator has just given a fresh enrolment token, which names whom to trust."""

    key: bool
    guid: bool
    tokens: TokenState
    pinned: bool
    offered: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """The decision and the sentence for the log."""

    action: StartAction
    sentence: str


def assess(found: Found) -> Start:
    """The table of house G."""
    match (found.key, found.guid, found.tokens, found.pinned, found.offered):
        case (False, True, _, _, _):
            return Start(
                StartAction.FATAL_KEY_LOST,
                "this device has a GUID but its key is gone: it must be enrolled again, by a person",
            )
        case (_, False, TokenState.FRESH | TokenState.STALE, _, _):
            return Start(StartAction.DISCARD_AND_ENROL, "tokens without a GUID belong to nobody: discarded, enrolling")
        case (False, False, TokenState.MISSING, _, _):
            return Start(StartAction.ENROL, "nothing is here yet: enrolling")
        case (True, False, TokenState.MISSING, _, _):
            return Start(StartAction.ENROL_SAME_KEY, "there is a device key but no GUID: enrolling with the same key")
        case (True, True, _, False, True):
            return Start(
                StartAction.ENROL_SAME_KEY,
                "the pinned Engine is gone, and a fresh enrolment token names it anew: enrolling with the same key",
            )
        case (True, True, TokenState.MISSING, False, False):
            return Start(
                StartAction.ENROL_SAME_KEY, "key and GUID, but no Engine is pinned: enrolling with the same key"
            )
        case (True, True, _, False, False):
            return Start(
                StartAction.REFUSE_PIN_LOST,
                "everything is here but the pinned Engine: somebody may have tampered with this device",
            )
        case (True, True, TokenState.FRESH, True, _):
            return Start(StartAction.CONNECT, "enrolled, with a fresh access token: connecting")
        case _:
            return Start(StartAction.ATTEST, "enrolled, without a fresh access token: asking the Engine for one")
