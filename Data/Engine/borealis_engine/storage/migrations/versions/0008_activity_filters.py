"""Indexes for activity and audit log by person, device name and time."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make them."""
    op.create_index("ix_jobs_created_by", "jobs", ["created_by"])
    op.create_index("ix_runs_hostname_id", "runs", ["hostname", "id"])
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
