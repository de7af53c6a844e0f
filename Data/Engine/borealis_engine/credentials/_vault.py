"""The only module that reads the key which credentials are sealed with; imported by ``credentials`` alone.

The key lies in ``borealis-credentials.key`` (32 bytes, 0400). Sealed: version 1, the first 8 bytes of the key's
SHA-256, a nonce of 12 bytes, AES-256-GCM with what it belongs to as associated data (NIST SP 800-38D). What was moved
to another row, or altered, does not open.
"""

import hashlib
import sys
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from borealis_base.files import private_folder, write_atomic
from borealis_engine.core.errors import Fatal
from borealis_engine.core.ids import Randomness

KEY_FILE: Final = "borealis-credentials.key"
KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 8


class CannotOpen(Exception):
    """Sealed with another key, for something else, or altered."""


class Vault:
    """Seals and opens with one key."""

    __slots__ = ("_cipher", "_start")

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._start = _VERSION + hashlib.sha256(key).digest()[:_ID_BYTES]

    def seal(self, data: bytes, *, belongs_to: str, nonce: bytes) -> bytes:
        """Seal ``data`` for one place; ``nonce`` is never given twice."""
        return self._start + nonce + self._cipher.encrypt(nonce, data, belongs_to.encode())

    def open(self, sealed: bytes, *, belongs_to: str) -> bytes:
        """What was sealed for that place.

        Raises:
            CannotOpen: see there.
        """
        start, rest = sealed[: len(self._start)], sealed[len(self._start) :]
        if start != self._start:
            raise CannotOpen
        try:
            return self._cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], belongs_to.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotOpen from error

    def __repr__(self) -> str:
        return "Vault()"


def new_nonce(randomness: Randomness) -> bytes:
    """A nonce. 2 to the 32 of them are safe with one key; nobody seals so much."""
    return randomness.token_bytes(_NONCE_BYTES)


def open_vault(folder: Path) -> Vault | None:
    """Read the key; None where there is none.

    Raises:
        Fatal: torn or unreadable.
    """
    path = folder / KEY_FILE
    try:
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise ValueError
        if sys.platform != "win32" and path.stat().st_mode & 0o377:
            path.chmod(0o400)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Fatal(
            "credential_key_unusable",
            f"The key of stored credentials {path} is torn or cannot be read. Restore it from a backup; or remove it,"
            " start again and enter every credential anew.",
        ) from error
    return Vault(key)


def create_vault(folder: Path, randomness: Randomness) -> Vault:
    """Make the first key. The caller knows that nothing is sealed with another one.

    Raises:
        OSError: the folder cannot be written.
    """
    private_folder(folder)
    key = randomness.token_bytes(KEY_BYTES)
    write_atomic(folder / KEY_FILE, key, mode=0o400)
    return Vault(key)
