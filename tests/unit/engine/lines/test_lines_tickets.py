"""Tickets: good once, for a while, and not for ever many."""

import pytest
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.core.errors import NotFound, RateLimited
from borealis_engine.lines import Tickets


def tickets(clock: FakeClock, most: int = 3) -> Tickets[str]:
    return Tickets(clock=clock, randomness=FakeRandomness(), seconds=120, most=most)


def test_a_ticket_gives_what_it_was_issued_for() -> None:
    clock = FakeClock()
    made = tickets(clock)
    token, until = made.issue("desktop of alpha")
    assert len(token) == 32
    assert until == clock.now() + 120
    clock.advance(119)
    assert made.take(token) == "desktop of alpha"


def test_rejects_a_ticket_that_was_used_is_old_or_was_never_issued() -> None:
    clock = FakeClock()
    made = tickets(clock)
    used, old = made.issue("one")[0], made.issue("two")[0]
    made.take(used)
    clock.advance(120)
    for token in (used, old, "", "0" * 32):
        with pytest.raises(NotFound) as no:
            made.take(token)
        assert no.value.code == "invalid_session"


def test_rejects_more_tickets_than_anybody_needs_until_some_are_old() -> None:
    clock = FakeClock()
    made = tickets(clock)
    for number in range(3):
        made.issue(str(number))
    with pytest.raises(RateLimited):
        made.issue("one more")
    clock.advance(120)
    made.issue("one more")
    assert len(made) == 1


def test_rejects_a_ticket_that_was_taken_back() -> None:
    made = tickets(FakeClock())
    mine, theirs = made.issue("olga")[0], made.issue("otto")[0]
    made.drop(lambda what: what == "olga")
    with pytest.raises(NotFound):
        made.take(mine)
    assert made.take(theirs) == "otto"
