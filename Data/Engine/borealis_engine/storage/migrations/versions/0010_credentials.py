"""Stored credentials, and machines without an agent."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "credentials",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("name_key", sa.String(512), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("username", sa.String(256), nullable=False),
        sa.Column("secret_kind", sa.String(16), nullable=False),
        sa.Column("key_fingerprint", sa.String(64), nullable=False),
        sa.Column("transport", sa.String(16), nullable=False),
        sa.Column("become_method", sa.String(16), nullable=False),
        sa.Column("become_username", sa.String(256), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
        sa.UniqueConstraint("name_key", name="uq_credentials_name_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "credential_uses",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name="fk_credential_uses_credential_id_credentials"
        ),
        sa.PrimaryKeyConstraint("run_id", name="pk_credential_uses"),
    )
    op.create_index("ix_credential_uses_credential_id", "credential_uses", ["credential_id"])
    op.create_table(
        "machines",
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["guid"], ["devices.guid"], name="fk_machines_guid_devices", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("guid", name="pk_machines"),
    )
