"""Ed25519 keys as both sides write them: SPKI DER (RFC 8410), its fingerprint, and the key id.

PyNaCl rather than cryptography: it costs the agent 1 MB at rest instead of 8 (Docs/architecture.md).
"""

import hashlib
from dataclasses import dataclass

from nacl import bindings
from nacl.exceptions import BadSignatureError

from borealis_wire import base64s

_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""DER of ``SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING (32 bytes)``, RFC 8410 section 4."""
_PKCS8_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
"""DER of a version 0 PrivateKeyInfo around a 32-byte seed, RFC 8410 section 7."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """An Ed25519 public key: 32 raw bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise ValueError("an Ed25519 public key has 32 bytes")

    @classmethod
    def from_spki(cls, der: bytes) -> "VerifyKey":
        """Read SPKI DER.

        Raises:
            ValueError: another algorithm, other lengths, or not DER.
        """
        if len(der) != 44 or not der.startswith(_SPKI_PREFIX):
            raise ValueError("not the SPKI DER of an Ed25519 key")
        return cls(der[len(_SPKI_PREFIX) :])

    @classmethod
    def from_spki_base64(cls, text: str) -> "VerifyKey":
        """Read base64 of SPKI DER. Raises ``ValueError`` as :meth:`from_spki`."""
        return cls.from_spki(base64s.decode(text))

    @property
    def spki(self) -> bytes:
        """SPKI DER, 44 bytes."""
        return _SPKI_PREFIX + self.raw

    @property
    def spki_base64(self) -> str:
        """Standard base64 of the SPKI DER."""
        return base64s.encode(self.spki)

    @property
    def fingerprint(self) -> str:
        """Lower-case hex SHA-256 of the SPKI DER, 64 characters."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def key_id(self) -> str:
        """First 16 hex digits of the fingerprint."""
        return self.fingerprint[:16]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` (64 bytes) is this key's over ``message``. Never raises on bad input."""
        if len(signature) != 64:
            return False
        try:
            bindings.crypto_sign_open(signature + message, self.raw)
        except (BadSignatureError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An Ed25519 private key. Its repr shows the public half only."""

    seed: bytes
    _secret: bytes
    public: VerifyKey

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Make a key of 32 secret bytes.

        Raises:
            ValueError: not 32 bytes.
        """
        if len(seed) != 32:
            raise ValueError("an Ed25519 seed has 32 bytes")
        public, secret = bindings.crypto_sign_seed_keypair(seed)
        return cls(seed, secret, VerifyKey(public))

    @classmethod
    def from_pkcs8_pem(cls, pem: str) -> "SigningKey":
        """Read an unencrypted PKCS8 PEM file.

        Raises:
            ValueError: torn, another algorithm, or not PEM.
        """
        lines = pem.strip().splitlines()
        if len(lines) < 3 or "BEGIN PRIVATE KEY" not in lines[0] or "END PRIVATE KEY" not in lines[-1]:
            raise ValueError("not a PKCS8 PEM file")
        der = base64s.decode("".join(lines[1:-1]))
        if len(der) != 48 or not der.startswith(_PKCS8_PREFIX):
            raise ValueError("not an Ed25519 private key")
        return cls.from_seed(der[len(_PKCS8_PREFIX) :])

    def to_pkcs8_pem(self) -> str:
        """Unencrypted PKCS8 PEM; the caller guards the file."""
        body = base64s.encode(_PKCS8_PREFIX + self.seed)
        return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over ``message``."""
        return bytes(bindings.crypto_sign(message, self._secret)[:64])

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id})"
