"""What holds for the desktops of which devices: a policy for each site that has one, and one for all others."""

from collections.abc import Callable
from typing import Final

import msgspec
from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Forbidden, Invalid
from borealis_engine.desktops import store
from borealis_engine.desktops.models import DesktopPolicy
from borealis_engine.devices import DeviceService
from borealis_engine.operators.permissions import Principal
from borealis_engine.storage import Database
from borealis_wire.desktop import MAX_ASK_SECONDS

MIN_ASK_SECONDS: Final = 5


class Policies:
    """All of them, read anew each time. A deleted site takes its own along."""

    def __init__(self, *, db: Database, clock: Clock, devices: DeviceService) -> None:
        self._db = db
        self._clock = clock
        self._devices = devices

    async def of(self, site_id: int | None) -> DesktopPolicy:
        """What holds for the devices of a site, or for those without one. Raises ``Unavailable``."""
        return _of(await self._db.read(store.load), site_id)

    async def all(self) -> Callable[[int | None], DesktopPolicy]:
        """What holds now for each site. Raises ``Unavailable``."""
        found = await self._db.read(store.load)
        return lambda site_id: _of(found, site_id)

    async def seen_by(self, principal: Principal) -> tuple[DesktopPolicy, list[DesktopPolicy]]:
        """The policy of all sites without one of their own, and those of the sites that an operator sees.

        Raises:
            Unavailable: the database is gone.
        """
        found = await self._db.read(store.load)
        sites = [one for site, one in found.items() if site is not None and principal.sees_site(site)]
        return _of(found, None), sorted(sites, key=lambda one: one.site_id or 0)

    async def put(self, principal: Principal, wanted: DesktopPolicy, *, address: str) -> DesktopPolicy:
        """Set a site's policy, or with no site that of all others; on record.

        Raises:
            Forbidden: ``site_limited``.
            NotFound: ``site_not_found``; also for one out of sight.
            Invalid: ``invalid_ask_seconds``.
        """
        if not MIN_ASK_SECONDS <= wanted.ask_seconds <= MAX_ASK_SECONDS:
            raise Invalid("invalid_ask_seconds", f"A user has {MIN_ASK_SECONDS} to {MAX_ASK_SECONDS} s for an answer.")
        policy = msgspec.structs.replace(wanted, updated_at=self._clock.now(), updated_by=principal.username)
        await self._change(principal, policy.site_id, policy, address)
        return policy

    async def remove(self, principal: Principal, site_id: int, *, address: str) -> None:
        """From now on a site has no policy of its own. Raises as :meth:`put`."""
        await self._change(principal, site_id, None, address)

    async def _change(
        self, principal: Principal, site_id: int | None, policy: DesktopPolicy | None, address: str
    ) -> None:
        if site_id is not None:
            self._devices.sites.get(principal, site_id)
        elif principal.sites is not None:
            raise Forbidden("site_limited", "Your account is limited to sites. This needs an Admin of all sites.")
        now = self._clock.now()

        def work(conn: Connection) -> None:
            before = store.load(conn).get(site_id)
            if policy is None:
                store.remove(conn, site_id)
            else:
                store.put(conn, policy)
            entry = AuditEntry(
                actor=principal.username,
                action="desktop.policy",
                target_kind="engine" if site_id is None else "site",
                target="" if site_id is None else str(site_id),
                detail={"before": _told(before), "after": _told(policy)},
                address=address,
                site_id=site_id,
            )
            audit_store.record(conn, entry, now)

        await self._db.write(work)


def _of(found: dict[int | None, DesktopPolicy], site_id: int | None) -> DesktopPolicy:
    return found.get(site_id) or found.get(None) or DesktopPolicy(None)


def _told(policy: DesktopPolicy | None) -> dict[str, object] | None:
    if policy is None:
        return None
    return {"consent": policy.consent.value, "ask_seconds": policy.ask_seconds, "view_only": policy.view_only}
