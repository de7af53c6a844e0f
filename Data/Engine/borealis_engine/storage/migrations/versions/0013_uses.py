"""Rows of activity that are no runs, and the index by which runs are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make them."""
    op.add_column("runs", sa.Column("kind", sa.String(16), nullable=False, server_default="job"))
    op.drop_index("ix_runs_created_at", table_name="runs")
    op.create_index("ix_runs_created_at", "runs", ["created_at", "status", "site_id", "kind"])
