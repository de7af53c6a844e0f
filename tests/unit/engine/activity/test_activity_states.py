"""The state machine of a run: every step that is not in the table is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.activity.states import (
    ENGINE_ENDS,
    TRANSITIONS,
    IllegalTransition,
    Party,
    RunFacts,
    advance,
    request_cancel,
    send,
)
from borealis_wire.events import DEVICE_RESULT_STATUSES, TERMINAL_STATUSES, RunStatus

SENT = RunFacts(sent=True)


def test_every_status_has_a_row() -> None:
    assert set(TRANSITIONS) == set(RunStatus)


@pytest.mark.parametrize("status", sorted(DEVICE_RESULT_STATUSES))
def test_rejects_result_for_a_run_that_was_never_sent(status: RunStatus) -> None:
    with pytest.raises(IllegalTransition):
        advance(RunFacts(), status, Party.DEVICE)


@pytest.mark.parametrize("status", [RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.REFUSED])
def test_the_engine_never_says_how_a_script_ended(status: RunStatus) -> None:
    for start in RunStatus:
        with pytest.raises(IllegalTransition):
            advance(RunFacts(start, sent=True), status, Party.ENGINE)


@pytest.mark.parametrize("given_up", [RunStatus.EXPIRED, RunStatus.CANCELLED, RunStatus.INTERRUPTED])
def test_a_late_result_overtakes_what_the_engine_gave_up(given_up: RunStatus) -> None:
    source = next(status for status, ends in ENGINE_ENDS.items() if given_up in ends)
    ended = advance(RunFacts(source, sent=True), given_up, Party.ENGINE)
    assert advance(ended, RunStatus.SUCCESS, Party.DEVICE).status is RunStatus.SUCCESS


def test_rejects_second_result_of_a_device() -> None:
    done = advance(SENT, RunStatus.CANCELLED, Party.DEVICE)
    with pytest.raises(IllegalTransition):
        advance(done, RunStatus.SUCCESS, Party.DEVICE)


def test_rejects_sending_what_is_to_be_cancelled() -> None:
    with pytest.raises(IllegalTransition):
        send(request_cancel(SENT))


def test_a_run_that_never_left_is_cancelled_at_once() -> None:
    assert request_cancel(RunFacts()).status is RunStatus.CANCELLED
    assert request_cancel(SENT) == RunFacts(sent=True, cancel_requested=True)
    with pytest.raises(IllegalTransition):
        request_cancel(RunFacts(RunStatus.SUCCESS, sent=True))


_STEP = st.one_of(
    st.tuples(st.just("advance"), st.sampled_from(RunStatus), st.sampled_from(Party)),
    st.tuples(st.just("send"), st.none(), st.none()),
    st.tuples(st.just("cancel"), st.none(), st.none()),
)


@given(st.lists(_STEP, max_size=30))
def test_no_sequence_of_steps_leads_to_a_false_history(steps: list[tuple[str, RunStatus | None, Party | None]]) -> None:
    facts = RunFacts()
    device_ended: RunStatus | None = None
    for what, status, party in steps:
        before = facts
        try:
            if what == "send":
                facts = send(facts)
            elif what == "cancel":
                facts = request_cancel(facts)
            else:
                assert status is not None and party is not None
                facts = advance(facts, status, party)
        except IllegalTransition:
            assert facts is before
            continue
        if device_ended is not None:
            raise AssertionError("a run moved after its device had ended it")
        if facts.ended_by is Party.DEVICE:
            device_ended = facts.status
        if facts.status in DEVICE_RESULT_STATUSES - {RunStatus.CANCELLED, RunStatus.INTERRUPTED}:
            assert facts.sent
        if before.status in TERMINAL_STATUSES:
            assert facts.status in TERMINAL_STATUSES, "a run came back to life"
