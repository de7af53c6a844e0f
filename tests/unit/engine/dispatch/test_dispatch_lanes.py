"""What is handed out when: bounds, leases, repeats."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.dispatch.lanes import (
    CANCEL_AGAIN_SECONDS,
    LEASE_SECONDS,
    MAX_IN_FLIGHT,
    Answer,
    Lane,
    about_another_message,
    read_answer,
    read_refusal,
    retry_after,
)
from borealis_wire.events import RefusalCode, RunContext


def lane(count: int = 1) -> Lane:
    made = Lane("GUID", RunContext.SYSTEM)
    for number in range(count):
        made.add(f"run-{number}")
    return made


def test_orders_leave_oldest_first_and_not_more_than_may_be_in_flight() -> None:
    made = lane(MAX_IN_FLIGHT + 3)
    assert made.take_due(0) == [f"run-{n}" for n in range(MAX_IN_FLIGHT)]
    assert made.take_due(0) == []
    made.answered("run-0", Answer.ACCEPTED, 1)
    assert made.take_due(1) == [f"run-{MAX_IN_FLIGHT}"]


def test_an_unanswered_order_is_offered_again_after_its_lease() -> None:
    made = lane()
    assert made.take_due(0) == ["run-0"]
    assert made.take_due(LEASE_SECONDS - 0.1) == []
    assert made.take_due(LEASE_SECONDS) == ["run-0"]


def test_an_accepted_order_is_never_offered_again() -> None:
    made = lane()
    made.take_due(0)
    made.answered("run-0", Answer.ACCEPTED, 0)
    assert made.take_due(1e9) == []


def test_a_busy_device_is_left_alone_for_a_while_and_longer_each_time() -> None:
    made = lane(2)
    made.take_due(0, limit=1)
    made.answered("run-0", Answer.BUSY, 0)
    assert made.take_due(retry_after(0) - 0.01) == []
    assert made.take_due(retry_after(0), limit=1) == ["run-0"]
    made.answered("run-0", Answer.BUSY, 10)
    assert made.take_due(10 + retry_after(1) - 0.01) == []


def test_the_end_of_a_run_makes_a_busy_device_free_at_once() -> None:
    made = lane(2)
    made.take_due(0, limit=1)
    made.answered("run-0", Answer.BUSY, 0)
    made.remove("run-0")
    assert made.take_due(0.0) == ["run-1"]


def test_a_new_session_voids_leases_but_believes_what_the_device_lists() -> None:
    made = lane(2)
    made.take_due(0)
    made.session_began({"run-0"})
    assert made.take_due(0) == ["run-1"]


def test_a_cancel_is_repeated_until_the_run_is_gone() -> None:
    made = lane()
    made.request_cancel("run-0")
    assert made.take_due(0) == [], "a run to be cancelled is not handed out"
    assert made.take_cancels(0) == ["run-0"]
    assert made.take_cancels(CANCEL_AGAIN_SECONDS - 0.1) == []
    assert made.take_cancels(CANCEL_AGAIN_SECONDS) == ["run-0"]
    made.remove("run-0")
    assert made.take_cancels(1e9) == []


@pytest.mark.parametrize("ack", [None, "accepted", [], {}, {"status": 1}, {"status": "maybe"}])
def test_an_answer_that_says_nothing_counts_as_none(ack: Any) -> None:
    assert read_answer(ack, sent_before=True) == (Answer.LOST, "")


def test_replayed_means_accepted_only_where_it_was_sent_before() -> None:
    assert read_refusal(RefusalCode.REPLAYED, sent_before=True)[0] is Answer.ACCEPTED
    assert read_refusal(RefusalCode.REPLAYED, sent_before=False) == (Answer.REFUSED, RefusalCode.REPLAYED)
    assert read_refusal(RefusalCode.BUSY, sent_before=False)[0] is Answer.BUSY


def test_rejects_forged_refusal_of_a_running_job() -> None:
    assert about_another_message(RefusalCode.BAD_SIGNATURE, accepted=True)
    assert not about_another_message(RefusalCode.INTERPRETER_MISSING, accepted=True)
    assert not about_another_message(RefusalCode.BAD_SIGNATURE, accepted=False)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["take", "accept", "lose", "busy", "refuse", "session", "remove"]), st.integers(0, 9)
        ),
        max_size=60,
    )
)
def test_whatever_happens_bounds_hold_and_held_runs_stay_held(steps: list[tuple[str, int]]) -> None:
    made, now, held = lane(10), 0.0, set[str]()
    answers = {"accept": Answer.ACCEPTED, "lose": Answer.LOST, "busy": Answer.BUSY, "refuse": Answer.REFUSED}
    for what, number in steps:
        now += 1
        run = f"run-{number}"
        if what == "take":
            taken = made.take_due(now)
            assert not held & set(taken)
            assert made.in_flight(now) <= MAX_IN_FLIGHT
        elif what == "session":
            made.session_began(set())
        elif what == "remove":
            made.remove(run)
            held.discard(run)
        elif run in made.slots:
            made.answered(run, answers[what], now)
            held |= {run} if what in {"accept", "refuse"} else set()
