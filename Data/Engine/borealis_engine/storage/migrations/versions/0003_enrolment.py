"""Tables of enrolment."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make install codes, approvals and refresh tokens."""
    op.create_table(
        "enrollment_install_codes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("code_prefix", sa.String(8), nullable=False),
        sa.Column("site_id", sa.Integer),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("created_by_user_id", sa.Integer),
        sa.Column("created_by_username", sa.String(256), nullable=False, server_default=""),
        sa.Column("max_uses", sa.Integer, nullable=False),
        sa.Column("use_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("used_by_guid", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_enrollment_install_codes"),
        sa.UniqueConstraint("code_hash", name="uq_enrollment_install_codes_code_hash"),
    )
    op.create_table(
        "device_approvals",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("approval_reference", sa.String(64), nullable=False),
        sa.Column("guid", sa.String(64)),
        sa.Column("hostname_claimed", sa.String(256), nullable=False),
        sa.Column("ssl_key_fingerprint_claimed", sa.String(64), nullable=False),
        sa.Column("agent_pubkey_der", sa.LargeBinary, nullable=False),
        sa.Column("enrollment_code_id", sa.Integer),
        sa.Column("site_id", sa.Integer),
        sa.Column("peer_address", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("accept_unbound", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("duplicate_identity", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("client_nonce", sa.String(4096), nullable=False),
        sa.Column("server_nonce", sa.String(64), nullable=False),
        sa.Column("other_challenge", sa.JSON),
        sa.Column("conflict_resolution", sa.String(32)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("refresh_family", sa.String(64)),
        sa.Column("approved_by_user_id", sa.Integer),
        sa.Column("approved_by_username", sa.String(256)),
        sa.PrimaryKeyConstraint("id", name="pk_device_approvals"),
        sa.UniqueConstraint("approval_reference", name="uq_device_approvals_approval_reference"),
    )
    op.create_index(
        "ix_device_approvals_ssl_key_fingerprint_claimed_status",
        "device_approvals",
        ["ssl_key_fingerprint_claimed", "status"],
    )
    op.create_index("ix_device_approvals_status_expires_at", "device_approvals", ["status", "expires_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("family", sa.String(64), nullable=False),
        sa.Column("parent_id", sa.Integer),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("dpop_jkt", sa.String(64)),
        sa.Column("proof_id", sa.String(64)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("superseded_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_refresh_tokens_token_hash"),
        sa.UniqueConstraint("guid", "proof_id", name="uq_refresh_tokens_guid_proof_id"),
    )
    op.create_index("ix_refresh_tokens_family", "refresh_tokens", ["family"])
    op.create_index("ix_refresh_tokens_parent_id", "refresh_tokens", ["parent_id"])
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"])
