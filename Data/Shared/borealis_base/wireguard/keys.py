"""Curve25519 key pairs in WireGuard's form: 32 bytes, in base64."""

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path

from borealis_base.files import private_folder, write_atomic


class BadKey(ValueError):
    """A text that is no key of WireGuard's."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """``public`` may be told to anybody; ``private`` is never shown, not even by ``repr``."""

    private: str = field(repr=False)
    public: str = ""


def check_key(text: str) -> str:
    """Give ``text`` back if it is a key: 44 characters of base64 for 32 bytes, spelt the one right way.

    Raises:
        BadKey: it is not.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadKey("a WireGuard key is 32 bytes in base64") from error
    if len(raw) != 32 or base64.b64encode(raw).decode("ascii") != text:
        raise BadKey("a WireGuard key is 32 bytes in base64")
    return text


def pair_from(private: bytes) -> KeyPair:
    """The pair of 32 secret bytes, clamped as RFC 7748 (5) says."""
    from nacl.bindings import crypto_scalarmult_base  # who has no tunnel need not load it

    secret = bytearray(private)
    secret[0] &= 248
    secret[31] = (secret[31] & 127) | 64
    public = crypto_scalarmult_base(bytes(secret))
    return KeyPair(base64.b64encode(secret).decode("ascii"), base64.b64encode(public).decode("ascii"))


def load_or_make(private_path: Path, public_path: Path, *, fresh: bytes) -> tuple[KeyPair, bool]:
    """Read a pair, or make one of ``fresh`` (32 unpredictable bytes) where there is none that can be used.

    The private half is 0600 in a folder that only its owner enters. A torn one is overwritten: no identity hangs on
    it, whoever has to know the public half is told the new one.

    Returns:
        The pair, and whether it was made now.

    Raises:
        OSError: neither readable nor writable.
    """
    private_folder(private_path.parent)
    made = False
    try:
        text = check_key(private_path.read_text("ascii").strip())
        pair = pair_from(base64.b64decode(text))
        private_path.chmod(0o600)
    except (FileNotFoundError, ValueError):  # BadKey, and what is no ASCII
        pair, made = pair_from(fresh), True
        write_atomic(private_path, f"{pair.private}\n".encode("ascii"), mode=0o600)
    if read_public(public_path) != pair.public:
        write_atomic(public_path, f"{pair.public}\n".encode("ascii"), mode=0o644)
    return pair, made


def read_public(path: Path) -> str:
    """The public half as it was written; empty where there is none."""
    try:
        return check_key(path.read_text("ascii").strip())
    except (OSError, ValueError):
        return ""
