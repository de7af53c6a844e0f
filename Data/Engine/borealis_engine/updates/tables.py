"""Tables of rollouts and of the updates in them. Times are Unix seconds."""

from typing import Final

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, String, Table, Text

from borealis_engine.storage.metadata import metadata

agent_rollouts: Final = Table(
    "agent_rollouts",
    metadata,
    Column("rollout_id", String(64), primary_key=True),
    Column("build_id", String(64), nullable=False),
    Column("release", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("allow_older", Boolean, nullable=False),
    Column("at_once", Integer, nullable=False),
    Column("stop_after", Integer, nullable=False),
    Column("requested_by", String(256), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("ended_at", Float, nullable=True),
)
agent_updates: Final = Table(
    "agent_updates",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column(
        "rollout_id",
        String(64),
        ForeignKey("agent_rollouts.rollout_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    # No foreign key: what became of a device that is gone since is part of the rollout.
    Column("guid", String(64), nullable=False, index=True),
    Column("from_build", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
)
