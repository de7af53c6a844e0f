"""What operators save of how they look at devices: views of the table, and filters; one's own, or for everybody.

Saving for oneself needs no right but an account; what is shared needs ``devices.edit``, and who is limited to sites
changes of the shared ones only what they made.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Table

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from borealis_engine.library import saved_store as store
from borealis_engine.library.models import SavedFilter, SavedView
from borealis_engine.library.tables import device_filters, device_list_views
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.storage import Database
from borealis_wire.limits import KIB

MAX_OF_ONE: Final = 200
MAX_SHARED: Final = 1000
MAX_BYTES: Final = 64 * KIB
MAX_NAME: Final = 128
MAX_DESCRIPTION: Final = 2000
_Saved = SavedView | SavedFilter


class SavedThings:
    """Views and filters. A private one does not exist for anybody else, an Admin included."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    # --- views

    async def views(self, principal: Principal) -> list[SavedView]:
        """Shared views and one's own, by name."""
        return await self._db.read(lambda connection: store.views(connection, principal.username))

    async def save_view(
        self,
        principal: Principal,
        number: int | None,
        *,
        name: str,
        shared: bool,
        columns: list[Any],
        filters: Mapping[str, Any],
        address: str = "",
    ) -> SavedView:
        """Make a view, or change the one with this number.

        Raises:
            Conflict: ``name_taken``, ``too_many_saved``.
            Forbidden: ``forbidden``, ``not_yours``.
            Invalid: ``invalid_name``.
            NotFound: ``view_not_found``.
            TooLarge: ``too_large``.
        """
        _check_size(columns, filters)
        values = {"columns_json": columns, "filters_json": dict(filters)}
        checked = _check_name(name)

        def work(connection: Connection) -> SavedView:
            before = None if number is None else store.view(connection, principal.username, number)
            found = self._save(
                connection,
                principal,
                device_list_views,
                before,
                name=checked,
                shared=shared,
                values=values,
                address=address,
            )
            return store.view(connection, principal.username, found)

        return await self._db.write(work)

    async def delete_view(self, principal: Principal, number: int, *, address: str = "") -> None:
        """Delete a view.

        Raises:
            Forbidden: ``forbidden``, ``not_yours``.
            NotFound: ``view_not_found``.
        """

        def work(connection: Connection) -> None:
            before = store.view(connection, principal.username, number)
            self._remove(connection, principal, device_list_views, before, address=address)

        await self._db.write(work)

    # --- filters

    async def filters(self, principal: Principal) -> list[SavedFilter]:
        """Shared filters and one's own, by name; those of other sites only are left out."""
        found = await self._db.read(lambda connection: store.filters(connection, principal.username))
        return [shown for item in found if (shown := _within_sites(principal, item)) is not None]

    async def filter(self, principal: Principal, number: int) -> SavedFilter:
        """One filter.

        Raises:
            NotFound: ``filter_not_found``; also for one of other sites only.
        """
        return await self._db.read(lambda connection: self._visible_filter(connection, principal, number))

    async def save_filter(
        self,
        principal: Principal,
        number: int | None,
        *,
        name: str,
        shared: bool,
        description: str,
        archived: bool,
        site_ids: tuple[int, ...] | None,
        criteria: Mapping[str, Any],
        address: str = "",
    ) -> SavedFilter:
        """Make a filter, or change the one with this number. ``site_ids`` None: of all sites.

        Raises:
            Conflict: ``name_taken``, ``too_many_saved``.
            Forbidden: ``forbidden``, ``not_yours``.
            Invalid: ``invalid_name``, ``invalid_description``.
            NotFound: ``filter_not_found``, ``site_not_found``.
            TooLarge: ``too_large``.
        """
        _check_size(criteria)
        checked = _check_name(name)
        if len(description) > MAX_DESCRIPTION or "\0" in description:
            raise Invalid("invalid_description", f"A description has at most {MAX_DESCRIPTION} characters.")
        for site_id in site_ids or ():
            if not principal.sees_site(site_id):
                raise NotFound("site_not_found", f"There is no site {site_id}, or you may not see it.")
        values = {
            "description": description.strip(),
            "archived": archived,
            "site_limited": site_ids is not None,
            "basic_criteria_json": dict(criteria),
            "last_edited_by": principal.username,
        }

        def work(connection: Connection) -> SavedFilter:
            before = None if number is None else self._visible_filter(connection, principal, number)
            found = self._save(
                connection,
                principal,
                device_filters,
                before,
                name=checked,
                shared=shared,
                values=values,
                address=address,
            )
            store.set_sites(connection, found, site_ids or ())
            return store.saved_filter(connection, principal.username, found)

        return await self._db.write(work)

    async def delete_filter(self, principal: Principal, number: int, *, address: str = "") -> None:
        """Delete a filter.

        Raises:
            Forbidden: ``forbidden``, ``not_yours``.
            NotFound: ``filter_not_found``.
        """

        def work(connection: Connection) -> None:
            before = self._visible_filter(connection, principal, number)
            self._remove(connection, principal, device_filters, before, address=address)

        await self._db.write(work)

    async def forget(self, username: str) -> None:
        """An account is gone: what it kept for itself goes too, or a later one of that name would find it."""
        await self._db.write(lambda connection: store.forget(connection, username))

    def _save(
        self,
        connection: Connection,
        principal: Principal,
        table: Table,
        before: _Saved | None,
        *,
        name: str,
        shared: bool,
        values: dict[str, Any],
        address: str,
    ) -> int:
        now = self._clock.now()
        owner = principal.username if before is None else before.owner
        scope = "" if shared else owner
        values = {
            **values,
            "name": name,
            "name_key": name.casefold(),
            "name_scope": scope,
            "shared": shared,
            "updated_at": now,
        }
        if before is None:
            _check_may_share(principal, shared=shared)
            limit = MAX_SHARED if shared else MAX_OF_ONE
            if store.count(connection, table, scope) >= limit:
                raise Conflict("too_many_saved", f"There are {limit} of them, the most there can be. Delete some.")
            number = store.add(connection, table, {**values, "owner": owner, "created_at": now})
        else:
            require_change(principal, before)
            _check_may_share(principal, shared=shared)
            if before.shared and not shared and before.owner != principal.username:
                raise Forbidden("not_yours", f"Only {before.owner} may take this away from everybody.")
            number = before.id
            store.change(connection, table, number, values)
        if shared or (before is not None and before.shared):
            verb = "create" if before is None else "change"
            self._record(connection, _entry(principal, f"{_noun(table)}.{verb}", number, name, address))
        return number

    def _remove(
        self, connection: Connection, principal: Principal, table: Table, before: _Saved, *, address: str
    ) -> None:
        require_change(principal, before)
        store.remove(connection, table, before.id)
        if before.shared:
            self._record(connection, _entry(principal, f"{_noun(table)}.delete", before.id, before.name, address))

    def _record(self, connection: Connection, entry: AuditEntry) -> None:
        audit_store.record(connection, entry, self._clock.now())

    @staticmethod
    def _visible_filter(connection: Connection, principal: Principal, number: int) -> SavedFilter:
        shown = _within_sites(principal, store.saved_filter(connection, principal.username, number))
        if shown is None:
            raise NotFound("filter_not_found", "There is no such filter, or it is of other sites.")
        return shown


