"""Tunnels there are and were, and the allow-lists of devices."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "tunnels",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tunnel_id", sa.String(64), nullable=False),
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("hostname", sa.String(253), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("public_key", sa.String(64), nullable=False),
        sa.Column("endpoint", sa.String(512), nullable=False),
        sa.Column("started_by", sa.String(256), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("operators", sa.Text(), nullable=False),
        sa.Column("allowed_ports", sa.Text(), nullable=False),
        sa.Column("last_used", sa.Float(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tunnels"),
        sa.UniqueConstraint("tunnel_id", name="uq_tunnels_tunnel_id"),
    )
    op.create_index("ix_tunnels_guid", "tunnels", ["guid"])
    op.create_index("ix_tunnels_ended_at", "tunnels", ["ended_at"])
    op.create_table(
        "device_vpn_config",
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("allowed_ports", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", name="pk_device_vpn_config"),
    )
