"""The transaction behind a poll: what a valid proof changes, all of it or nothing.

Called by ``admission`` alone, on the database's writer thread.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.devices import admission as device_records
from borealis_engine.devices.models import ACTIVE, DeviceAuth
from borealis_engine.enrolment import approval_store, checks, codes, refresh_store
from borealis_engine.enrolment.dpop import thumbprint
from borealis_engine.enrolment.ground import Ground
from borealis_engine.enrolment.models import ApprovalRow, ApprovalStatus, Channel
from borealis_engine.enrolment.polling import Judgement, Step, decision_holds, held_codes, judge
from borealis_wire.keys import VerifyKey


@dataclass(frozen=True, slots=True)
class Settled:
    """What a poll's transaction did. ``auth`` and ``refresh_token`` where tokens are due."""

    judgement: Judgement
    row: ApprovalRow
    auth: DeviceAuth | None = None
    refresh_token: str = ""


def settle(connection: Connection, ground: Ground, *, poll: checks.CheckedPoll, row: ApprovalRow, peer: str) -> Settled:
    """Judge again inside the write transaction, and do it.

    Args:
        connection: of the write transaction.
        ground: of the room.
        poll: the poll, not yet verified against ``row`` as it is now.
        row: the approval, read in this transaction.
        peer: the caller's address, for the audit log.

    Raises:
        Invalid: the row has changed so that the proof does not fit it any more.
    """
    now = ground.now()
    proof = checks.verify_proof(row, poll, ground.certificates.accepted_leaves)
    judgement = judge(row, proof, now, ground.limits)
    settlement = _Settlement(connection, ground, row, peer, now)
    if judgement.step is Step.ADMIT:
        if settlement.decision_holds():
            return settlement.admit(judgement)
        judgement = replace(judgement, step=Step.WAIT, reopen=True)
    if judgement.step is Step.RETRY:
        auth = settlement.device_without_tokens()
        if auth is not None:
            return settlement.give_again(judgement, auth)
        judgement = Judgement(Step.FINALIZED)
    settlement.note(judgement)
    return Settled(judgement, row)


def was_heard_of(connection: Connection, ground: Ground, row: ApprovalRow) -> bool:
    """Whether the device of a completed row has shown its tokens anywhere, so that its answer was not lost."""
    if row.guid is None or row.refresh_family is None or row.completed_at is None:
        return True
    if not refresh_store.family_is_unused(connection, row.refresh_family) or ground.devices.is_connected(row.guid):
        return True
    device = device_records.find_by_guid(connection, row.guid)
    # Whole seconds against fractions: what was heard in the very second of the commit was before it.
    return device is None or device.last_seen >= row.completed_at + 1


def expire(connection: Connection, row: ApprovalRow, now: int) -> None:
    """End a row whose time is over; its codes get their uses back."""
    approval_store.change(connection, row.id, now, status=ApprovalStatus.EXPIRED.value)
    give_back_all(connection, row)


def give_back_all(connection: Connection, row: ApprovalRow) -> None:
    """A row ended without letting anybody in: its codes get their uses back."""
    for code_id in held_codes(row):
        codes.give_back(connection, code_id)


