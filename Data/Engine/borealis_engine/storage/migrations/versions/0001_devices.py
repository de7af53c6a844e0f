"""Tables of sites, devices, their keys and their inventory."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make sites, devices, device_keys and device_inventory."""
    op.create_table(
        "sites",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("name_key", sa.String(1024), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.UniqueConstraint("name_key", name="uq_sites_name_key"),
        sqlite_autoincrement=True,
    )
    _devices()
    op.create_table(
        "device_keys",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("ssl_key_fingerprint", sa.String(64), nullable=False),
        sa.Column("added_at", sa.Float, nullable=False),
        sa.Column("retired_at", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_device_keys"),
        sa.UniqueConstraint("guid", "ssl_key_fingerprint", name="uq_device_keys_guid_ssl_key_fingerprint"),
        _of_device("device_keys"),
    )
    op.create_table(
        "device_inventory",
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("section", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("dropped", sa.Integer, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("guid", "section", name="pk_device_inventory"),
        _of_device("device_inventory"),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("hostname", sa.String(253), nullable=False),
        sa.Column("hostname_key", sa.String(1024), nullable=False),
        sa.Column("reported_hostname", sa.String(253), nullable=False),
        sa.Column("named_by_operator", sa.Boolean, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("site_id", sa.Integer),
        sa.Column("ssl_key_fingerprint", sa.String(64), nullable=False),
        sa.Column("public_key_spki", sa.LargeBinary, nullable=False),
        sa.Column("token_version", sa.Integer, nullable=False),
        sa.Column("key_added_at", sa.Float, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("last_seen", sa.Float, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent_id", sa.String(512), nullable=False),
        sa.Column("agent_build_id", sa.String(256), nullable=False),
        sa.Column("connection_type", sa.String(256), nullable=False),
        sa.Column("connection_endpoint", sa.String(256), nullable=False),
        sa.Column("device_type", sa.String(256), nullable=False),
        sa.Column("domain", sa.String(256), nullable=False),
        sa.Column("external_ip", sa.String(256), nullable=False),
        sa.Column("internal_ip", sa.String(256), nullable=False),
        sa.Column("last_reboot", sa.String(256), nullable=False),
        sa.Column("last_user", sa.String(256), nullable=False),
        sa.Column("operating_system", sa.String(256), nullable=False),
        sa.Column("uptime", sa.BigInteger, nullable=False),
        sa.Column("cpu_percent", sa.Float),
        sa.Column("memory_percent", sa.Float),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("duplicate_suspected", sa.Boolean, nullable=False),
        sa.Column("duplicate_reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("guid", name="pk_devices"),
        sa.UniqueConstraint("hostname_key", name="uq_devices_hostname_key"),
        sa.UniqueConstraint("ssl_key_fingerprint", name="uq_devices_ssl_key_fingerprint"),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_devices_site_id", ondelete="SET NULL"),
    )
    op.create_index("ix_devices_site_id", "devices", ["site_id"])


def _of_device(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["guid"], ["devices.guid"], name=f"fk_{table}_guid", ondelete="CASCADE")
