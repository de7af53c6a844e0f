"""What the room of operators hands out: accounts, sessions, tokens, and the outcomes of signing in."""

from dataclasses import dataclass
from typing import Final

from borealis_engine.operators.permissions import OperatorRole, Permission, Principal

TOKEN_PREFIX: Final = "bor_pat_"
OWNER_PREFIX: Final = "bor_owner_"
OWNER_NAME: Final = "owner"
IDLE_SECONDS: Final = 12 * 3600.0
ABSOLUTE_SECONDS: Final = 7 * 86400.0
SETUP_LINK_SECONDS: Final = 24 * 3600.0
PENDING_SECONDS: Final = 300.0
MAX_TOKEN_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Account:
    """One operator as others may see them. ``sites`` is None where all are allowed."""

    id: int
    username: str
    display_name: str
    role: OperatorRole
    sites: frozenset[int] | None
    disabled: bool
    mfa_enabled: bool
    created_at: float
    last_login: float | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A request that came with a valid session cookie. ``csrf`` is what its unsafe requests must repeat."""

    principal: Principal
    csrf: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just opened: ``token`` goes into the cookie and nowhere else."""

    account: Account
    principal: Principal
    token: str
    csrf: str
    max_age: int


@dataclass(frozen=True, slots=True)
class SecondFactorNeeded:
    """The password was right; a code is still wanted. ``pending_token`` lives 300 s and five tries."""

    username: str
    pending_token: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One signed-in session as its owner sees it."""

    id: str
    created_at: float
    last_seen_at: float
    expires_at: float
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One personal token as its owner sees it; the token itself is shown once, when it is made."""

    id: str
    name: str
    scopes: tuple[Permission, ...]
    created_at: float
    expires_at: float
    last_used_at: float | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A personal token just made."""

    row: TokenRow
    token: str


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """A second factor not yet confirmed: what an authenticator app needs."""

    secret: str
    otpauth_url: str


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """One passkey as its owner sees it. ``backed_up``: synchronised between devices."""

    id: str
    name: str
    created_at: float
    last_used_at: float | None
    backed_up: bool
    aaguid: str
