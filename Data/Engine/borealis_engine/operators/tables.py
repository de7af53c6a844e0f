"""Tables of people and their credentials. Secrets are here as SHA-256 or sealed, never as they are."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from borealis_engine.storage.metadata import metadata

users: Final = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", String(64), nullable=False),
    Column("username_key", String(64), nullable=False),
    Column("display_name", String(128), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", String(16), nullable=False),
    # Apart from the assignments: an operator whose last site is deleted must not come to see all of them.
    Column("site_limited", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("last_login", Float, nullable=True),
    Column("totp_sealed", Text, nullable=True),
    Column("totp_pending_sealed", Text, nullable=True),
    Column("totp_last_step", Integer, nullable=False),
    UniqueConstraint("username_key", name="uq_users_username_key"),
)
user_site_assignments: Final = Table(
    "user_site_assignments",
    metadata,
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("site_id", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("assigned_at", Float, nullable=False),
)
operator_sessions: Final = Table(
    "operator_sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("token_hash", String(64), nullable=False),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(256), nullable=False),
    UniqueConstraint("token_hash", name="uq_operator_sessions_token_hash"),
    Index("ix_operator_sessions_user_id", "user_id"),
)
personal_tokens: Final = Table(
    "personal_tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=True),
    UniqueConstraint("token_hash", name="uq_personal_tokens_token_hash"),
    Index("ix_personal_tokens_user_id", "user_id"),
)
recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
    Column("used_at", Float, nullable=True),
)
user_passkeys: Final = Table(
    "user_passkeys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # base64url of at most 1023 bytes; public keys are in COSE form.
    Column("credential_id", String(1400), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(128), nullable=False),
    Column("aaguid", String(36), nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=True),
    UniqueConstraint("credential_id", name="uq_user_passkeys_credential_id"),
    Index("ix_user_passkeys_user_id", "user_id"),
)
setup_links: Final = Table(
    "setup_links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)
setup_state: Final = Table(
    "setup_state",
    metadata,
    # One row at most, ever: its primary key is what makes set-up impossible twice, on any database.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("completed_at", Float, nullable=False),
)
