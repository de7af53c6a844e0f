"""Whether a credential can be kept as it was given; pure."""

import base64
import hashlib
import re
import struct
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from borealis_engine.core.errors import Invalid
from borealis_engine.credentials.models import BECOME_METHODS, KINDS, SSH, TRANSPORTS, CredentialSecret, NewCredential

MAX_NAME: Final = 128
MAX_DESCRIPTION: Final = 2000
MAX_SECRET: Final = 1024
MAX_KEY: Final = 32 * 1024
_OPENSSH: Final = re.compile(
    r"-----BEGIN OPENSSH PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----\s*"
)
_MAGIC: Final = b"openssh-key-v1\0"


def check_new(new: NewCredential) -> str:
    """Check all of it; gives the fingerprint of its key, empty for a password.

    Raises:
        Invalid: ``invalid_name``, ``invalid_description``, ``invalid_credential`` or ``invalid_private_key``.
    """
    check_name(new.name)
    check_description(new.description)
    if new.kind not in KINDS:
        raise _invalid(f"its kind is one of {', '.join(KINDS)}")
    return check_secret(new.kind, new.secret)


def check_name(name: str) -> None:
    """A name is one line. Raises ``Invalid``."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise Invalid("invalid_name", f"A credential has a name of 1 to {MAX_NAME} printable characters.")


def check_description(text: str) -> None:
    """Raises ``Invalid``."""
    if len(text) > MAX_DESCRIPTION or "\0" in text:
        raise Invalid("invalid_description", f"A description has at most {MAX_DESCRIPTION} characters.")


def check_secret(kind: str, secret: CredentialSecret) -> str:
    """Check a secret as a whole; gives the fingerprint of its key, empty for a password.

    Raises:
        Invalid: ``invalid_credential`` or ``invalid_private_key``. No sentence holds any of it.
    """
    _plain(secret.username, "user name", 1)
    if secret.username.startswith("-"):
        raise _invalid("a user name does not begin with '-'")
    for text, what in (
        (secret.password, "password"),
        (secret.passphrase, "passphrase"),
        (secret.become.password, "password of become"),
    ):
        _plain(text, what, 0)
    if secret.become.method and secret.become.method not in BECOME_METHODS:
        raise _invalid(f"become is by one of {', '.join(BECOME_METHODS)}")
    if not secret.become.method and (secret.become.user or secret.become.password):
        raise _invalid("become has a user or a password and no method")
    _plain(secret.become.user, "user of become", 0)
    if bool(secret.password) == bool(secret.private_key):
        raise _invalid("it has either a password or, for ssh, a private key")
    if kind == SSH:
        if secret.transport:
            raise _invalid("only Windows has a transport")
        return key_fingerprint(secret.private_key, secret.passphrase) if secret.private_key else ""
    if secret.private_key or secret.passphrase:
        raise _invalid("Windows takes a password")
    if secret.transport not in TRANSPORTS:
        raise _invalid(f"the transport is one of {', '.join(TRANSPORTS)}")
    return ""


def key_fingerprint(text: str, passphrase: str) -> str:
    """``SHA256:…`` of a private key's public half, as ``ssh-keygen -l`` prints it.

    The public half of an encrypted OpenSSH key lies open in it: whether the passphrase fits is known when it is used.

    Raises:
        Invalid: ``invalid_private_key``.
    """
    if len(text) > MAX_KEY:
        raise _bad_key("it is too long")
    found = _OPENSSH.fullmatch(text.strip() + "\n")
    blob = _openssh(found.group(1), passphrase) if found else _pem(text, passphrase)
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _openssh(body: str, passphrase: str) -> bytes:
    try:
        data = base64.b64decode(body)
        if not data.startswith(_MAGIC):
            raise ValueError
        cipher, rest = _text(data[len(_MAGIC) :])
        _, rest = _text(rest)
        _, rest = _text(rest)
        if struct.unpack(">I", rest[:4])[0] != 1:
            raise ValueError
        blob, _ = _text(rest[4:])
    except (ValueError, struct.error) as error:
        raise _bad_key("it is damaged") from error
    if (cipher != b"none") != bool(passphrase):
        raise _bad_key("it is encrypted: give its passphrase" if not passphrase else "it has no passphrase")
    return blob


def _text(data: bytes) -> tuple[bytes, bytes]:
    size = struct.unpack(">I", data[:4])[0]
    if size > len(data) - 4:
        raise ValueError
    return data[4 : 4 + size], data[4 + size :]


def _pem(text: str, passphrase: str) -> bytes:
    try:
        key = serialization.load_pem_private_key(text.encode(), passphrase.encode() or None)
        line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_key(
            "it is no OpenSSH or PEM key of a kind that ssh knows, or its passphrase is another one"
        ) from error
    return base64.b64decode(line.split()[1])


def _plain(text: str, what: str, least: int) -> None:
    if not least <= len(text) <= MAX_SECRET or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise _invalid(f"a {what} is one line of {least} to {MAX_SECRET} characters")


def _invalid(what: str) -> Invalid:
    return Invalid("invalid_credential", f"The credential cannot be kept: {what}.")


def _bad_key(what: str) -> Invalid:
    return Invalid("invalid_private_key", f"The private key cannot be kept: {what}.")
