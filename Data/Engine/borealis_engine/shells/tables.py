"""Table of recordings: a row for each shell that was recorded; what it printed is a file."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table

from borealis_engine.storage.metadata import metadata

recordings: Final = Table(
    "recordings",
    metadata,
    # Neither device nor operator is a foreign key: what was done stays on record when they are gone.
    Column("recording_id", String(64), primary_key=True),
    Column("session_id", String(64), nullable=False),
    Column("guid", String(64), nullable=False),
    Column("hostname", String(253), nullable=False),
    Column("site_id", Integer, nullable=True),
    Column("username", String(256), nullable=False),
    Column("account", String(256), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=True),
    Column("seconds", Float, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("cut", Boolean, nullable=False),
    Column("status", Integer, nullable=True),
    Index(None, "started_at"),
    Index(None, "guid", "started_at"),
)
