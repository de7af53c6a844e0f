"""Sites: groups of devices that operators can be limited to. Made and changed here, audited, told to operators."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Forbidden, Invalid
from borealis_engine.devices import site_store, store
from borealis_engine.devices.deeds import Deeds
from borealis_engine.devices.models import DeviceEdit, Site
from borealis_engine.devices.names import clean_text
from borealis_engine.devices.ports import Actor
from borealis_engine.devices.registry import Registry
from borealis_engine.devices.store import not_found as device_not_found
from borealis_engine.storage import Database

MAX_DESCRIPTION: Final = 2000
MAX_NAME: Final = 128


class Sites:
    """Everything about sites. Limits of operators hold: a site out of sight is not found."""

    def __init__(self, *, db: Database, clock: Clock, registry: Registry, deeds: Deeds) -> None:
        self._db = db
        self._clock = clock
        self._registry = registry
        self._deeds = deeds

    def seen_by(self, actor: Actor) -> list[tuple[Site, int]]:
        """The sites that an operator may see, by name, each with how many devices it has."""
        counts = Counter(record.site_id for record in self._registry)
        visible = [site for site in self._registry.sites.values() if actor.sees_site(site.id)]
        return [(site, counts[site.id]) for site in sorted(visible, key=lambda site: site.name.casefold())]

    def get(self, actor: Actor, site_id: int) -> Site:
        """One site.

        Raises:
            NotFound: ``site_not_found``; also for one out of sight.
        """
        site = self._registry.sites.get(site_id)
        if site is None or not actor.sees_site(site_id):
            raise site_store.not_found(str(site_id))
        return site

    def ids(self, sites: frozenset[int] | None, names: Sequence[str]) -> list[int]:
        """The ids of sites by name, however it is capitalised; a name of digits may be an id.

        Raises:
            NotFound: ``site_not_found``; also for one outside ``sites``.
        """
        by_name = {
            site.name.casefold(): site.id for site in self._registry.sites.values() if sites is None or site.id in sites
        }
        found = []
        for name in names:
            site_id = by_name.get(name.strip().casefold())
            if site_id is None and name.isascii() and name.isdigit() and int(name) in by_name.values():
                site_id = int(name)
            if site_id is None:
                raise site_store.not_found(name)
            found.append(site_id)
        return found

    async def create(self, actor: Actor, *, name: str, description: str, address: str) -> Site:
        """Make a site.

        Raises:
            Forbidden: ``site_limited``.
            Invalid: ``invalid_site_name``.
            Conflict: ``site_exists``.
        """
        _require_all_sites(actor)
        checked, text = _check_name(name), _description(description)
        now = self._clock.now()

        def work(conn: Connection) -> Site:
            site = site_store.insert_site(conn, checked, text, now)
            audit_store.record(conn, _entry(actor, "site.create", site, address), now)
            return site

        site = await self._db.write(work)
        self._registry.sites[site.id] = site
        return site

    async def change(
        self, actor: Actor, site_id: int, *, name: str | None, description: str | None, address: str
    ) -> Site:
        """Give a site another name or description; None leaves it.

        Raises:
            NotFound: ``site_not_found``.
            Invalid: ``invalid_site_name``.
            Conflict: ``site_exists``.
        """
        before = self.get(actor, site_id)
        site = Site(
            site_id,
            before.name if name is None else _check_name(name),
            before.description if description is None else _description(description),
            before.created_at,
        )
        if site == before:
            return site
        now = self._clock.now()
        detail = {"name": before.name} if site.name != before.name else {}
        entry = _entry(actor, "site.change", site, address, before=detail)

        def work(conn: Connection) -> None:
            site_store.update_site(conn, site)
            audit_store.record(conn, entry, now)

        await self._db.write(work)
        self._registry.sites[site_id] = site
        for record in self._registry:
            if record.site_id == site_id:
                self._registry.publish(record, "site", site_name=site.name)
        return site

    async def delete(self, actor: Actor, site_ids: Sequence[int], *, address: str) -> int:
        """Remove sites, all or none; their devices are left without one, seen by operators of all sites only.

        Raises:
            Forbidden: ``site_limited``.
            NotFound: ``site_not_found``.
        """
        _require_all_sites(actor)
        going = [self.get(actor, site_id) for site_id in dict.fromkeys(site_ids)]
        now = self._clock.now()

        def work(conn: Connection) -> dict[int, list[str]]:
            left: dict[int, list[str]] = {}
            for site in going:
                left[site.id] = store.guids_of(conn, site_id=site.id)
                site_store.delete_site(conn, site.id)
                audit_store.record(conn, _entry(actor, "site.delete", site, address, devices=len(left[site.id])), now)
            return left

        left = await self._db.write(work)
        for site in going:
            del self._registry.sites[site.id]
            for guid in left[site.id]:
                self._deeds.moved(guid, None)
        return len(going)

    async def assign(self, actor: Actor, site_id: int | None, names: Sequence[str], *, address: str) -> int:
        """Put devices, by hostname or GUID, into a site; all or none. Gives how many.

        Raises:
            NotFound: ``site_not_found`` or ``device_not_found``.
            Forbidden: ``site_limited``.
        """
        records = []
        for name in names:
            record = self._registry.by_name(name) or self._registry.get(name.upper())
            if record is None or not actor.sees_site(record.site_id):
                raise device_not_found()
            records.append(record)
        guids = list(dict.fromkeys(record.guid for record in records))
        await self._deeds.edit(actor, guids, DeviceEdit(move=True, site_id=site_id), address=address)
        return len(guids)


def _require_all_sites(actor: Actor) -> None:
    if actor.sites is not None:
        raise Forbidden("site_limited", "Your account is limited to sites. This needs an Admin of all sites.")


def _check_name(name: str) -> str:
    cleaned = clean_text(name, MAX_NAME)
    # A name of digits would be taken for a number where sites are named by either.
    if not cleaned or cleaned != name.strip() or cleaned.isdigit():
        raise Invalid("invalid_site_name", f"A site's name has 1 to {MAX_NAME} printable characters, not only digits.")
    return cleaned


def _description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION or "\x00" in text:
        raise Invalid("invalid_description", f"A description has at most {MAX_DESCRIPTION} characters.")
    return text.strip()


def _entry(actor: Actor, action: str, site: Site, address: str, **detail: object) -> AuditEntry:
    return AuditEntry(
        actor=actor.username,
        action=action,
        target_kind="site",
        target=str(site.id),
        detail={"name": site.name, **detail},
        address=address,
        site_id=site.id,
    )
