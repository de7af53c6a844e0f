"""What a proof leads to: the whole table by property, and the rows of it that matter by name."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.enrolment.checks import VerifiedProof
from borealis_engine.enrolment.conflicts import AUTO_MERGE
from borealis_engine.enrolment.models import (
    DAY,
    ApprovalRow,
    ApprovalStatus,
    Challenge,
    Channel,
    EnrolmentLimits,
    KnownDevice,
)
from borealis_engine.enrolment.polling import Judgement, Step, decision_holds, held_codes, judge, may_attach

NOW = 1_760_000_000
LIMITS = EnrolmentLimits()
CHALLENGE = Challenge("cn", "sn", "LAB-PC", 1, None, "198.51.100.7", proven=True)
ROW = ApprovalRow(
    id=1,
    reference="r",
    guid=None,
    fingerprint="f" * 64,
    public_key_spki=b"",
    status=ApprovalStatus.PENDING,
    channel=Channel.BOUND,
    accept_unbound=False,
    duplicate_identity=False,
    current=CHALLENGE,
    other=None,
    conflict_resolution=None,
    created_at=NOW,
    updated_at=NOW,
    expires_at=NOW + DAY,
    completed_at=None,
    refresh_family=None,
    approved_by_user_id=None,
    approved_by_username=None,
)
OTHER = replace(CHALLENGE, client_nonce="other", code_id=2, proven=False)
DEVICE = KnownDevice("GUID", "LAB-PC", "f" * 64, "active", None, 0.0, 1)
HONEST = VerifiedProof(of_other=False, channel=Channel.BOUND)


@st.composite
def rows(draw: st.DrawFn) -> ApprovalRow:
    """Any row that the database can hold."""
    status = draw(st.sampled_from(ApprovalStatus))
    other = draw(st.none() | st.builds(replace, st.just(OTHER), proven=st.booleans(), consumed=st.booleans()))
    age = draw(st.integers(0, 40 * DAY))
    return replace(
        ROW,
        status=status,
        channel=draw(st.sampled_from(Channel)),
        accept_unbound=draw(st.booleans()),
        duplicate_identity=draw(st.booleans()),
        other=other,
        created_at=NOW - age,
        expires_at=NOW + draw(st.integers(-DAY, DAY)),
        completed_at=NOW - draw(st.integers(0, 1200)) if status is ApprovalStatus.COMPLETED else None,
    )


proofs = st.builds(VerifiedProof, of_other=st.booleans(), channel=st.sampled_from([Channel.BOUND, Channel.UNBOUND]))


def judged(row: ApprovalRow, proof: VerifiedProof) -> Judgement:
    if proof.of_other and row.other is None:
        proof = replace(proof, of_other=False)
    return judge(row, proof, NOW, LIMITS)


@given(rows(), proofs)
def test_rejects_whoever_was_not_approved(row: ApprovalRow, proof: VerifiedProof) -> None:
    step = judged(row, proof).step
    assert step is not Step.ADMIT or row.status is ApprovalStatus.APPROVED
    assert step is not Step.RETRY or row.status is ApprovalStatus.COMPLETED


@given(rows(), proofs)
def test_rejects_an_unbound_channel_that_nobody_accepted(row: ApprovalRow, proof: VerifiedProof) -> None:
    if judged(row, proof).step in (Step.ADMIT, Step.RETRY):
        assert proof.channel is Channel.BOUND or row.accept_unbound


@given(rows(), proofs)
def test_rejects_two_machines_on_one_approval(row: ApprovalRow, proof: VerifiedProof) -> None:
    judgement = judged(row, proof)
    if judgement.duplicate:
        assert judgement.step in (Step.WAIT, Step.FINALIZED)
        assert row.status is not ApprovalStatus.APPROVED or judgement.reopen


@given(rows(), proofs)
def test_rejects_what_is_over(row: ApprovalRow, proof: VerifiedProof) -> None:
    judgement = judged(row, proof)
    if row.status in (ApprovalStatus.DENIED, ApprovalStatus.EXPIRED):
        assert judgement == Judgement(Step(row.status.value))
    elif row.status is not ApprovalStatus.COMPLETED and row.expires_at <= NOW:
        assert judgement == Judgement(Step.EXPIRED)


@given(rows(), proofs)
def test_a_wait_is_moved_only_forward_and_only_so_far(row: ApprovalRow, proof: VerifiedProof) -> None:
    expires_at = judged(row, proof).expires_at
    if expires_at is not None:
        assert row.expires_at < expires_at <= row.created_at + LIMITS.approval_longest_seconds


@given(rows(), proofs)
def test_only_an_approval_is_reopened(row: ApprovalRow, proof: VerifiedProof) -> None:
    assert not judged(row, proof).reopen or row.status is ApprovalStatus.APPROVED


@given(rows())
def test_the_challenge_that_brought_tokens_brings_no_others(row: ApprovalRow) -> None:
    done = replace(row, status=ApprovalStatus.COMPLETED, completed_at=NOW)
    assert judge(done, HONEST, NOW, LIMITS) == Judgement(Step.FINALIZED)
    consumed = replace(done, other=replace(OTHER, proven=True, consumed=True))
    assert judge(consumed, replace(HONEST, of_other=True), NOW, LIMITS).step is Step.REPLAYED


def test_a_quiet_poll_writes_nothing() -> None:
    assert not judge(ROW, HONEST, NOW, LIMITS).writes
    twice = replace(ROW, duplicate_identity=True, other=replace(OTHER, proven=True))
    assert not judge(twice, replace(HONEST, of_other=True), NOW, LIMITS).writes


def test_a_first_proof_is_noted() -> None:
    judgement = judge(replace(ROW, channel=Channel.UNKNOWN), HONEST, NOW, LIMITS)
    assert judgement == Judgement(Step.WAIT, channel=Channel.BOUND)


def test_a_weaker_proof_does_not_take_back_a_better_one() -> None:
    assert not judge(ROW, replace(HONEST, channel=Channel.UNBOUND), NOW, LIMITS).writes


def test_a_decision_holds_while_nothing_about_the_key_changed() -> None:
    assert decision_holds(ROW, by_key=None, target=None, key_in_use=False)
    merged = replace(ROW, guid="GUID", conflict_resolution=AUTO_MERGE)
    assert decision_holds(merged, by_key=DEVICE, target=DEVICE, key_in_use=False)
    assert not decision_holds(merged, by_key=DEVICE, target=DEVICE, key_in_use=True)
    assert not decision_holds(merged, by_key=replace(DEVICE, status="revoked"), target=DEVICE, key_in_use=False)
    assert not decision_holds(merged, by_key=None, target=DEVICE, key_in_use=False)


def test_a_decision_falls_where_key_or_target_went_elsewhere() -> None:
    assert not decision_holds(ROW, by_key=DEVICE, target=None, key_in_use=False)
    chosen = replace(ROW, guid="OTHER", conflict_resolution="merge")
    assert not decision_holds(chosen, by_key=None, target=None, key_in_use=False)
    assert not decision_holds(chosen, by_key=DEVICE, target=replace(DEVICE, guid="OTHER"), key_in_use=False)


def test_an_explicit_decision_about_a_withdrawn_device_stands() -> None:
    withdrawn = replace(DEVICE, status="revoked")
    chosen = replace(ROW, guid="GUID", conflict_resolution="overwrite")
    assert decision_holds(chosen, by_key=withdrawn, target=withdrawn, key_in_use=False)


def test_requests_attach_to_what_is_open_or_just_done() -> None:
    assert may_attach(ROW, NOW, LIMITS)
    assert not may_attach(replace(ROW, expires_at=NOW), NOW, LIMITS)
    done = replace(ROW, status=ApprovalStatus.COMPLETED, completed_at=NOW)
    assert may_attach(done, NOW + LIMITS.retry_seconds - 1, LIMITS)
    assert not may_attach(done, NOW + LIMITS.retry_seconds, LIMITS)
    assert not may_attach(replace(done, duplicate_identity=True), NOW, LIMITS)
    assert not may_attach(replace(done, other=replace(OTHER, consumed=True)), NOW, LIMITS)
    assert not may_attach(replace(ROW, status=ApprovalStatus.DENIED), NOW, LIMITS)


def test_each_code_is_held_once() -> None:
    assert held_codes(ROW) == {1}
    assert held_codes(replace(ROW, other=OTHER)) == {1, 2}
    assert held_codes(replace(ROW, other=replace(OTHER, code_id=1))) == {1}
    assert held_codes(replace(ROW, current=replace(CHALLENGE, code_id=None))) == set()
