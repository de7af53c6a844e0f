"""The device key: Ed25519, made once, never leaves the device (contract 2).

Owns ``agent_identity_private.ed25519`` (PKCS8 PEM, 0600, DPAPI-wrapped on Windows) and
``agent_identity_public.ed25519`` (base64 SPKI). A key that is torn or foreign stops the agent: a new one would be
a new device, and that is for a person to decide.
"""

import logging
from pathlib import Path
from typing import Final

from borealis_agent.core.errors import Fatal
from borealis_agent.core.ids import Randomness
from borealis_agent.core.ownership import require_private
from borealis_agent.platform.protection import SecretProtection
from borealis_base.files import exclusive_lock, private_folder, write_atomic
from borealis_wire.keys import SigningKey, VerifyKey

PRIVATE_FILE: Final = "agent_identity_private.ed25519"
PUBLIC_FILE: Final = "agent_identity_public.ed25519"
LOCK_FILE: Final = ".identity.lock"
LOCK_SECONDS: Final = 120.0
_MAX_FILE_BYTES: Final = 16 * 1024

log = logging.getLogger(__name__)


def load_device_key(folder: Path, *, protection: SecretProtection) -> SigningKey | None:
    """The device key, or None where this device never had one.

    A missing or unreadable public file is written again; it holds nothing that the private one does not.

    Raises:
        Fatal: torn, foreign, unreadable, or the private half is gone while the public one is there.
    """
    private, public = folder / PRIVATE_FILE, folder / PUBLIC_FILE
    blob = _read(private)
    if blob is None:
        if public.exists():
            raise Fatal(f"{private} is gone, but {public.name} is there: the device key was lost", advice=_LOST)
        return None
    try:
        key = SigningKey.from_pkcs8_pem(protection.unprotect(blob).decode("ascii"))
    except ValueError as error:
        raise Fatal(f"{private} cannot be used as the device key ({error})", advice=_LOST) from error
    _check_public(public, key)
    return key


def load_or_create_device_key(folder: Path, *, randomness: Randomness, protection: SecretProtection) -> SigningKey:
    """The device key; made on first launch. Two agents that start together get the same one.

    Raises:
        Fatal: as :func:`load_device_key`, or the folder cannot be written.
    """
    try:
        key = load_device_key(folder, protection=protection)
        if key is not None:
            return key
        private_folder(folder)
        with exclusive_lock(folder / LOCK_FILE, timeout=LOCK_SECONDS):
            key = load_device_key(folder, protection=protection)  # another agent may have been first
            if key is not None:
                return key
            key = SigningKey.from_seed(randomness.token_bytes(32))
            # The private half first: alone it is a whole identity, the public one alone is a lost one.
            write_atomic(folder / PRIVATE_FILE, protection.protect(key.to_pkcs8_pem().encode("ascii")), mode=0o600)
            _write_public(folder / PUBLIC_FILE, key)
    except (OSError, TimeoutError) as error:
        raise Fatal(
            f"The device key cannot be written to {folder} ({error})",
            advice="Give the agent's account the right to write there, or free some disk space.",
        ) from error
    log.info("made this device's key, fingerprint %s", key.public.fingerprint)
    return key


_LOST: Final = (
    "Restore both files from a backup. Or remove the folder Identity and Agent_GUID.txt, and enrol this machine as a "
    "new device with a fresh enrolment token (an operator can merge it with the old one)."
)


def _read(path: Path) -> bytes | None:
    try:
        require_private(path)
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Fatal(
            f"{path} cannot be read ({error})",
            advice="Run the agent as the account that enrolled this device, or set BOREALIS_ROOT to another folder.",
        ) from error


def _check_public(path: Path, key: SigningKey) -> None:
    try:
        text = path.read_text("ascii").strip()
        found = VerifyKey.from_spki_base64(text)
    except FileNotFoundError:
        found = None
    except (ValueError, OSError) as error:
        log.warning("%s is torn (%s); written again from the private key", path, error)
        found = None
    if found is None:
        try:
            _write_public(path, key)
        except OSError as error:
            log.warning("%s cannot be written: %s", path, error)
    elif found != key.public:
        raise Fatal(f"{path} belongs to another key than {PRIVATE_FILE}", advice=_LOST)


def _write_public(path: Path, key: SigningKey) -> None:
    write_atomic(path, f"{key.public.spki_base64}\n".encode("ascii"), mode=0o644)
