"""Tables of rollouts of the agent, and of the updates in them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "agent_rollouts",
        sa.Column("rollout_id", sa.String(64), nullable=False),
        sa.Column("build_id", sa.String(64), nullable=False),
        sa.Column("release", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("allow_older", sa.Boolean(), nullable=False),
        sa.Column("at_once", sa.Integer(), nullable=False),
        sa.Column("stop_after", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.String(256), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("rollout_id", name="pk_agent_rollouts"),
    )
    op.create_index("ix_agent_rollouts_state", "agent_rollouts", ["state"])
    op.create_table(
        "agent_updates",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("rollout_id", sa.String(64), nullable=False),
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("from_build", sa.String(256), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollout_id"],
            ["agent_rollouts.rollout_id"],
            name="fk_agent_updates_rollout_id_agent_rollouts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_id", name="pk_agent_updates"),
    )
    op.create_index("ix_agent_updates_rollout_id", "agent_updates", ["rollout_id"])
    op.create_index("ix_agent_updates_guid", "agent_updates", ["guid"])
