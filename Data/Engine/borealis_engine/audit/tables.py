"""Table of the audit log. The triggers that refuse UPDATE and DELETE are in migration 0002."""

from typing import Final

from sqlalchemy import JSON, Column, Float, Index, Integer, Table, Text

from borealis_engine.storage.metadata import metadata

audit_log: Final = Table(
    "audit_log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("address", Text, nullable=False),
    Column("site_id", Integer, nullable=True),
    Index("ix_audit_log_actor", "actor", "id"),
    Index("ix_audit_log_target", "target", "id"),
    Index("ix_audit_log_at", "at"),
    sqlite_autoincrement=True,
)
