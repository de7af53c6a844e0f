"""Tables of the library. Names are upstream's where upstream has them; times are Unix seconds.

A document is stored once under its checksum, so that renaming, restoring and cloning cost no second copy of it.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from borealis_engine.storage.metadata import metadata

script_documents: Final = Table(
    "script_documents",
    metadata,
    Column("checksum", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("size_bytes", Integer, nullable=False),
)
scripts: Final = Table(
    "scripts",
    metadata,
    Column("guid", String(64), primary_key=True),
    Column("domain", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("deleted_at", Float, nullable=True),
)
script_versions: Final = Table(
    "script_versions",
    metadata,
    Column("guid", String(64), ForeignKey("scripts.guid"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("saved_at", Float, nullable=False),
    Column("saved_by", String(256), nullable=False),
    Column("comment", Text, nullable=False),
    Column("display_name", String(256), nullable=False),
    Column("summary", Text, nullable=False),
    Column("category", String(128), nullable=False),
    Column("type", String(32), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("metadata", JSON, key="extra", nullable=False),
    Column("checksum", String(64), ForeignKey("script_documents.checksum"), nullable=False),
)
device_list_views: Final = Table(
    "device_list_views",
    metadata,
    Column("id", Integer, primary_key=True),
    # Not the operator's id: the owner of the Engine has none, and shared ones outlive their maker's account.
    Column("owner", String(256), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("name", String(256), nullable=False),
    # "" for shared ones, the owner's name for private ones: names are unique within it.
    Column("name_scope", String(256), nullable=False),
    Column("name_key", String(1024), nullable=False),
    Column("columns_json", JSON, nullable=False),
    Column("filters_json", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("name_scope", "name_key"),
)
device_filters: Final = Table(
    "device_filters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(256), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("name", String(256), nullable=False),
    Column("name_scope", String(256), nullable=False),
    Column("name_key", String(1024), nullable=False),
    Column("description", Text, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("site_limited", Boolean, nullable=False),
    Column("basic_criteria_json", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("last_edited_by", String(256), nullable=False),
    UniqueConstraint("name_scope", "name_key"),
)
device_filter_sites: Final = Table(
    "device_filter_sites",
    metadata,
    Column("filter_id", Integer, ForeignKey("device_filters.id", ondelete="CASCADE"), primary_key=True),
    Column("site_id", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Index(None, "site_id"),
)
