"""What a verified proof leads to, by the state of the approval: one pure function, no I/O.

Two challenges can be open for one key. An agent that was restarted makes a new one and never answers the old one
again; two machines with one key (threats 15) answer in turn. So the first answer to the ``other`` challenge makes
it the current one, and an answer to the one it replaced gives the second machine away.
"""

from dataclasses import dataclass
from enum import StrEnum

from borealis_engine.devices.models import ACTIVE
from borealis_engine.enrolment.checks import VerifiedProof
from borealis_engine.enrolment.conflicts import AUTO_MERGE
from borealis_engine.enrolment.models import ApprovalRow, ApprovalStatus, Channel, EnrolmentLimits, KnownDevice


class Step(StrEnum):
    """What the device is told. ``admit`` and ``retry`` bring tokens, unless the database says otherwise."""

    WAIT = "wait"
    ADMIT = "admit"
    RETRY = "retry"
    DENIED = "denied"
    EXPIRED = "expired"
    FINALIZED = "finalized"
    REPLAYED = "replayed"
    DOWNGRADED = "downgraded"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A step, and what has to be written with it.

    ``swap``: the other challenge becomes the current one. ``duplicate``: a second machine was found just now.
    ``reopen``: what an operator approved is not what stands there; they decide anew. ``channel`` and
    ``expires_at`` where they change.
    """

    step: Step
    swap: bool = False
    duplicate: bool = False
    reopen: bool = False
    channel: Channel | None = None
    expires_at: int | None = None

    @property
    def writes(self) -> bool:
        """Whether anything changes."""
        changes = self.swap or self.duplicate or self.reopen or self.channel or self.expires_at
        return self.step in (Step.ADMIT, Step.RETRY) or bool(changes)


def judge(row: ApprovalRow, proof: VerifiedProof, now: int, limits: EnrolmentLimits) -> Judgement:
    """Decide about one poll with a valid proof. ``now`` in Unix seconds."""
    if row.status in (ApprovalStatus.DENIED, ApprovalStatus.EXPIRED):
        return Judgement(Step(row.status.value))
    if row.status is ApprovalStatus.COMPLETED:
        return _completed(row, proof, now, limits)
    if row.expires_at <= now:
        return Judgement(Step.EXPIRED)
    second = _is_second_machine(row, proof)
    if row.status is ApprovalStatus.APPROVED:
        return _approved(row, proof, second)
    # Once two are known the picture stays: they would swap with every poll.
    swap = second or (proof.of_other and row.other is not None and not row.other.proven)
    shown = proof.channel if swap else _better(row.channel, proof.channel) if not proof.of_other else row.channel
    return Judgement(
        Step.WAIT,
        swap=swap,
        duplicate=second,
        channel=None if shown is row.channel else shown,
        expires_at=_later(row, now, limits),
    )


def decision_holds(
    row: ApprovalRow, *, by_key: KnownDevice | None, target: KnownDevice | None, key_in_use: bool
) -> bool:
    """Whether what an operator approved can still be done.

    Args:
        row: approved.
        by_key: the device on record with this key now.
        target: the device on record under the GUID that the operator chose, if they chose one.
        key_in_use: ``by_key`` has a live session now.
    """
    if by_key is not None and by_key.guid != row.guid:
        return False
    if row.guid is not None and target is None:
        return False
    if row.conflict_resolution == AUTO_MERGE:  # nobody was asked, because nothing was wrong with it then
        return by_key is not None and by_key.status == ACTIVE and not key_in_use
    return True


def may_attach(row: ApprovalRow, now: int, limits: EnrolmentLimits) -> bool:
    """Whether a new request by the key of ``row`` gets a challenge on it rather than a row of its own.

    For a completed row that is so once, shortly after: its answer may have been lost. Whether the device was
    heard of since is for the caller to check.
    """
    if row.status in (ApprovalStatus.PENDING, ApprovalStatus.APPROVED):
        return row.expires_at > now
    return (
        row.status is ApprovalStatus.COMPLETED
        and not row.duplicate_identity
        and (row.other is None or not row.other.consumed)
        and row.completed_at is not None
        and now < row.completed_at + limits.retry_seconds
    )


def held_codes(row: ApprovalRow) -> set[int]:
    """The codes of which a row that is not finished holds one use each."""
    ids = {row.current.code_id, row.other.code_id if row.other is not None else None}
    return {code_id for code_id in ids if code_id is not None}


def _approved(row: ApprovalRow, proof: VerifiedProof, second: bool) -> Judgement:
    if second:
        return Judgement(Step.WAIT, swap=True, duplicate=True, reopen=True, channel=proof.channel)
    if proof.channel is Channel.UNBOUND and not row.accept_unbound:
        if row.channel is Channel.BOUND and not proof.of_other:
            return Judgement(Step.DOWNGRADED)
        return Judgement(Step.WAIT, swap=proof.of_other, reopen=True, channel=proof.channel)
    return Judgement(Step.ADMIT, swap=proof.of_other, channel=proof.channel)


def _completed(row: ApprovalRow, proof: VerifiedProof, now: int, limits: EnrolmentLimits) -> Judgement:
    if not proof.of_other or row.other is None:
        return Judgement(Step.FINALIZED)
    if row.other.consumed:
        return Judgement(Step.REPLAYED)
    if row.other.proven:
        return Judgement(Step.FINALIZED, duplicate=not row.duplicate_identity)
    bound = proof.channel is Channel.BOUND or row.accept_unbound
    if bound and may_attach(row, now, limits):
        return Judgement(Step.RETRY, swap=True, channel=proof.channel)
    return Judgement(Step.FINALIZED)


def _is_second_machine(row: ApprovalRow, proof: VerifiedProof) -> bool:
    return proof.of_other and row.other is not None and row.other.proven and not row.duplicate_identity


def _better(known: Channel, shown: Channel) -> Channel:
    # A proof without proof_v2 does not take back one that had it: it may be a copy of the first half.
    return known if known is Channel.BOUND else shown


def _later(row: ApprovalRow, now: int, limits: EnrolmentLimits) -> int | None:
    """A later end for a device that still asks, when half its time is over."""
    latest = row.created_at + limits.approval_longest_seconds
    wanted = min(now + limits.approval_seconds, latest)
    return wanted if row.expires_at - now < limits.approval_seconds // 2 and wanted > row.expires_at else None
