"""Certificates by which devices' remote desktops are known."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "rdp_certificates",
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("trusted_by", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("guid", name="pk_rdp_certificates"),
    )
