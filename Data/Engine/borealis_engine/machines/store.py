"""SQL of machines without an agent."""

from sqlalchemy import Connection, delete, insert, select

from borealis_engine.machines.tables import machines


def load_all(conn: Connection) -> list[tuple[str, bytes]]:
    """GUID and what is sealed, of all."""
    return [(row.guid, bytes(row.sealed)) for row in conn.execute(select(machines.c.guid, machines.c.sealed))]


def put(conn: Connection, guid: str, sealed: bytes, now: float) -> None:
    """Store one, in place of what it was."""
    conn.execute(delete(machines).where(machines.c.guid == guid))
    conn.execute(insert(machines).values(guid=guid, sealed=sealed, updated_at=now))
