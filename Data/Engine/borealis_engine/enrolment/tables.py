"""Tables of enrolment: install codes, approvals, refresh tokens. Names are upstream's (upstream-contract 10).

No foreign keys to other rooms' tables: an approval outlives the code, the site and the device that it names.
All times are Unix seconds.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    false,
)

from borealis_engine.storage import metadata

install_codes = Table(
    "enrollment_install_codes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code_hash", String(64), nullable=False),
    Column("code_prefix", String(8), nullable=False),
    Column("site_id", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("created_by_user_id", Integer),
    Column("created_by_username", String(256), nullable=False, server_default=""),
    Column("max_uses", Integer, nullable=False),
    Column("use_count", Integer, nullable=False, server_default="0"),
    Column("last_used_at", BigInteger),
    Column("used_at", BigInteger),
    Column("used_by_guid", String(64)),
    UniqueConstraint("code_hash"),
)

approvals = Table(
    "device_approvals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("approval_reference", String(64), nullable=False),
    Column("guid", String(64)),
    Column("hostname_claimed", String(256), nullable=False),
    Column("ssl_key_fingerprint_claimed", String(64), nullable=False),
    Column("agent_pubkey_der", LargeBinary, nullable=False),
    Column("enrollment_code_id", Integer),
    Column("site_id", Integer),
    Column("peer_address", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("accept_unbound", Boolean, nullable=False, server_default=false()),
    Column("duplicate_identity", Boolean, nullable=False, server_default=false()),
    Column("client_nonce", String(4096), nullable=False),
    Column("server_nonce", String(64), nullable=False),
    Column("other_challenge", JSON(none_as_null=True)),
    Column("conflict_resolution", String(32)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    Column("refresh_family", String(64)),
    Column("approved_by_user_id", Integer),
    Column("approved_by_username", String(256)),
    UniqueConstraint("approval_reference"),
    Index(None, "ssl_key_fingerprint_claimed", "status"),
    Index(None, "status", "expires_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("guid", String(64), nullable=False),
    Column("family", String(64), nullable=False),
    Column("parent_id", Integer),
    Column("token_hash", String(64), nullable=False),
    Column("dpop_jkt", String(64)),
    Column("proof_id", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("superseded_at", BigInteger),
    Column("revoked_at", BigInteger),
    UniqueConstraint("token_hash"),
    UniqueConstraint("guid", "proof_id"),
    Index(None, "family"),
    Index(None, "parent_id"),
    Index(None, "expires_at"),
)
