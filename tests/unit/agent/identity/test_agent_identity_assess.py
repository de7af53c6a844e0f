"""The table of house G, row by row, and that it has no hole."""

import itertools

import pytest

from borealis_agent.identity.assess import Found, StartAction, TokenState, assess

FRESH, STALE, MISSING = TokenState.FRESH, TokenState.STALE, TokenState.MISSING
K, G, P, T = True, True, True, True

TABLE = [
    # key    guid   tokens   pinned offered  action
    (False, False, MISSING, False, False, StartAction.ENROL),
    (False, False, MISSING, P, False, StartAction.ENROL),
    (False, False, MISSING, False, T, StartAction.ENROL),
    (K, False, MISSING, False, False, StartAction.ENROL_SAME_KEY),
    (K, False, MISSING, P, T, StartAction.ENROL_SAME_KEY),
    (K, G, FRESH, P, False, StartAction.CONNECT),
    (K, G, FRESH, P, T, StartAction.CONNECT),
    (K, G, STALE, P, False, StartAction.ATTEST),
    (K, G, MISSING, P, False, StartAction.ATTEST),
    (False, G, MISSING, P, False, StartAction.FATAL_KEY_LOST),
    (False, G, FRESH, P, T, StartAction.FATAL_KEY_LOST),
    (False, G, STALE, False, False, StartAction.FATAL_KEY_LOST),
    (K, False, FRESH, P, False, StartAction.DISCARD_AND_ENROL),
    (K, False, STALE, False, False, StartAction.DISCARD_AND_ENROL),
    (False, False, STALE, P, False, StartAction.DISCARD_AND_ENROL),
    (K, G, STALE, False, False, StartAction.REFUSE_PIN_LOST),
    (K, G, FRESH, False, False, StartAction.REFUSE_PIN_LOST),
    (K, G, STALE, False, T, StartAction.ENROL_SAME_KEY),
    (K, G, MISSING, False, False, StartAction.ENROL_SAME_KEY),
    (K, G, MISSING, False, T, StartAction.ENROL_SAME_KEY),
]


@pytest.mark.parametrize(("key", "guid", "tokens", "pinned", "offered", "action"), TABLE)
def test_row(key: bool, guid: bool, tokens: TokenState, pinned: bool, offered: bool, action: StartAction) -> None:
    start = assess(Found(key, guid, tokens, pinned, offered))
    assert start.action is action
    assert start.sentence


def test_every_combination_has_a_sentence_and_none_mints_a_second_identity() -> None:
    for key, guid, pinned, offered in itertools.product([False, True], repeat=4):
        for tokens in TokenState:
            start = assess(Found(key, guid, tokens, pinned, offered))
            assert start.sentence
            if guid and not key:
                assert start.action is StartAction.FATAL_KEY_LOST
            if start.action is StartAction.CONNECT:
                assert key
                assert guid
                assert pinned
                assert tokens is FRESH
