"""Tables of tunnels. Times are Unix seconds."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from borealis_engine.storage.metadata import metadata

tunnels: Final = Table(
    "tunnels",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("tunnel_id", String(64), nullable=False, unique=True),
    # No foreign key: that there was a tunnel stays on record when the device is deleted.
    Column("guid", String(64), nullable=False),
    Column("hostname", String(253), nullable=False),
    Column("site_id", Integer, nullable=True),
    Column("address", String(64), nullable=False),
    Column("public_key", String(64), nullable=False),
    Column("endpoint", String(512), nullable=False),
    Column("started_by", String(256), nullable=False),
    Column("started_at", Float, nullable=False),
    # JSON list of user names.
    Column("operators", Text, nullable=False),
    # JSON list: what is open.
    Column("allowed_ports", Text, nullable=False),
    Column("last_used", Float, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    # Null while it is up: then this row is the lease of its address.
    Column("ended_at", Float, nullable=True),
    Column("reason", String(64), nullable=False),
    Index("ix_tunnels_guid", "guid"),
    Index("ix_tunnels_ended_at", "ended_at"),
)

device_vpn_config: Final = Table(
    "device_vpn_config",
    metadata,
    # Upstream's name; the GUID is what stands in it, because a device keeps that when it is renamed.
    Column("agent_id", String(64), primary_key=True),
    Column("allowed_ports", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("updated_by", String(256), nullable=False),
)
