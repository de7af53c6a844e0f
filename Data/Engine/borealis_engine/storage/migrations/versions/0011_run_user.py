"""Which signed-in user a run is for, and whose agent got it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make them."""
    op.add_column("runs", sa.Column("run_as_user", sa.String(256), nullable=True))
    op.add_column("runs", sa.Column("ran_as_user", sa.String(256), nullable=True))
