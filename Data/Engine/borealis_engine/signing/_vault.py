"""The only module that reads the private script-signing key; imported by ``signing`` alone.

The key lies in ``borealis-script-ed25519.key`` (PKCS8 PEM, 0600), its public half in ``.pub`` (SPKI DER). A
successor waits in ``.key.next`` until its statement is on disk.
"""

import os
import sys
from pathlib import Path
from typing import Final

from borealis_base.files import private_folder, sync_folder, write_atomic
from borealis_engine.core.errors import Fatal
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_wire.keys import SigningKey, VerifyKey

KEY_FILE: Final = "borealis-script-ed25519.key"
PUBLIC_FILE: Final = "borealis-script-ed25519.pub"
NEXT_FILE: Final = "borealis-script-ed25519.key.next"


class Vault:
    """Holds one private key and signs with it; a ``borealis_wire.envelope.Signer``."""

    __slots__ = ("_key",)

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def public(self) -> VerifyKey:
        """The public half."""
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over ``message``."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"Vault({self.public.key_id})"


def open_vault(folder: Path, *, newest: str) -> Vault | None:
    """Read the key in ``folder``; None where there has never been one.

    Args:
        folder: ``Certificates/Code-Signing``.
        newest: id of the key that the last rotation named; empty where there was none.

    Raises:
        Fatal: torn, unreadable, another Engine's, or gone while its public half is still there. A new key is never
            made then: no device would trust it.
    """
    path, public_path = folder / KEY_FILE, folder / PUBLIC_FILE
    try:
        pem = path.read_text("ascii")
    except FileNotFoundError:
        if newest or public_path.exists():
            raise Fatal(
                "signing_key_missing",
                f"The script-signing key {path} is gone, but files beside it show that there was one. Restore it from "
                "a backup. Only if it is lost for good: remove the folder, start again, and enrol every device anew.",
            ) from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, "cannot be read") from error
    try:
        key = SigningKey.from_pkcs8_pem(pem)
    except ValueError as error:
        raise _unusable(path, "is torn or is not an Ed25519 key in PKCS8 PEM form") from error
    _keep_private(path)
    public = _read_public(public_path)
    # A rotation that was cut off leaves the new key beside the old public half; any other pair was never one.
    if public is not None and public != key.public and key.public.key_id != newest:
        raise _unusable(path, f"is another key than the one in use, {public.key_id}, which {public_path.name} holds")
    if public != key.public:
        write_atomic(public_path, key.public.spki, mode=0o644)
    return Vault(key)


def create_vault(folder: Path, randomness: Randomness) -> Vault:
    """Make the first key. The caller knows that there was none before.

    Raises:
        OSError: the folder cannot be written.
    """
    private_folder(folder)
    key = SigningKey.from_seed(randomness.token_bytes(32))
    write_atomic(folder / KEY_FILE, key.to_pkcs8_pem().encode("ascii"))
    write_atomic(folder / PUBLIC_FILE, key.public.spki, mode=0o644)
    return Vault(key)


def prepare_successor(folder: Path, randomness: Randomness) -> Vault:
    """Make the next key beside the current one, durable but not in force yet.

    Raises:
        OSError: the folder cannot be written.
    """
    key = SigningKey.from_seed(randomness.token_bytes(32))
    write_atomic(folder / NEXT_FILE, key.to_pkcs8_pem().encode("ascii"))
    return Vault(key)


def waiting_successor(folder: Path) -> Vault | None:
    """The key that :func:`prepare_successor` left; None where there is none or it is torn."""
    try:
        return Vault(SigningKey.from_pkcs8_pem((folder / NEXT_FILE).read_text("ascii")))
    except (OSError, ValueError):
        return None


def promote_successor(folder: Path, successor: Vault) -> None:
    """Put the next key in force.

    Raises:
        OSError: the rename failed; the old key is still in force.
    """
    (folder / NEXT_FILE).replace(folder / KEY_FILE)
    sync_folder(folder)
    write_atomic(folder / PUBLIC_FILE, successor.public.spki, mode=0o644)


def discard_successor(folder: Path) -> None:
    """Forget a next key whose statement never reached the disk."""
    (folder / NEXT_FILE).unlink(missing_ok=True)


def _read_public(path: Path) -> VerifyKey | None:
    try:
        return VerifyKey.from_spki(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _keep_private(path: Path) -> None:
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        path.chmod(0o600)
        get_logger("signing").warning("signing key was readable by others; mode set to 0600", path=os.fspath(path))


def _unusable(path: Path, what: str) -> Fatal:
    return Fatal(
        "signing_key_unusable",
        f"The script-signing key {path} {what}. Restore it from a backup; no new key is made, because no device "
        "would trust it.",
    )
