"""Tickets: good once, for a while, and not for ever many."""

from dataclasses import replace

import pytest
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.core.errors import NotFound, RateLimited
from borealis_engine.lines import Tickets
from borealis_engine.operators.permissions import OperatorRole, Principal

OLGA = Principal(7, "olga", OperatorRole.OPERATOR)


def tickets(clock: FakeClock, most: int = 3) -> Tickets[str]:
    return Tickets(clock=clock, randomness=FakeRandomness(), seconds=120, most=most)


def test_a_ticket_gives_what_it_was_issued_for() -> None:
    clock = FakeClock()
    made = tickets(clock)
    token, until = made.issue(OLGA, "desktop of alpha")
    assert len(token) == 32
    assert until == clock.now() + 120
    clock.advance(119)
    assert made.take(OLGA, token) == "desktop of alpha"


def test_rejects_a_ticket_that_was_used_is_old_or_was_never_issued() -> None:
    clock = FakeClock()
    made = tickets(clock)
    used, old = made.issue(OLGA, "one")[0], made.issue(OLGA, "two")[0]
    made.take(OLGA, used)
    clock.advance(120)
    for token in (used, old, "", "0" * 32):
        with pytest.raises(NotFound) as no:
            made.take(OLGA, token)
        assert no.value.code == "invalid_session"


def test_rejects_more_tickets_than_anybody_needs_until_some_are_old() -> None:
    clock = FakeClock()
    made = tickets(clock)
    for number in range(3):
        made.issue(OLGA, str(number))
    with pytest.raises(RateLimited):
        made.issue(OLGA, "one more")
    clock.advance(120)
    made.issue(OLGA, "one more")
    assert len(made) == 1


def test_rejects_somebody_elses_ticket_which_is_good_for_nobody_then() -> None:
    made = tickets(FakeClock())
    mine, other = made.issue(OLGA, "mine")[0], made.issue(OLGA, "other")[0]
    for who in (replace(OLGA, username="otto"), replace(OLGA, operator_id=8)):
        with pytest.raises(NotFound) as no:
            made.take(who, mine)
        assert no.value.code == "invalid_session"
    with pytest.raises(NotFound):
        made.take(OLGA, mine)
    assert made.take(OLGA, other) == "other"


def test_what_nobody_came_for_in_time_is_let_go_of() -> None:
    clock = FakeClock()
    made = tickets(clock)
    made.issue(OLGA, "a password")
    clock.advance(120)
    made.forget_old()
    assert len(made) == 0
