"""SQL of policies. Plain functions of a connection."""

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select

from borealis_engine.desktops.models import DesktopPolicy
from borealis_engine.desktops.tables import desktop_policy
from borealis_wire.desktop import Consent


def load(conn: Connection) -> dict[int | None, DesktopPolicy]:
    """Every policy that somebody set, by site; that of all others under None."""
    return {row["site_id"]: _read(row) for row in conn.execute(select(desktop_policy)).mappings()}


def put(conn: Connection, policy: DesktopPolicy) -> None:
    """Set a policy in place of what there was."""
    remove(conn, policy.site_id)
    conn.execute(
        insert(desktop_policy).values(
            site_id=policy.site_id,
            consent=policy.consent.value,
            ask_seconds=policy.ask_seconds,
            view_only=policy.view_only,
            updated_at=policy.updated_at,
            updated_by=policy.updated_by,
        )
    )


def remove(conn: Connection, site_id: int | None) -> None:
    """Forget a policy."""
    conn.execute(delete(desktop_policy).where(_of(site_id)))


def _of(site_id: int | None) -> ColumnElement[bool]:
    return desktop_policy.c.site_id.is_(None) if site_id is None else desktop_policy.c.site_id == site_id


def _read(row: RowMapping) -> DesktopPolicy:
    return DesktopPolicy(
        site_id=row["site_id"],
        consent=Consent(row["consent"]),
        ask_seconds=row["ask_seconds"],
        view_only=row["view_only"],
        updated_at=row["updated_at"],
        updated_by=row["updated_by"],
    )