def may_change(principal: Principal, saved: _Saved) -> bool:
    """Whether this operator may change or delete it."""
    try:
        require_change(principal, saved)
    except Forbidden:
        return False
    return True


def require_change(principal: Principal, saved: _Saved) -> None:
    """Let pass who may change or delete it.

    Raises:
        Forbidden: ``forbidden``, ``not_yours``.
    """
    if not saved.shared:
        return  # it is their own, or they would not have found it
    _check_may_share(principal, shared=True)
    if principal.sites is not None and saved.owner != principal.username:
        raise Forbidden("not_yours", f"It belongs to {saved.owner}, and your account is limited to sites.")


def _check_may_share(principal: Principal, *, shared: bool) -> None:
    if shared and not principal.may(Permission.DEVICES_EDIT):
        raise Forbidden("forbidden", f"To share needs the permission {Permission.DEVICES_EDIT}. Keep it for yourself.")


def _within_sites(principal: Principal, item: SavedFilter) -> SavedFilter | None:
    """The filter as this operator may see it; None where nothing of it is theirs to see."""
    if item.site_ids is None or principal.sites is None:
        return item
    theirs = tuple(site for site in item.site_ids if principal.sees_site(site))
    if not theirs and item.owner != principal.username:
        return None
    return replace(item, site_ids=theirs)


def _check_name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise Invalid("invalid_name", f"A name has 1 to {MAX_NAME} printable characters.")
    return name


def _check_size(*values: Any) -> None:
    if sum(len(json.dumps(value)) for value in values) > MAX_BYTES:
        raise TooLarge("too_large", f"What is saved takes more than {MAX_BYTES} bytes.")


def _noun(table: Table) -> str:
    return "view" if table is device_list_views else "filter"


def _entry(principal: Principal, action: str, number: int, name: str, address: str) -> AuditEntry:
    kind = action.partition(".")[0]
    return AuditEntry(principal.username, action, kind, str(number), {"name": name}, address)
