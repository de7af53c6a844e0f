"""How a job's playbook is run, and the table of recaps."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make them."""
    op.add_column("jobs", sa.Column("playbook", sa.Text(), nullable=True))
    op.create_table(
        "ansible_play_recaps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("hostname", sa.String(253), nullable=False),
        sa.Column("agent_id", sa.String(320), nullable=False),
        sa.Column("playbook_path", sa.String(1024), nullable=False),
        sa.Column("playbook_name", sa.String(256), nullable=False),
        sa.Column("scheduled_job_id", sa.BigInteger(), nullable=True),
        sa.Column("scheduled_run_id", sa.BigInteger(), nullable=True),
        sa.Column("activity_job_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("recap_text", sa.Text(), nullable=False),
        sa.Column("recap_json", sa.Text(), nullable=False),
        sa.Column("started_ts", sa.Float(), nullable=True),
        sa.Column("finished_ts", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name="fk_ansible_play_recaps_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ansible_play_recaps"),
        sa.UniqueConstraint("run_id", name="uq_ansible_play_recaps_run_id"),
    )
    op.create_index("ix_ansible_play_recaps_hostname", "ansible_play_recaps", ["hostname"])
