"""Access tokens: EdDSA JWTs of 900 seconds that a device shows on every request (contract 3, upstream-contract 2.5).

Owns the key file below ``Data/Auth_Tokens``. May be called by: this room, the REST and socket doors (verify).
Does not know whether the device still exists: the door compares the claims with the device's record.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from borealis_base.files import private_folder, write_atomic
from borealis_engine.core.errors import Fatal, Unauthenticated
from borealis_engine.core.ids import Randomness
from borealis_wire.accounts import is_account_name
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.limits import ACCESS_TOKEN_SECONDS, CLOCK_SKEW_SECONDS

KEY_FILE: Final = "borealis-jwt-ed25519.key"
ISSUER: Final = "borealis-engine"
AUDIENCE: Final = "borealis-device-api"
MAX_TOKEN_CHARS: Final = 4096
_CLAIMS: Final = (
    "iss",
    "aud",
    "sub",
    "jti",
    "iat",
    "nbf",
    "exp",
    "guid",
    "ssl_key_fingerprint",
    "token_version",
    "context",
)


class TokenSubject(Protocol):
    """What an access token says about a device."""

    @property
    def guid(self) -> str:
        """Upper-case UUID."""

    @property
    def fingerprint(self) -> str:
        """Of the device's key."""

    @property
    def token_version(self) -> int:
        """Goes up when the key changes."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a token that held says. ``exp`` in Unix seconds.

    ``user``: the signed-in user whom the device's SYSTEM agent asked it for; empty for others.
    """

    guid: str
    fingerprint: str
    token_version: int
    context: RunContext
    exp: int
    user: str = ""


class AccessTokens:
    """Issues and verifies access tokens; remembers verified ones until they expire (a signature check costs 0.1 ms)."""

    def __init__(self, *, folder: Path, randomness: Randomness, remembered: int = 20_000) -> None:
        self._path = folder / KEY_FILE
        self._randomness = randomness
        self._remembered = remembered
        self._cache: OrderedDict[bytes, AccessClaims] = OrderedDict()
        self._private: Ed25519PrivateKey | None = None
        self._public: Ed25519PublicKey | None = None
        self.key_id = ""

    def load(self) -> None:
        """Read the key file, or make one on first start. Call once before anything else.

        Raises:
            Fatal: the file is there but cannot be used; it is never replaced silently.
        """
        if not self._path.exists():
            private_folder(self._path.parent)
            write_atomic(self._path, SigningKey.from_seed(self._randomness.token_bytes(32)).to_pkcs8_pem().encode())
        try:
            private = load_pem_private_key(self._path.read_bytes(), password=None)
            key = SigningKey.from_pkcs8_pem(self._path.read_text("ascii"))
        except (ValueError, TypeError, OSError) as error:
            raise Fatal(
                "auth_key_unusable",
                f"{self._path} cannot be read as a private key ({error}). Restore it from a backup; or move it away "
                "and start again: devices then fetch new access tokens, and nothing else is lost.",
            ) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise Fatal("auth_key_unusable", f"{self._path} holds another kind of key than Ed25519. Restore ours.")
        self._private = private
        self._public = private.public_key()
        self.key_id = key.public.key_id

    def issue(self, device: TokenSubject, context: RunContext, now: float, *, user: str = "") -> str:
        """A token for ``device`` in ``context``, valid from ``now`` (Unix seconds) for 900 seconds.

        ``user``: the signed-in user whom it names.
        """
        assert self._private is not None, "load() comes first"
        issued = int(now)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": f"device:{device.guid}",
            "jti": self._randomness.token_urlsafe(12),
            "iat": issued,
            "nbf": issued,
            "exp": issued + ACCESS_TOKEN_SECONDS,
            "guid": device.guid,
            "ssl_key_fingerprint": device.fingerprint,
            "token_version": device.token_version,
            "context": str(context),
            **({"user": user} if user else {}),
        }
        return jwt.encode(claims, self._private, algorithm="EdDSA", headers={"kid": self.key_id})

    def verify(self, token: str, now: float) -> AccessClaims:
        """Check signature, algorithm, issuer, audience, times and the presence of every claim.

        Args:
            token: compact JWT.
            now: Unix seconds.

        Raises:
            Unauthenticated: ``token_expired``, ``invalid_claims`` or ``invalid_token``.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise _invalid()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._cache.get(digest)
        if claims is None:
            claims = self._check(token, now)
            self._cache[digest] = claims
            if len(self._cache) > self._remembered:
                self._cache.popitem(last=False)
        if now >= claims.exp:
            self._cache.pop(digest, None)
            raise Unauthenticated("token_expired", "The access token has expired. Refresh it.")
        if claims.exp - ACCESS_TOKEN_SECONDS > now + CLOCK_SKEW_SECONDS:
            raise _invalid()
        return claims

    def statistics(self) -> dict[str, int]:
        """How many verified tokens are remembered, for debugging."""
        return {"remembered_tokens": len(self._cache)}

    def _check(self, token: str, now: float) -> AccessClaims:
        assert self._public is not None, "load() comes first"
        try:
            # Times are checked here against our clock, not by PyJWT against the machine's.
            payload = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise _invalid() from error
        return _claims(payload)


def _claims(payload: dict[str, Any]) -> AccessClaims:
    guid, fingerprint = payload.get("guid"), payload.get("ssl_key_fingerprint")
    version, exp, context = payload.get("token_version"), payload.get("exp"), payload.get("context")
    user = payload.get("user", "")
    complete = all(name in payload for name in _CLAIMS)
    if (
        not complete
        or not isinstance(guid, str)
        or not isinstance(fingerprint, str)
        or type(version) is not int
        or version < 1
        or type(exp) is not int
        or not isinstance(context, str)
        or context not in set(RunContext)
        or payload["sub"] != f"device:{guid}"
        or (user != "" and (context != RunContext.INTERACTIVE or not is_account_name(user)))
    ):
        raise Unauthenticated("invalid_claims", "The access token lacks claims that it must have. Refresh it.")
    return AccessClaims(guid, fingerprint, version, RunContext(context), exp, user)


def _invalid() -> Unauthenticated:
    return Unauthenticated("invalid_token", "The access token is not one of this Engine's. Refresh it.")
