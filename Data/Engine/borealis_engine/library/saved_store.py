"""SQL of saved views and filters. Plain functions of a connection; the service decides."""

from typing import Any

from sqlalchemy import Connection, Row, Select, Table, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from borealis_engine.core.errors import Conflict, NotFound
from borealis_engine.library.models import SavedFilter, SavedView
from borealis_engine.library.tables import device_filter_sites, device_filters, device_list_views


def views(connection: Connection, owner: str) -> list[SavedView]:
    """Shared views and this owner's private ones, by name."""
    return [_view(row) for row in connection.execute(_visible(device_list_views, owner))]


def view(connection: Connection, owner: str, number: int) -> SavedView:
    """One of :func:`views`.

    Raises:
        NotFound: ``view_not_found``.
    """
    row = connection.execute(_visible(device_list_views, owner).where(device_list_views.c.id == number)).first()
    if row is None:
        raise NotFound("view_not_found", "There is no such view, or it is somebody's own.")
    return _view(row)


def filters(connection: Connection, owner: str) -> list[SavedFilter]:
    """Shared filters and this owner's private ones, by name."""
    rows = list(connection.execute(_visible(device_filters, owner)))
    sites: dict[int, list[int]] = {}
    for filter_id, site_id in connection.execute(
        select(device_filter_sites.c.filter_id, device_filter_sites.c.site_id)
    ):
        sites.setdefault(filter_id, []).append(site_id)
    return [_filter(row, sites.get(row.id, [])) for row in rows]


def saved_filter(connection: Connection, owner: str, number: int) -> SavedFilter:
    """One of :func:`filters`.

    Raises:
        NotFound: ``filter_not_found``.
    """
    row = connection.execute(_visible(device_filters, owner).where(device_filters.c.id == number)).first()
    if row is None:
        raise NotFound("filter_not_found", "There is no such filter, or it is somebody's own.")
    query = select(device_filter_sites.c.site_id).where(device_filter_sites.c.filter_id == number)
    return _filter(row, list(connection.execute(query).scalars()))


def count(connection: Connection, table: Table, scope: str) -> int:
    """How many an owner has, or with an empty scope how many are shared."""
    query = select(func.count()).select_from(table).where(table.c.name_scope == scope)
    return int(connection.execute(query).scalar_one())


def add(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    """Store a new one; gives its number.

    Raises:
        Conflict: ``name_taken``.
    """
    try:
        result = connection.execute(insert(table).values(**values))
    except IntegrityError as error:
        raise _taken(values["name"]) from error
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def change(connection: Connection, table: Table, number: int, values: dict[str, Any]) -> None:
    """Set columns.

    Raises:
        Conflict: ``name_taken``.
    """
    try:
        connection.execute(update(table).where(table.c.id == number).values(**values))
    except IntegrityError as error:
        raise _taken(values["name"]) from error


def remove(connection: Connection, table: Table, number: int) -> None:
    """Delete one."""
    connection.execute(delete(table).where(table.c.id == number))


def forget(connection: Connection, owner: str) -> None:
    """Delete what an owner kept for themselves."""
    for table in (device_list_views, device_filters):
        theirs = func.lower(table.c.owner) == owner.lower()  # user names are ASCII, and case tells nobody apart
        connection.execute(delete(table).where(theirs, table.c.shared.is_(False)))


def set_sites(connection: Connection, number: int, sites: tuple[int, ...]) -> None:
    """The sites of a filter.

    Raises:
        NotFound: ``site_not_found``.
    """
    connection.execute(delete(device_filter_sites).where(device_filter_sites.c.filter_id == number))
    for site_id in dict.fromkeys(sites):
        if connection.execute(text("SELECT 1 FROM sites WHERE id = :id"), {"id": site_id}).first() is None:
            raise NotFound("site_not_found", f"There is no site {site_id}, or you may not see it.")
        connection.execute(insert(device_filter_sites).values(filter_id=number, site_id=site_id))


def _visible(table: Table, owner: str) -> Select[Any]:
    return (
        select(table)
        .where(or_(table.c.shared.is_(True), table.c.owner == owner))
        .order_by(table.c.name_key, table.c.id)
    )


def _taken(name: str) -> Conflict:
    return Conflict("name_taken", f"{name!r} is there already. Choose another name.")


def _view(row: Row[Any]) -> SavedView:
    return SavedView(
        id=row.id,
        name=row.name,
        shared=row.shared,
        owner=row.owner,
        columns=row.columns_json,
        filters=row.filters_json,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _filter(row: Row[Any], sites: list[int]) -> SavedFilter:
    return SavedFilter(
        id=row.id,
        name=row.name,
        shared=row.shared,
        owner=row.owner,
        description=row.description,
        archived=row.archived,
        site_ids=tuple(sorted(sites)) if row.site_limited else None,
        criteria=row.basic_criteria_json,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.last_edited_by,
    )
