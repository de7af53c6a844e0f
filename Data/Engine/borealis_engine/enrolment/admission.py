"""The way in, as devices walk it: a request, polls, and the one answer that brings tokens.

Everything that lets a device in happens in one transaction: the device's record, its first refresh token, the end
of the approval, and the audit entry. If the answer is then lost, a fresh request by the same key gets tokens once
more, without code or operator, while nobody has used the lost ones.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sqlalchemy import Connection

from borealis_engine.audit import AuditEntry
from borealis_engine.core.errors import Conflict, Invalid, NotFound, RateLimited, Unavailable
from borealis_engine.core.rate_limit import SlidingWindow
from borealis_engine.enrolment import approval_store, checks, codes
from borealis_engine.enrolment.ground import MAX_ADDRESS, WIDE_LIMIT_KEYS, Ground, log
from borealis_engine.enrolment.models import ApprovalRow, ApprovalStatus, Challenge
from borealis_engine.enrolment.polling import Step, held_codes, judge, may_attach
from borealis_engine.enrolment.settlement import Settled, expire, settle, was_heard_of
from borealis_engine.operators.lockout import peer_key
from borealis_wire import base64s
from borealis_wire.events import RunContext
from borealis_wire.limits import ACCESS_TOKEN_SECONDS, ENROL_POLL_FIRST_MS, ENROL_POLL_MS, NONCE_BYTES
from borealis_wire.messages import EnrolApproved, EnrolPending, EnrolPoll, EnrolRequest, EnrolStatus, SigningKeyInfo

FOREIGN_ALERT_SECONDS: Final = 3600.0


class UnknownReference(NotFound):
    """No approval has the reference of a poll. The REST door adds upstream's ``status`` to the answer."""


@dataclass(frozen=True, slots=True)
class _Opened:
    reference: str
    site_id: int | None
    is_new: bool


