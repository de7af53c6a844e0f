"""SQL of known certificates. Plain functions of a connection."""

from sqlalchemy import Connection, delete, insert, select

from borealis_engine.rdp.tables import rdp_certificates


def get(connection: Connection, guid: str) -> str:
    """SHA-256, in hex, of the certificate that a device is known by; empty for none yet."""
    query = select(rdp_certificates.c.sha256).where(rdp_certificates.c.guid == guid)
    return connection.execute(query).scalar() or ""


def put(connection: Connection, guid: str, *, sha256: str, since: float, trusted_by: str) -> None:
    """From now on the device is known by this one."""
    connection.execute(delete(rdp_certificates).where(rdp_certificates.c.guid == guid))
    values = {"guid": guid, "sha256": sha256, "since": since, "trusted_by": trusted_by}
    connection.execute(insert(rdp_certificates).values(values))
