"""Table of the certificates by which devices' remote desktops are known."""

from typing import Final

from sqlalchemy import Column, Float, String, Table

from borealis_engine.storage.metadata import metadata

rdp_certificates: Final = Table(
    "rdp_certificates",
    metadata,
    # No foreign key: a row of a device that was deleted is worth nothing, and does no harm.
    Column("guid", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("since", Float, nullable=False),
    Column("trusted_by", String(256), nullable=False),
)
