"""Devices that wait, as operators see and decide them. Limits of sites hold; every decision is audited."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, Forbidden, Invalid, NotFound
from borealis_engine.devices import admission as device_records
from borealis_engine.devices.names import free_hostname, normalise_guid
from borealis_engine.enrolment import approval_store
from borealis_engine.enrolment.conflicts import FoundConflict, conflict_block, decide, find_conflict
from borealis_engine.enrolment.ground import Ground, log
from borealis_engine.enrolment.models import ApprovalRow, ApprovalStatus, ApprovalView, Channel, Resolution
from borealis_engine.enrolment.settlement import give_back_all
from borealis_engine.operators.permissions import Principal

MAX_LISTED: Final = 1000
MAX_NUMBER: Final = 2**31 - 1
ALL: Final = "all"


class ApprovalDesk:
    """What operators do with approvals. ``reference`` is an approval's reference, or its number as text."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def list(self, principal: Principal, *, status: str = "") -> Sequence[ApprovalView]:
        """Approvals of sites that the operator may see, by time; pending ones unless ``status`` says otherwise.

        At most 1000. Devices that wait without a site are seen by operators of all sites.

        Raises:
            Invalid: ``invalid_status``.
        """
        wanted = status or ApprovalStatus.PENDING
        if wanted != ALL and wanted not in set(ApprovalStatus):
            raise Invalid("invalid_status", f"status is one of {', '.join(ApprovalStatus)} or all.")
        return await self._ground.db.read(
            partial(self._views, principal=principal, status=None if wanted == ALL else wanted)
        )

    async def approve(
        self,
        principal: Principal,
        reference: str,
        *,
        guid: str | None = None,
        resolution: Resolution | None = None,
        accept_unbound: bool = False,
        address: str = "",
    ) -> ApprovalRow:
        """Let a device in; it gets its tokens with its next poll. Gives the row as it is then.

        Args:
            principal: who decides.
            reference: which approval.
            guid: the device to take over, if one is named.
            resolution: what to do about a device that is known already.
            accept_unbound: let it in although it did not show that it talks to this Engine's own certificate.
            address: the caller's, for the audit log.

        Raises:
            NotFound: ``not_found``; also for one of a site out of sight.
            Conflict: ``approval_not_pending``, ``unbound_channel``, ``conflict_resolution_required``,
                ``duplicate_identity``.
            Invalid: ``device_not_found``, ``invalid_conflict_resolution``.
            Forbidden: ``conflict_out_of_scope``.
        """
        row = await self._ground.db.write(
            partial(
                self._approve,
                principal=principal,
                reference=reference,
                guid=normalise_guid(guid) if guid else None,
                resolution=resolution,
                accept_unbound=accept_unbound,
                address=address,
            )
        )
        self._tell("approved", principal, row)
        return row

    async def deny(self, principal: Principal, reference: str, *, address: str = "") -> None:
        """Refuse a device; also one that was approved and has not come in yet.

        Raises:
            NotFound: ``not_found``; also for one of a site out of sight.
            Conflict: ``approval_not_pending``.
        """
        row = await self._ground.db.write(
            partial(self._deny, principal=principal, reference=reference, address=address)
        )
        self._tell("denied", principal, row)

    def _views(self, connection: Connection, *, principal: Principal, status: str | None) -> Sequence[ApprovalView]:
        rows = approval_store.listed(connection, status, principal.sites, MAX_LISTED)
        return [self._view(connection, principal, row) for row in rows]

    def _view(self, connection: Connection, principal: Principal, row: ApprovalRow) -> ApprovalView:
        site_name = self._site_name(principal, row.current.site_id)
        conflict = self._conflict(connection, row) if row.status is ApprovalStatus.PENDING else None
        if conflict is None:
            return ApprovalView(row, None, site_name, None)
        known = conflict.device
        visible = known is not None and principal.sees_site(known.site_id)
        block = conflict_block(
            conflict, site_name=self._site_name(principal, known.site_id) if known else None, visible=visible
        )
        alternate = None
        if conflict.kind == "hostname":
            alternate = free_hostname(
                row.current.hostname,
                "",
                lambda name: device_records.find_by_hostname(connection, name) is not None,
            )
        return ApprovalView(row, block, site_name, alternate or None)

    def _approve(
        self,
        connection: Connection,
        *,
        principal: Principal,
        reference: str,
        guid: str | None,
        resolution: Resolution | None,
        accept_unbound: bool,
        address: str,
    ) -> ApprovalRow:
        now = self._ground.now()
        row = _visible(connection, principal, reference)
        if row.status is not ApprovalStatus.PENDING or row.expires_at <= now:
            raise _not_pending(row, now)
        if row.channel is Channel.UNBOUND and not accept_unbound:
            raise Conflict(
                "unbound_channel",
                "The device did not show that it talks to this Engine's own certificate: an older agent, or somebody "
                "sits between. Compare its fingerprint on the device, then approve with accept_unbound.",
            )
        conflict = self._conflict(connection, row)
        target = None if guid is None else device_records.find_by_guid(connection, guid)
        decision = decide(
            conflict,
            hostname=row.current.hostname,
            resolution=resolution,
            guid=guid,
            guid_known=target is not None and principal.sees_site(target.site_id),
        )
        if decision.guid is not None:
            _require_visible(connection, principal, decision.guid)
        approval_store.change(
            connection,
            row.id,
            now,
            status=ApprovalStatus.APPROVED.value,
            guid=decision.guid,
            conflict_resolution=decision.resolution,
            accept_unbound=accept_unbound,
            approved_by_user_id=principal.operator_id,
            approved_by_username=principal.username,
            expires_at=now + self._ground.limits.approval_seconds,
        )
        detail = {"resolution": decision.resolution, "guid": decision.guid, "accept_unbound": accept_unbound}
        self._record(connection, principal, "enrolment.approve", row, address, **detail)
        return _visible(connection, principal, row.reference)

    def _deny(self, connection: Connection, *, principal: Principal, reference: str, address: str) -> ApprovalRow:
        now = self._ground.now()
        row = _visible(connection, principal, reference)
        if row.status.value not in approval_store.OPEN:
            raise _not_pending(row, now)
        approval_store.change(
            connection,
            row.id,
            now,
            status=ApprovalStatus.DENIED.value,
            approved_by_user_id=principal.operator_id,
            approved_by_username=principal.username,
        )
        give_back_all(connection, row)
        self._record(connection, principal, "enrolment.deny", row, address)
        return _visible(connection, principal, row.reference)

    def _conflict(self, connection: Connection, row: ApprovalRow) -> FoundConflict | None:
        by_key = device_records.find_by_fingerprint(connection, row.fingerprint)
        return find_conflict(
            by_key,
            device_records.find_by_hostname(connection, row.current.hostname),
            key_in_use=by_key is not None and self._ground.devices.is_connected(by_key.guid),
            two_machines=row.duplicate_identity,
        )

    def _site_name(self, principal: Principal, site_id: int | None) -> str | None:
        if site_id is None:
            return None
        try:
            return self._ground.devices.sites.get(principal, site_id).name
        except NotFound:  # removed since, or out of sight
            return None

    def _record(
        self,
        connection: Connection,
        principal: Principal,
        action: str,
        row: ApprovalRow,
        address: str,
        **detail: object,
    ) -> None:
        entry = AuditEntry(
            actor=principal.username,
            action=action,
            target_kind="approval",
            target=row.reference,
            detail={"hostname": row.current.hostname, "fingerprint": row.fingerprint, **detail},
            address=address,
            site_id=row.current.site_id,
        )
        audit_store.record(connection, entry, self._ground.clock.now())

    def _tell(self, outcome: str, principal: Principal, row: ApprovalRow) -> None:
        self._ground.count(outcome)
        self._ground.approval_changed(row.reference, row.status, row.current.site_id)
        log.info(
            "decided about a device",
            decision=outcome,
            reference=row.reference,
            hostname=row.current.hostname,
            resolution=row.conflict_resolution,
            by=principal.username,
        )


def _visible(connection: Connection, principal: Principal, reference: str) -> ApprovalRow:
    row = approval_store.by_reference(connection, reference)
    if row is None and reference.isascii() and reference.isdigit() and int(reference) <= MAX_NUMBER:
        row = approval_store.by_id(connection, int(reference))
    if row is None or not principal.sees_site(row.current.site_id):
        raise NotFound("not_found", "There is no such approval, or it is not in your sites.")
    return row


def _require_visible(connection: Connection, principal: Principal, guid: str) -> None:
    """A device of another site is taken over by nobody who may not see it."""
    device = device_records.find_by_guid(connection, guid)
    if device is not None and not principal.sees_site(device.site_id):
        raise Forbidden(
            "conflict_out_of_scope",
            "The device that is known already is in a site that you may not see. Ask an Admin of all sites.",
        )


def _not_pending(row: ApprovalRow, now: int) -> Conflict:
    over = row.status.value in approval_store.OPEN and row.expires_at <= now
    state = ApprovalStatus.EXPIRED if over else row.status
    return Conflict("approval_not_pending", f"This approval is {state} already; there is nothing to decide.")
