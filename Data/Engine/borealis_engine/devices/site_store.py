"""SQL of sites. Plain functions of a connection."""

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from borealis_engine.core.errors import Conflict, NotFound
from borealis_engine.devices.models import Site
from borealis_engine.devices.tables import sites


def load_sites(conn: Connection) -> list[Site]:
    """All sites by name."""
    query = select(sites.c.id, sites.c.name, sites.c.description, sites.c.created_at).order_by(sites.c.name_key)
    return [Site(*row) for row in conn.execute(query)]


def insert_site(conn: Connection, name: str, description: str, now: float) -> Site:
    """Make a site.

    Raises:
        Conflict: ``site_exists``.
    """
    _check_free(conn, name, 0)
    try:
        result = conn.execute(
            insert(sites).values(name=name, name_key=name.casefold(), description=description, created_at=now)
        )
    except IntegrityError as error:
        raise _exists(name) from error
    key = result.inserted_primary_key
    assert key is not None
    return Site(int(key[0]), name, description, now)


def update_site(conn: Connection, site: Site) -> None:
    """Store a site's name and description.

    Raises:
        Conflict: ``site_exists``.
        NotFound: ``site_not_found``.
    """
    _check_free(conn, site.name, site.id)
    changed = conn.execute(
        update(sites)
        .where(sites.c.id == site.id)
        .values(name=site.name, name_key=site.name.casefold(), description=site.description)
    ).rowcount
    if not changed:
        raise not_found(str(site.id))


def delete_site(conn: Connection, site_id: int) -> None:
    """Remove a site; its devices and operators stay, without it.

    Raises:
        NotFound: ``site_not_found``.
    """
    if not conn.execute(delete(sites).where(sites.c.id == site_id)).rowcount:
        raise not_found(str(site_id))


def not_found(name: str) -> NotFound:
    """The error for a site that is not there, or not for this caller."""
    return NotFound("site_not_found", f"There is no site {name!r}, or you may not see it.")


def _check_free(conn: Connection, name: str, own_id: int) -> None:
    holder = conn.execute(select(sites.c.id).where(sites.c.name_key == name.casefold())).scalar()
    if holder is not None and holder != own_id:
        raise _exists(name)


def _exists(name: str) -> Conflict:
    return Conflict("site_exists", f"There is a site {name!r} already. Choose another name.")
