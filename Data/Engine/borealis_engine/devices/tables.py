"""Tables of devices and sites. Names of columns are upstream's (upstream-contract 10); times are Unix seconds.

Inventory is apart from ``devices``: the record is read often and whole, the inventory seldom and for one device.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
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

sites: Final = Table(
    "sites",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(256), nullable=False),
    Column("name_key", String(1024), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("name_key"),
    # Never the number of a removed site again: old runs and audit entries would show up in the new one.
    sqlite_autoincrement=True,
)
devices: Final = Table(
    "devices",
    metadata,
    Column("guid", String(64), primary_key=True),
    Column("hostname", String(253), nullable=False),
    Column("hostname_key", String(1024), nullable=False),
    Column("reported_hostname", String(253), nullable=False),
    Column("named_by_operator", Boolean, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("site_id", Integer, ForeignKey("sites.id", ondelete="SET NULL"), nullable=True),
    Column("ssl_key_fingerprint", String(64), nullable=False),
    Column("public_key_spki", LargeBinary, nullable=False),
    Column("token_version", Integer, nullable=False),
    Column("key_added_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent_id", String(512), nullable=False),
    Column("agent_build_id", String(256), nullable=False),
    Column("connection_type", String(256), nullable=False),
    Column("connection_endpoint", String(256), nullable=False),
    Column("device_type", String(256), nullable=False),
    Column("domain", String(256), nullable=False),
    Column("external_ip", String(256), nullable=False),
    Column("internal_ip", String(256), nullable=False),
    Column("last_reboot", String(256), nullable=False),
    Column("last_user", String(256), nullable=False),
    Column("operating_system", String(256), nullable=False),
    Column("uptime", BigInteger, nullable=False),
    Column("cpu_percent", Float, nullable=True),
    Column("memory_percent", Float, nullable=True),
    Column("roles", JSON, nullable=False),
    Column("duplicate_suspected", Boolean, nullable=False),
    Column("duplicate_reason", Text, nullable=False),
    UniqueConstraint("hostname_key"),
    UniqueConstraint("ssl_key_fingerprint"),
    Index(None, "site_id"),
)
device_keys: Final = Table(
    "device_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("guid", String(64), ForeignKey("devices.guid", ondelete="CASCADE"), nullable=False),
    Column("ssl_key_fingerprint", String(64), nullable=False),
    Column("added_at", Float, nullable=False),
    Column("retired_at", Float, nullable=True),
    UniqueConstraint("guid", "ssl_key_fingerprint"),
)
device_inventory: Final = Table(
    "device_inventory",
    metadata,
    Column("guid", String(64), ForeignKey("devices.guid", ondelete="CASCADE"), primary_key=True),
    Column("section", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("dropped", Integer, nullable=False),
    Column("changed_at", Float, nullable=False),
)
