"""DPoP (RFC 9449): the proof, sent with each refresh, that whoever asks holds the device's key (contract 3).

Pure. JOSE is PyJWT's. Does not check for replay: the refresh transaction does, with ``DpopProof.proof_id``.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from borealis_engine.core.errors import Invalid
from borealis_wire.keys import VerifyKey

SKEW_SECONDS: Final = 300
MAX_PROOF_CHARS: Final = 4096
_MAX_JTI_CHARS: Final = 256


@dataclass(frozen=True, slots=True)
class DpopProof:
    """A proof that held. ``proof_id`` is the SHA-256 of its ``jti``, ``jkt`` the RFC 7638 thumbprint of the key."""

    proof_id: str
    jkt: str


def thumbprint(key: VerifyKey) -> str:
    """RFC 7638 thumbprint of an Ed25519 key (RFC 8037, section 2: members crv, kty, x)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.raw)}
    return _base64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def verify_dpop(proof: str, *, device_key: VerifyKey, method: str, urls: frozenset[str], now: float) -> DpopProof:
    """Check a proof against the device's own key; the key in its header must be that one.

    Args:
        proof: the header ``DPoP``, a compact JWT.
        device_key: what the Engine has on record, never what the proof claims.
        method: HTTP method, upper-case.
        urls: the forms of this request's URL that count as right.
        now: Unix seconds.

    Raises:
        Invalid: ``dpop_invalid`` with the reason.
    """
    if len(proof) > MAX_PROOF_CHARS:
        raise _invalid("it is too long")
    try:
        header = jwt.get_unverified_header(proof)
        _check_header(header, device_key)
        claims = jwt.decode(
            proof,
            Ed25519PublicKey.from_public_bytes(device_key.raw),
            algorithms=["EdDSA"],
            options={
                "require": ["htm", "htu", "iat", "jti"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
            },
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as error:
        raise _invalid("its signature or form is wrong") from error
    issued, proof_name = claims["iat"], claims["jti"]
    # Written so that NaN, which compares with nothing, and whole numbers too large for a float are no times.
    if type(issued) not in (int, float) or not now - SKEW_SECONDS <= issued <= now + SKEW_SECONDS:
        raise _invalid("it was not made just now; check the clocks of Engine and device")
    if claims["htm"] != method:
        raise _invalid("it was made for another method")
    if not isinstance(claims["htu"], str) or normalise_url(claims["htu"]) not in {normalise_url(url) for url in urls}:
        raise _invalid("it was made for another address")
    if not isinstance(proof_name, str) or not 1 <= len(proof_name) <= _MAX_JTI_CHARS:
        raise _invalid("its jti is missing or too long")
    return DpopProof(hashlib.sha256(proof_name.encode("utf-8", "surrogatepass")).hexdigest(), thumbprint(device_key))


def normalise_url(url: str) -> str:
    """Scheme and host lower-case, the default port and query dropped (RFC 9449 section 4.3, RFC 3986 section 6).

    Text that is no URL comes back as it is, and so equals no normalised one.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}{'' if port in (None, usual) else f':{port}'}{parts.path or '/'}"


def _check_header(header: dict[str, Any], device_key: VerifyKey) -> None:
    jwk = header.get("jwk")
    if header.get("typ") != "dpop+jwt" or header.get("alg") != "EdDSA" or not isinstance(jwk, dict):
        raise _invalid("its header is not that of a DPoP proof with EdDSA")
    public = {"kty": "OKP", "crv": "Ed25519", "x": _base64url(device_key.raw)}
    if "d" in jwk or any(jwk.get(name) != value for name, value in public.items()):
        raise _invalid("its key is not the device's key")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _invalid(reason: str) -> Invalid:
    return Invalid("dpop_invalid", f"The proof of possession was refused: {reason}.")