class Admission:
    """Answers ``enroll/request`` and ``enroll/poll``."""

    def __init__(self, ground: Ground) -> None:
        limits = ground.limits
        self._ground = ground
        self._request_peers = SlidingWindow(limits.requests_per_address, limits.window_seconds)
        self._request_keys = SlidingWindow(limits.requests_per_fingerprint, limits.window_seconds)
        self._poll_peers = SlidingWindow(limits.polls_per_address, limits.window_seconds, max_keys=WIDE_LIMIT_KEYS)
        self._failed_polls = SlidingWindow(limits.failed_polls_per_address, limits.window_seconds)
        self._polls = SlidingWindow(limits.polls_per_reference, limits.window_seconds)
        self._foreign_alerts = SlidingWindow(1, FOREIGN_ALERT_SECONDS)

    async def request(self, message: EnrolRequest, peer: str) -> EnrolPending:
        """A device asks to be let in: it gets a challenge, and an operator gets something to decide.

        Raises:
            RateLimited: too many by this address or this key.
            Invalid: see ``checks.check_request``; ``invalid_enrollment_code`` or ``code_consumed``.
            Unavailable: ``too_many_pending``.
        """
        ground = self._ground
        self._request_peers.check(peer_key(peer), ground.clock.monotonic())
        checked = checks.check_request(message)
        self._request_keys.check(checked.key.fingerprint, ground.clock.monotonic())
        server_nonce = base64s.encode(ground.randomness.token_bytes(NONCE_BYTES))
        opened = await ground.db.write(partial(self._open, checked=checked, server_nonce=server_nonce, peer=peer))
        if opened.is_new:
            ground.count("requested")
            ground.approval_changed(opened.reference, ApprovalStatus.PENDING, opened.site_id)
        log.info(
            "a device asks to be let in",
            reference=opened.reference,
            hostname=checked.hostname,
            fingerprint=checked.key.fingerprint,
            peer=peer,
            again=not opened.is_new,
        )
        return EnrolPending(
            status=ApprovalStatus.PENDING,
            approval_reference=opened.reference,
            server_nonce=server_nonce,
            poll_after_ms=ENROL_POLL_FIRST_MS,
            server_certificate=ground.certificates.bundle_pem,
            signing_key=ground.signing.current_public.spki_base64,
        )

    async def poll(self, message: EnrolPoll, peer: str, context: RunContext) -> EnrolStatus | EnrolApproved:
        """A device asks how its request stands, and proves that it holds the key.

        Raises:
            RateLimited: too many polls, or too many without a valid proof, by this address; or for this reference.
            Invalid: see ``checks.check_poll`` and ``checks.verify_proof``.
            UnknownReference: ``unknown_reference``.
            Conflict: ``proof_replayed``.
        """
        now = self._ground.clock.monotonic
        self._poll_peers.check(peer_key(peer), now())
        try:
            return await self._poll(message, peer, context)
        except (Invalid, NotFound):
            self._failed_polls.check(peer_key(peer), now())
            raise

    async def _poll(self, message: EnrolPoll, peer: str, context: RunContext) -> EnrolStatus | EnrolApproved:
        ground = self._ground
        poll = checks.check_poll(message)
        row = await ground.db.read(partial(_find, poll=poll))
        try:
            proof = checks.verify_proof(row, poll, ground.certificates.accepted_leaves)
        except checks.ForeignChannel:
            await self._tell_foreign(row, peer)
            raise
        self._polls.check(poll.reference, ground.clock.monotonic())
        settled = Settled(judge(row, proof, ground.now(), ground.limits), row)
        if settled.judgement.writes:
            settled = await ground.db.write(partial(self._settle, poll=poll, peer=peer))
            self._tell(settled)
        return self._answer(settled, context)

    def _open(self, connection: Connection, *, checked: checks.CheckedRequest, server_nonce: str, peer: str) -> _Opened:
        now, limits = self._ground.now(), self._ground.limits
        code = codes.find(connection, checked.code, now)
        challenge = Challenge(
            checked.client_nonce, server_nonce, checked.hostname, code.id, code.site_id, peer[:MAX_ADDRESS]
        )
        row = approval_store.newest_of_key(connection, checked.key.fingerprint)
        if row is not None and may_attach(row, now, limits):
            if row.status is not ApprovalStatus.COMPLETED:
                _hold_code(connection, row, code.id, now)
                approval_store.set_other(connection, row.id, challenge)
                return _Opened(row.reference, row.current.site_id, is_new=False)
            if not was_heard_of(connection, self._ground, row):
                challenge = replace(challenge, code_id=row.current.code_id, site_id=row.current.site_id)
                approval_store.set_other(connection, row.id, challenge)
                return _Opened(row.reference, row.current.site_id, is_new=False)
        if row is not None and row.status in approval_store.OPEN and row.expires_at <= now:
            expire(connection, row, now)
        if approval_store.count_open(connection) >= limits.pending_approvals:
            raise Unavailable(
                "too_many_pending",
                f"{limits.pending_approvals} devices wait for a decision already. Approve or deny some first.",
            )
        _take_use(connection, code.id, now)
        reference = self._ground.randomness.uuid()
        approval_store.add(
            connection,
            reference=reference,
            fingerprint=checked.key.fingerprint,
            public_key_spki=checked.key.spki,
            challenge=challenge,
            now=now,
            expires_at=now + limits.approval_seconds,
        )
        return _Opened(reference, code.site_id, is_new=True)

    def _settle(self, connection: Connection, *, poll: checks.CheckedPoll, peer: str) -> Settled:
        return settle(connection, self._ground, poll=poll, row=_find(connection, poll), peer=peer)

    def _tell(self, settled: Settled) -> None:
        ground, row, judgement = self._ground, settled.row, settled.judgement
        site_id = row.current.site_id
        if settled.auth is not None and judgement.step is Step.ADMIT:
            ground.devices.admitted(settled.auth)
            ground.count("completed")
            ground.approval_changed(row.reference, ApprovalStatus.COMPLETED, settled.auth.site_id)
            log.info("let a device in", reference=row.reference, guid=settled.auth.guid, hostname=settled.auth.hostname)
        elif settled.auth is not None:
            log.warning("repeated an answer that was lost", reference=row.reference, guid=settled.auth.guid)
        elif judgement.swap or judgement.duplicate or judgement.reopen or judgement.channel:
            status = ApprovalStatus.PENDING if judgement.reopen else row.status
            ground.approval_changed(row.reference, status, site_id)
        if judgement.duplicate:
            ground.count("duplicate_identity")
            log.warning("two machines answer with one key", reference=row.reference, fingerprint=row.fingerprint)
        if judgement.reopen:
            log.warning("an approval has to be decided anew", reference=row.reference, fingerprint=row.fingerprint)

    def _answer(self, settled: Settled, context: RunContext) -> EnrolStatus | EnrolApproved:
        ground, step = self._ground, settled.judgement.step
        if settled.auth is not None:
            signing = ground.signing
            return EnrolApproved(
                status=ApprovalStatus.APPROVED,
                guid=settled.auth.guid,
                access_token=ground.access_tokens.issue(settled.auth, context, ground.clock.now()),
                expires_in=ACCESS_TOKEN_SECONDS,
                refresh_token=settled.refresh_token,
                token_type="Bearer",
                server_certificate=ground.certificates.bundle_pem,
                signing_key=signing.current_public.spki_base64,
                signing_keys=[
                    SigningKeyInfo(key_id=key.key_id, public_key=key.spki_base64) for key in signing.public_keys
                ],
            )
        if step is Step.DENIED:
            return EnrolStatus(status=ApprovalStatus.DENIED, reason="operator_denied")
        if step is Step.EXPIRED:
            return EnrolStatus(status=ApprovalStatus.EXPIRED)
        if step is Step.FINALIZED:
            return EnrolStatus(status=ApprovalStatus.APPROVED, detail="finalized")
        if step is Step.REPLAYED:
            raise Conflict("proof_replayed", "This proof has been used already. Start the enrolment over.")
        if step is Step.DOWNGRADED:
            raise Invalid("invalid_proof", "proof_v2 came with earlier polls and is missing now.")
        return EnrolStatus(status=ApprovalStatus.PENDING, poll_after_ms=ENROL_POLL_MS)

    async def _tell_foreign(self, row: ApprovalRow, peer: str) -> None:
        self._ground.count("foreign_certificate")
        log.warning("a device saw another certificate", reference=row.reference, hostname=row.current.hostname)
        try:
            self._foreign_alerts.check(row.reference, self._ground.clock.monotonic())
        except RateLimited:
            return
        await self._ground.audit.record(
            AuditEntry(
                actor="engine",
                action="enrolment.foreign_certificate",
                target_kind="approval",
                target=row.reference,
                detail={"hostname": row.current.hostname, "fingerprint": row.fingerprint},
                address=peer,
                site_id=row.current.site_id,
            )
        )


def _find(connection: Connection, poll: checks.CheckedPoll) -> ApprovalRow:
    row = approval_store.by_reference(connection, poll.reference)
    if row is None:
        raise UnknownReference("unknown_reference", "No enrolment has this approval_reference. Start over.")
    return row


def _hold_code(connection: Connection, row: ApprovalRow, code_id: int, now: int) -> None:
    """Each code among a row's challenges holds one use; the challenge that is replaced lets go of its own."""
    if code_id not in held_codes(row):
        _take_use(connection, code_id, now)
    if row.other is not None and row.other.code_id not in (code_id, row.current.code_id):
        codes.give_back(connection, row.other.code_id)


def _take_use(connection: Connection, code_id: int, now: int) -> None:
    if not codes.take_use(connection, code_id, now):
        raise Invalid(
            "code_consumed", "The enrolment code has been used as often as allowed. Ask an operator for a new one."
        )
