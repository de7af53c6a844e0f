"""How often a live view looks, and when it says something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.capabilities.screen.pace import ALIVE_SECONDS, IDLE_AFTER, IDLE_INTERVAL, Pace


def test_it_keeps_its_rate_while_things_move() -> None:
    pace = Pace(10.0)
    assert pace.looked(changed=True, now=100.0, took=0.02) == pytest.approx(0.08)


def test_it_looks_less_often_at_a_screen_that_rests_and_at_once_again_when_it_moves() -> None:
    pace = Pace(25.0)
    pace.looked(changed=True, now=100.0, took=0.0)
    assert pace.looked(changed=False, now=100.5, took=0.0) == pytest.approx(0.04)
    assert pace.looked(changed=False, now=100.1 + IDLE_AFTER, took=0.0) == IDLE_INTERVAL
    assert pace.looked(changed=True, now=102.0, took=0.0) == pytest.approx(0.04)


def test_a_slow_rate_is_not_hurried_by_resting() -> None:
    assert Pace(0.5).looked(changed=False, now=100.0, took=0.0) == 2.0


@given(st.floats(0.1, 30), st.floats(0, 100), st.booleans())
def test_it_rests_and_never_takes_a_whole_core(rate: float, took: float, changed: bool) -> None:
    rest = Pace(rate).looked(changed=changed, now=1000.0, took=took)
    assert 0 <= rest <= 10
    assert rest >= min(took, 1.0) or rest + took >= 1 / rate


def test_what_changed_is_told_at_once_and_that_nothing_did_now_and_then() -> None:
    pace = Pace(10.0)
    assert pace.should_tell(changed=True, now=100.0)
    assert not pace.should_tell(changed=False, now=100.0 + ALIVE_SECONDS / 2)
    assert pace.should_tell(changed=False, now=100.0 + ALIVE_SECONDS)
    assert not pace.should_tell(changed=False, now=100.1 + ALIVE_SECONDS)
