"""Delays grow, stay within bounds, and differ from one agent to the next."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_base.backoff import Backoff


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_delays_stay_within_bounds(seed: int, count: int) -> None:
    backoff = Backoff(first=1, longest=60, floor=0.2)
    rng = random.Random(seed)
    delays = [backoff.next_delay(rng) for _ in range(count)]
    assert all(0.2 <= delay <= max(0.2, min(60, 2**index)) for index, delay in enumerate(delays))
    backoff.reset()
    assert backoff.next_delay(rng) <= 1


@given(st.floats(0.001, 100), st.floats(0.001, 10_000), st.floats(0, 10), st.integers(0, 10**9), st.integers(0, 99))
def test_any_settings_give_a_finite_wait(first: float, longest: float, floor: float, attempts: int, seed: int) -> None:
    backoff = Backoff(first=first, longest=longest, floor=floor, attempts=attempts)
    assert floor <= backoff.next_delay(random.Random(seed)) <= max(floor, longest)


def test_a_fleet_that_lost_its_engine_at_one_moment_spreads() -> None:
    agents = [random.Random(seed) for seed in range(1000)]
    backoffs = [Backoff(first=1, longest=60) for _ in agents]
    for _ in range(7):
        delays = [backoff.next_delay(rng) for backoff, rng in zip(backoffs, agents, strict=True)]
    busiest = max(sum(second <= delay < second + 1 for delay in delays) for second in range(60))
    assert busiest < 50  # of 1000 in each second of a minute


@pytest.mark.parametrize(("attempts", "bound"), [(0, 1), (3, 8), (6, 60), (1000, 60)])
def test_the_bound_doubles_up_to_the_longest(attempts: int, bound: float) -> None:
    class Most(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    assert Backoff(first=1, longest=60, attempts=attempts).next_delay(Most()) == bound
