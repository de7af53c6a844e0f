"""Time-based one-time passwords (RFC 6238): which step a code belongs to, and how secrets rest on disk. Pure."""

import base64
import hmac
from typing import Final

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

STEP_SECONDS: Final = 30
WINDOW: Final = 1
CODE_LENGTH: Final = 6
SECRET_BYTES: Final = 20
RECOVERY_CODES: Final = 8
_NONCE: Final = 12


def matching_step(secret: str, code: str, now: float) -> int | None:
    """The time step that ``code`` is right for, at most one step away from ``now``; None if it is wrong."""
    generator = pyotp.TOTP(secret)
    current = int(now // STEP_SECONDS)
    found: int | None = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        # No early return: how long this takes must not tell which step matched.
        if hmac.compare_digest(generator.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def new_secret(random: bytes) -> str:
    """Base32 text of 20 random bytes."""
    return base64.b32encode(random).decode()


def provisioning_url(secret: str, username: str, issuer: str) -> str:
    """``otpauth://`` address that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def recovery_code(random: bytes) -> str:
    """Ten random bytes as four groups of four letters and digits."""
    text = base64.b32encode(random).decode()
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def normalise_code(text: str) -> str:
    """A code as typed: without blanks and dashes, upper-case."""
    return "".join(character for character in text if character.isalnum()).upper()


class SecretBox:
    """Seals TOTP secrets with AES-256-GCM: who copies the database alone cannot make codes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: str, *, owner: int, nonce: bytes) -> str:
        """Base64 of nonce and ciphertext, bound to the user id ``owner``."""
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), _binding(owner))).decode()

    def open(self, sealed: str, *, owner: int) -> str | None:
        """The secret, or None if it was sealed for another user or with another key."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _binding(owner)).decode()
        except (InvalidTag, ValueError):
            return None


def _binding(owner: int) -> bytes:
    return b"borealis-totp:%d" % owner
