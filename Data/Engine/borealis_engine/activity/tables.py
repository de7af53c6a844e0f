"""Tables of activity: jobs, runs, their live output, and the numbers given to runs. Times are Unix seconds."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from borealis_engine.storage import metadata

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("source", String(32), nullable=False),
    Column("script_name", String(256), nullable=False),
    Column("script_type", String(32), nullable=False),
    Column("script_sha256", String(64), nullable=False),
    Column("script", LargeBinary, nullable=False),
    Column("script_signature", Text, nullable=False),
    Column("signing_key", Text, nullable=False),
    Column("variables", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("files", Text, nullable=False),
    Column("context", String(16), nullable=False),
    Column("timeout_seconds", Integer, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    # Which stored script it was, and which version of it; null where the script was typed in.
    Column("assembly_guid", String(64), nullable=True),
    Column("assembly_version", Integer, nullable=True),
    # JSON: how a playbook is run; null for scripts.
    Column("playbook", Text, nullable=True),
    Index("ix_jobs_created_at", "created_at"),
    Index("ix_jobs_created_by", "created_by"),
)

runs: Final = Table(
    "runs",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("run_id", String(64), nullable=False, unique=True),
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    # "job", or which use of the device it is (``uses``).
    Column("kind", String(16), nullable=False, server_default="job"),
    Column("device_guid", String(64), nullable=False),
    Column("hostname", String(253), nullable=False),
    Column("site_id", Integer),
    Column("context", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("ended_by", String(8), nullable=False),
    Column("envelope", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("sent_at", Float),
    Column("accepted_at", Float),
    Column("cancel_requested_at", Float),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("exit_code", BigInteger),
    Column("stdout", Text, nullable=False),
    Column("stderr", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # The signed-in user whom the operator named, and the one whose agent got it; null for none.
    Column("run_as_user", String(256)),
    Column("ran_as_user", String(256)),
    Index("ix_runs_job_id", "job_id"),
    Index("ix_runs_device_guid_id", "device_guid", "id"),
    Index("ix_runs_hostname_id", "hostname", "id"),
    Index("ix_runs_status", "status"),
    # All that counts of the last day need: answered without touching rows that hold output.
    Index("ix_runs_created_at", "created_at", "status", "site_id", "kind"),
)

run_output: Final = Table(
    "run_output",
    metadata,
    Column(
        "run",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("runs.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("stream", String(8), nullable=False),
    Column("data", Text, nullable=False),
)

run_numbers: Final = Table(
    "run_numbers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("next_number", BigInteger, nullable=False),
)
"""One row: the next free ``runs.id``. Numbers are given out in blocks and never twice, also after a deletion."""

ansible_play_recaps: Final = Table(
    "ansible_play_recaps",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("run_id", String(64), ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("hostname", String(253), nullable=False),
    Column("agent_id", String(320), nullable=False),
    Column("playbook_path", String(1024), nullable=False),
    Column("playbook_name", String(256), nullable=False),
    Column("scheduled_job_id", BigInteger),
    Column("scheduled_run_id", BigInteger),
    Column("activity_job_id", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("recap_text", Text, nullable=False),
    Column("recap_json", Text, nullable=False),
    Column("started_ts", Float),
    Column("finished_ts", Float),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("ix_ansible_play_recaps_hostname", "hostname"),
)
"""What became of playbooks, under upstream's names (upstream-contract 8); nothing schedules yet, so those stay null."""
