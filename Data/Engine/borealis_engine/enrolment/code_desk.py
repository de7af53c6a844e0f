"""Enrolment codes as operators make, list and delete them. Limits of sites hold; every deed is audited."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Forbidden, Invalid, NotFound
from borealis_engine.enrolment import codes
from borealis_engine.enrolment.ground import Ground, log
from borealis_engine.enrolment.models import CodeRow, IssuedCode
from borealis_engine.operators.permissions import Principal
from borealis_wire.enrolment_token import EnrolmentToken

STATUSES: Final = frozenset({"active", "expired", "used"})


class CodeDesk:
    """What operators do with codes."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def create(
        self,
        principal: Principal,
        *,
        ttl_hours: float | None = None,
        expires_in_seconds: int | None = None,
        max_uses: int | None = None,
        site_id: int | None = None,
        site: str = "",
        address: str = "",
    ) -> IssuedCode:
        """Make a code; the only time that it is known in full.

        Args:
            principal: who wants it. Somebody limited to one site gets codes for that one without naming it.
            ttl_hours: how long it lives, or
            expires_in_seconds: the same in seconds; one hour unless said.
            max_uses: how many devices may use it; two unless said.
            site_id: where devices that use it go, or
            site: the same by name; none unless said.
            address: the caller's, for the audit log.

        Raises:
            Invalid: ``invalid_ttl``, ``invalid_max_uses``, ``invalid_site``, ``site_required``, ``too_many_codes``.
            NotFound: ``site_not_found``.
            Forbidden: ``no_site``.
        """
        ground, now = self._ground, self._ground.now()
        seconds = codes.lifetime(ttl_hours, expires_in_seconds)
        uses = codes.allowed_uses(max_uses)
        chosen = await self._site(principal, site_id, site)
        code = codes.make_code(ground.randomness)
        token = str(EnrolmentToken(ground.url, code, ground.certificates.ca_pin))

        def work(connection: Connection) -> CodeRow:
            row = codes.add(
                connection,
                code,
                site_id=chosen,
                max_uses=uses,
                now=now,
                expires_at=now + seconds,
                user_id=principal.operator_id,
                username=principal.username,
            )
            entry = _entry(principal, "enrolment.code_create", row, address, expires_at=row.expires_at, max_uses=uses)
            audit_store.record(connection, entry, ground.clock.now())
            return row

        row = await ground.db.write(work)
        log.info("made an enrolment code", id=row.id, by=principal.username, site_id=chosen, max_uses=uses)
        return IssuedCode(row, code, token)

    async def list(self, principal: Principal, *, status: str = "") -> Sequence[CodeRow]:
        """Codes of sites that the operator may see, oldest first; ``status`` is active, expired, used, or empty.

        Raises:
            Invalid: ``invalid_status``.
        """
        if status and status not in STATUSES:
            raise Invalid("invalid_status", f"status is one of {', '.join(sorted(STATUSES))}.")
        now = self._ground.now()
        rows = await self._ground.db.read(codes.every)
        return [row for row in rows if principal.sees_site(row.site_id) and status in ("", row.status(now))]

    async def delete(self, principal: Principal, code_id: int, *, address: str = "") -> None:
        """Delete a code, used or not: it lets nobody ask any more. Approvals that it led to stay.

        Raises:
            NotFound: ``not_found``; also for one of a site out of sight.
        """
        now = self._ground.clock.now()
        await self._ground.db.write(partial(_delete, principal=principal, code_id=code_id, address=address, now=now))
        log.info("deleted an enrolment code", id=code_id, by=principal.username)

    async def _site(self, principal: Principal, site_id: int | None, name: str) -> int | None:
        devices = self._ground.devices
        if site_id is not None and name:
            raise Invalid("invalid_site", "Give either site_id or site, not both.")
        if name:
            (site_id,) = await devices.site_ids(principal.sites, [name])
        if site_id is not None:
            return devices.sites.get(principal, site_id).id
        if principal.sites is None:
            return None
        if not principal.sites:
            raise Forbidden("no_site", "Your account sees no site, so it can let no device in. Ask an Admin.")
        if len(principal.sites) > 1:
            raise Invalid("site_required", "Your account is limited to sites. Say for which of them the code is.")
        return devices.sites.get(principal, min(principal.sites)).id


def _delete(connection: Connection, *, principal: Principal, code_id: int, address: str, now: float) -> None:
    row = codes.get(connection, code_id)
    if row is None or not principal.sees_site(row.site_id):
        raise NotFound("not_found", "There is no such code, or it is not in your sites.")
    codes.remove(connection, code_id)
    audit_store.record(connection, _entry(principal, "enrolment.code_delete", row, address, uses=row.use_count), now)


def _entry(principal: Principal, action: str, row: CodeRow, address: str, **detail: object) -> AuditEntry:
    return AuditEntry(
        actor=principal.username,
        action=action,
        target_kind="enrolment_code",
        target=str(row.id),
        detail=detail,
        address=address,
        site_id=row.site_id,
    )
