"""Tables of credentials, with upstream's names where it has them (upstream-contract 8). Times are Unix seconds."""

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from borealis_engine.storage.metadata import metadata

credentials: Final = Table(
    "credentials",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(128), nullable=False),
    Column("name_key", String(512), nullable=False),
    Column("description", Text, nullable=False),
    # No foreign key: of a site that is gone nobody may use it, and none may come to be of all sites by that.
    Column("site_id", Integer, nullable=True),
    Column("kind", String(16), nullable=False),
    Column("username", String(256), nullable=False),
    Column("secret_kind", String(16), nullable=False),
    Column("key_fingerprint", String(64), nullable=False),
    Column("transport", String(16), nullable=False),
    Column("become_method", String(16), nullable=False),
    Column("become_username", String(256), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("used_at", Float, nullable=True),
    UniqueConstraint("name_key"),
    # Never the number of a deleted credential again: orders that name it are still about.
    sqlite_autoincrement=True,
)
credential_uses: Final = Table(
    "credential_uses",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("credential_id", Integer, ForeignKey("credentials.id"), nullable=False),
    Index(None, "credential_id"),
)
"""Which runs were started with which credential; rows go when the run is over."""
