"""Policies of remote desktops."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "desktop_policy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("consent", sa.String(16), nullable=False),
        sa.Column("ask_seconds", sa.Integer(), nullable=False),
        sa.Column("view_only", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.String(256), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_desktop_policy_site_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_desktop_policy"),
        sa.UniqueConstraint("site_id", name="uq_desktop_policy_site_id"),
    )
