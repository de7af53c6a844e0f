"""Table of samples: one row for each site that has something to count, and always one for no site (0)."""

from typing import Final

from sqlalchemy import Column, Integer, Table

from borealis_engine.storage.metadata import metadata

overview_samples: Final = Table(
    "overview_samples",
    metadata,
    # Unix seconds divided by 300. The site is no foreign key: what a removed site had was part of the fleet.
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("online", Integer, nullable=False),
    Column("offline", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("revoked", Integer, nullable=False),
    Column("outdated", Integer, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
)
