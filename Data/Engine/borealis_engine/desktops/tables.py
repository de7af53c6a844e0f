"""Table of policies: a row for each site that has one, and one without a site for all others."""

from typing import Final

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, String, Table, UniqueConstraint

from borealis_engine.storage.metadata import metadata

desktop_policy: Final = Table(
    "desktop_policy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_id", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=True),
    Column("consent", String(16), nullable=False),
    Column("ask_seconds", Integer, nullable=False),
    Column("view_only", Boolean, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("updated_by", String(256), nullable=False),
    UniqueConstraint("site_id"),
)
