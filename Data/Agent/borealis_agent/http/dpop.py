"""DPoP proofs (RFC 9449): each refresh shows that whoever asks holds the device key (contract 3).

JOSE is PyJWT's; only the EdDSA primitive is ours, on PyNaCl, because PyJWT's own needs ``cryptography``, which would
cost 8 MB at rest. Whoever imports this imports PyJWT, so ``client`` does it at the first refresh.
"""

import base64
import json
from typing import Any, Final

from jwt.algorithms import Algorithm
from jwt.api_jws import PyJWS

from borealis_wire.keys import SigningKey, VerifyKey

_ALGORITHM: Final = "EdDSA"


class _EdDSA(Algorithm):
    """Ed25519 (RFC 8037) with the wire's keys."""

    def prepare_key(self, key: Any) -> SigningKey:
        """The key as it is; nothing else is accepted."""
        if not isinstance(key, SigningKey):
            raise TypeError("a DPoP proof is signed with the device key")
        return key

    def sign(self, msg: bytes, key: SigningKey) -> bytes:
        """The 64-byte signature."""
        return key.sign(msg)

    def verify(self, msg: bytes, key: SigningKey, sig: bytes) -> bool:
        """Whether the signature holds."""
        return key.public.verifies(sig, msg)

    @staticmethod
    def to_jwk(key_obj: VerifyKey, as_dict: bool = False) -> Any:
        """The public key as a JWK (RFC 8037, section 2)."""
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(key_obj.raw).rstrip(b"=").decode("ascii")}
        return jwk if as_dict else json.dumps(jwk)

    @staticmethod
    def from_jwk(jwk: Any) -> Any:
        """Not offered: the agent verifies no proof."""
        raise TypeError("the agent reads no JWK")


_jws = PyJWS(algorithms=[])
_jws.register_algorithm(_ALGORITHM, _EdDSA())


def make_proof(key: SigningKey, *, method: str, url: str, now: float, proof_id: str) -> str:
    """A proof for one request.

    Args:
        key: the device key.
        method: HTTP method, upper-case.
        url: the full URL of the request, without query.
        now: Unix seconds, by the Engine's clock where that is known.
        proof_id: fresh for each proof; the Engine refuses one that it has seen.
    """
    claims = {"jti": proof_id, "htm": method, "htu": url, "iat": int(now)}
    headers = {"typ": "dpop+jwt", "jwk": _EdDSA.to_jwk(key.public, as_dict=True)}
    return _jws.encode(
        json.dumps(claims, separators=(",", ":")).encode("utf-8"),
        key,  # type: ignore[arg-type]  # PyJWT knows the key types of its own algorithms only
        algorithm=_ALGORITHM,
        headers=headers,
    )