@dataclass(frozen=True, slots=True)
class _Settlement:
    connection: Connection
    ground: Ground
    row: ApprovalRow
    peer: str
    now: int

    def decision_holds(self) -> bool:
        """Whether what the operator approved can still be done."""
        connection, row = self.connection, self.row
        by_key = device_records.find_by_fingerprint(connection, row.fingerprint)
        return decision_holds(
            row,
            by_key=by_key,
            target=None if row.guid is None else device_records.find_by_guid(connection, row.guid),
            key_in_use=by_key is not None and self.ground.devices.is_connected(by_key.guid),
        )

    def admit(self, judgement: Judgement) -> Settled:
        """Let the device in."""
        connection, row = self.connection, self.row
        shown = row.current  # as the operator saw it, also where a restarted agent answers
        auth = device_records.admit(
            connection,
            guid=row.guid,
            hostname=shown.hostname,
            fingerprint=row.fingerprint,
            public_key_spki=row.public_key_spki,
            site_id=shown.site_id,
            now=self.now,
            randomness=self.ground.randomness,
        )
        for code_id in held_codes(row) - {shown.code_id}:
            codes.give_back(connection, code_id)
        codes.mark_completed(connection, shown.code_id, auth.guid, self.now)
        if judgement.swap:
            approval_store.swap_challenges(connection, row, follow=False, now=self.now)
        channel = judgement.channel or row.channel
        rotation = self._start_family(auth, channel)
        self._change(
            status=ApprovalStatus.COMPLETED.value,
            guid=auth.guid,
            completed_at=self.now,
            refresh_family=rotation.family,
            channel=channel.value,
        )
        self._record_entry(auth, "enrolment.complete", channel=channel.value)
        return Settled(judgement, row, auth, rotation.token)

    def device_without_tokens(self) -> DeviceAuth | None:
        """The device of a completed row, if the tokens it was given seem to have reached nobody."""
        auth = None if self.row.guid is None else self.ground.devices.auth_state(self.row.guid)
        if auth is None or auth.status != ACTIVE or auth.fingerprint != self.row.fingerprint:
            return None
        return None if was_heard_of(self.connection, self.ground, self.row) else auth

    def give_again(self, judgement: Judgement, auth: DeviceAuth) -> Settled:
        """Tokens once more; those that were lost end."""
        approval_store.swap_challenges(self.connection, self.row, follow=False, now=self.now, consumed=True)
        rotation = self._start_family(auth, judgement.channel or self.row.channel)
        self._change(refresh_family=rotation.family)
        self._record_entry(auth, "enrolment.answer_repeated")
        return Settled(judgement, self.row, auth, rotation.token)

    def note(self, judgement: Judgement) -> None:
        """Write what a poll showed, where it brings no tokens."""
        row = self.row
        if judgement.swap:
            approval_store.swap_challenges(
                self.connection, row, follow=True, now=self.now, duplicate=judgement.duplicate
            )
        values: dict[str, object] = {}
        if judgement.duplicate:
            values["duplicate_identity"] = True
            entry = AuditEntry(
                actor="engine",
                action="enrolment.duplicate_identity",
                target_kind="approval",
                target=row.reference,
                detail={"hostname": row.current.hostname, "fingerprint": row.fingerprint, "guid": row.guid},
                address=self.peer,
                site_id=row.current.site_id,
            )
            audit_store.record(self.connection, entry, self.ground.clock.now())
        if judgement.reopen:
            values |= {
                "status": ApprovalStatus.PENDING.value,
                "guid": None,
                "conflict_resolution": None,
                "accept_unbound": False,
                "approved_by_user_id": None,
                "approved_by_username": None,
            }
        if judgement.channel is not None:
            values["channel"] = judgement.channel.value
        if judgement.expires_at is not None:
            values["expires_at"] = judgement.expires_at
        if values:
            self._change(**values)

    def _change(self, **values: object) -> None:
        approval_store.change(self.connection, self.row.id, self.now, **values)

    def _start_family(self, auth: DeviceAuth, channel: Channel) -> refresh_store.Rotation:
        return refresh_store.start_family(
            self.connection,
            auth.guid,
            jkt=thumbprint(VerifyKey.from_spki(auth.public_key_spki)),
            # An agent that sends proof_v2 sends proofs of possession too: its tokens are bound from the first on.
            proof_required=channel is Channel.BOUND,
            now=self.now,
            randomness=self.ground.randomness,
        )

    def _record_entry(self, auth: DeviceAuth, action: str, **detail: str) -> None:
        entry = AuditEntry(
            actor=f"device:{auth.guid}",
            action=action,
            target_kind="device",
            target=auth.guid,
            detail={
                "hostname": auth.hostname,
                "fingerprint": auth.fingerprint,
                "reference": self.row.reference,
                "resolution": self.row.conflict_resolution,
                **detail,
            },
            address=self.peer,
            site_id=auth.site_id,
        )
        audit_store.record(self.connection, entry, self.ground.clock.now())
