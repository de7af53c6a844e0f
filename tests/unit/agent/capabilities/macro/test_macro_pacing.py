"""When a macro types: every mode, triggers, rests, waits that vary, changes on the way."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.capabilities.macro.pacing import Cue, Pacing
from borealis_wire.macro import MacroSettings, MacroType, OperationMode

KEY = MacroSettings(macro_type=MacroType.KEYPRESS, key="a")


def pacing(mode: OperationMode, **members: Any) -> Pacing:
    return Pacing(replace(KEY, operation_mode=mode, **members))


def types(pace: Pacing, now: float, *, took: float = 0.0, chance: float = 0.0) -> None:
    assert pace.next(now) is Cue.TYPE
    pace.typed(now, chance)
    pace.finished(now + took)


def test_once_is_once() -> None:
    pace = pacing(OperationMode.RUN_ONCE)
    types(pace, 100.0)
    assert pace.next(100.0) is Cue.END


def test_continuous_waits_its_interval_from_the_end_of_one_to_the_next() -> None:
    pace = pacing(OperationMode.CONTINUOUS, interval_ms=2000)
    types(pace, 100.0, took=5.0)
    assert pace.next(105.5) == pytest.approx(1.5)
    types(pace, 107.0)


@given(st.floats(0, 1), st.integers(50, 10_000), st.integers(0, 10_000))
def test_a_random_wait_lies_within_its_bounds(chance: float, least: int, more: int) -> None:
    pace = pacing(OperationMode.CONTINUOUS, randomize_interval=True, random_min=least, random_max=least + more)
    types(pace, 0.0, chance=chance)
    wait = pace.next(0.0)
    assert isinstance(wait, float)
    assert least / 1000 <= wait <= (least + more) / 1000 + 1e-9


def test_each_wait_is_drawn_anew_and_none_is_where_nobody_asked_for_it() -> None:
    pace = pacing(OperationMode.CONTINUOUS, randomize_interval=True, random_min=100, random_max=200)
    types(pace, 0.0, chance=0.25)
    assert pace.next(0.0) == pytest.approx(0.125)
    types(pace, 1.0, chance=0.75)
    assert pace.next(1.0) == pytest.approx(0.175)
    pace.change(replace(pace.settings, randomize_interval=False))
    assert pace.next(1.0) == pytest.approx(1.0)


def test_a_changed_interval_counts_for_the_wait_under_way() -> None:
    pace = pacing(OperationMode.CONTINUOUS, interval_ms=3_600_000)
    types(pace, 100.0)
    pace.change(replace(pace.settings, interval_ms=500))
    assert pace.next(100.1) == pytest.approx(0.4)
    assert pace.next(101.0) is Cue.TYPE


def test_it_waits_for_its_trigger_and_types_while_it_is_held() -> None:
    pace = pacing(OperationMode.TRIGGER_CONTINUOUS)
    assert pace.next(0.0) is Cue.REST
    pace.change(replace(pace.settings, trigger=1))
    types(pace, 1.0)
    assert pace.next(1.5) == pytest.approx(0.5)
    pace.change(replace(pace.settings, trigger=0))
    assert pace.next(5.0) is Cue.REST
    pace.change(replace(pace.settings, trigger=1))
    types(pace, 5.0)  # at once, whenever it last typed


def test_a_trigger_for_once_falls_back_and_one_that_comes_meanwhile_is_not_lost() -> None:
    pace = pacing(OperationMode.TRIGGER_ONCE, trigger=1)
    types(pace, 0.0)
    assert (pace.settings.trigger, pace.next(0.0)) == (0, Cue.REST)
    pace.change(replace(pace.settings, trigger=1))
    pace.typed(1.0, 0.0)
    pace.change(replace(pace.settings, trigger=1))  # while it types
    pace.finished(2.0)
    types(pace, 2.0)
    assert pace.next(2.0) is Cue.REST


@pytest.mark.parametrize("mode", OperationMode)
def test_what_is_not_active_rests_and_begins_at_once_when_it_is(mode: OperationMode) -> None:
    pace = pacing(mode, active=False, trigger=1)
    assert pace.next(0.0) is Cue.REST
    pace.change(replace(pace.settings, active=True))
    types(pace, 0.0)


def test_another_mode_begins_anew() -> None:
    pace = pacing(OperationMode.CONTINUOUS)
    types(pace, 0.0)
    pace.change(replace(pace.settings, operation_mode=OperationMode.RUN_ONCE))
    types(pace, 0.1)
    assert pace.next(0.1) is Cue.END


def test_a_change_while_it_types_does_not_make_it_wait() -> None:
    pace = pacing(OperationMode.CONTINUOUS, active=True)
    assert pace.next(0.0) is Cue.TYPE
    pace.typed(0.0, 0.0)
    pace.change(replace(pace.settings, active=False))
    pace.change(replace(pace.settings, active=True))
    pace.finished(1.0)
    assert pace.next(1.0) is Cue.TYPE
