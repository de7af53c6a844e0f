"""Tokens at rest: AES-256-GCM, with the Engine CA's pin as associated data (contract 3).

Owns ``access.jwt`` (``access_currentuser.jwt`` for CURRENTUSER), ``refresh.token`` and ``token.key`` in
``Settings``. A token file that was carried to another device, or is tried against another Engine, does not open:
it is moved aside, logged, and the device asks for new tokens. Does not decide when to refresh (``http``).
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from Cryptodome.Cipher import AES

from borealis_agent.core.errors import Fatal
from borealis_agent.core.ids import Randomness
from borealis_agent.core.ownership import require_private
from borealis_agent.platform.protection import SecretProtection
from borealis_base.clock import Clock
from borealis_base.files import exclusive_lock, move_aside, write_atomic
from borealis_wire import base64s
from borealis_wire.events import RunContext

KEY_FILE: Final = "token.key"
REFRESH_FILE: Final = "refresh.token"
ACCESS_FILES: Final[dict[RunContext, str]] = {
    RunContext.SYSTEM: "access.jwt",
    RunContext.INTERACTIVE: "access_currentuser.jwt",
}
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_KEY_LOCK: Final = ".token-key.lock"
_MAX_FILE_BYTES: Final = 64 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """An access token and the Unix second from which it is not used any more. ``user``: the account that it names."""

    token: str
    expires_at: float
    user: str = ""

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at})"


class TokenVault:
    """The tokens of one device for one Engine. Each run context has its own access token; both share the refresh token.

    Whoever reads, uses and replaces the refresh token holds ``http``'s token lock meanwhile: two agents that each
    rotate the token on their own would look like a thief to the Engine.
    """

    def __init__(
        self, folder: Path, *, ca_pin: str, clock: Clock, randomness: Randomness, protection: SecretProtection
    ) -> None:
        self._folder = folder
        self._associated = ca_pin.encode("ascii")
        self._clock = clock
        self._randomness = randomness
        self._protection = protection

    def load_access(self, context: RunContext) -> AccessToken | None:
        """The access token of ``context``, fresh or not; None where there is none that opens."""
        path = self._folder / ACCESS_FILES[context]
        content = self._load(path, "access")
        if content is None:
            return None
        token, expires_at = content.get("token"), content.get("expires_at")
        if isinstance(token, str) and isinstance(expires_at, int | float) and content.get("context") == context:
            return AccessToken(token, float(expires_at), str(content.get("user", "")))
        self._aside(path, "is not this run context's token")
        return None

    def store_access(self, context: RunContext, access: AccessToken) -> None:
        """Keep an access token; its expiry stands readable beside it.

        Raises:
            OSError: the old file is then untouched.
        """
        content = {"kind": "access", "context": str(context), "token": access.token, "expires_at": access.expires_at}
        if access.user:
            content["user"] = access.user
        metadata = {"access_expires_at": int(access.expires_at), "access_bound_at": int(self._clock.now())}
        self._store(self._folder / ACCESS_FILES[context], content, metadata)

    def clear_access(self, context: RunContext) -> None:
        """Forget the access token of ``context``."""
        (self._folder / ACCESS_FILES[context]).unlink(missing_ok=True)

    def load_refresh(self) -> str | None:
        """The refresh token; None where there is none that opens."""
        content = self._load(self._folder / REFRESH_FILE, "refresh")
        token = content.get("token") if content else None
        return token if isinstance(token, str) and token else None

    def peek_refresh(self) -> str | None:
        """As :meth:`load_refresh`, for a caller that does not hold the token lock: moves nothing aside."""
        content = self._load(self._folder / REFRESH_FILE, "refresh", aside=False)
        token = content.get("token") if content else None
        return token if isinstance(token, str) and token else None

    def store_refresh(self, token: str) -> None:
        """Keep the refresh token, durably: from now on its predecessor may be taken for a theft.

        Raises:
            OSError: the old file is then untouched.
        """
        self._store(self._folder / REFRESH_FILE, {"kind": "refresh", "token": token}, {})

    def clear(self) -> None:
        """Forget all tokens, of both contexts."""
        clear_tokens(self._folder)

    def _load(self, path: Path, kind: str, *, aside: bool = True) -> dict[str, Any] | None:
        try:
            require_private(path)
            with path.open("rb") as file:
                raw = file.read(_MAX_FILE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error)
            return None
        key = self._key(create=False)
        try:
            if key is None:
                raise ValueError("its key file is gone")
            content = _open(raw, key, self._associated)
            if content.get("kind") != kind:
                raise ValueError("it is another kind of token")
        except ValueError as error:
            if aside:
                self._aside(path, str(error))
            return None
        return content

    def _store(self, path: Path, content: dict[str, Any], metadata: dict[str, Any]) -> None:
        key = self._key(create=True)
        assert key is not None
        nonce = self._randomness.token_bytes(NONCE_BYTES)
        write_atomic(path, _seal(content, metadata, key, nonce, self._associated), mode=0o600)

    def _key(self, *, create: bool) -> bytes | None:
        path = self._folder / KEY_FILE
        key = self._read_key(path)
        if key is not None or not create:
            return key
        with exclusive_lock(self._folder / _KEY_LOCK, timeout=30):
            key = self._read_key(path)
            if key is None:
                key = self._randomness.token_bytes(KEY_BYTES)
                write_atomic(path, self._protection.protect(key), mode=0o400)
        return key

    def _read_key(self, path: Path) -> bytes | None:
        try:
            require_private(path)
            with path.open("rb") as file:
                key = self._protection.unprotect(file.read(_MAX_FILE_BYTES))
            if len(key) == KEY_BYTES:
                return key
            self._aside(path, "is not a key")
        except FileNotFoundError:
            pass
        except ValueError as error:
            self._aside(path, str(error))
        except OSError as error:
            raise Fatal(
                f"{path} cannot be read ({error})",
                advice="Run the agent as the account that enrolled this device.",
            ) from error
        return None

    def _aside(self, path: Path, why: str) -> None:
        try:
            aside = move_aside(path, self._clock.now())
        except OSError as error:
            log.warning("%s cannot be used (%s), nor moved aside: %s", path, why, error)
        else:
            log.warning("%s cannot be used (%s); moved to %s, asking for new tokens", path, why, aside.name)


def token_files_present(folder: Path) -> bool:
    """Whether any token file is there, whatever it holds."""
    return any((folder / name).exists() for name in (*ACCESS_FILES.values(), REFRESH_FILE))


def clear_tokens(folder: Path) -> None:
    """Remove every token file of a settings folder; the key file stays.

    Raises:
        OSError: read-only disk or no right.
    """
    for name in (*ACCESS_FILES.values(), REFRESH_FILE):
        (folder / name).unlink(missing_ok=True)


def _seal(content: dict[str, Any], metadata: dict[str, Any], key: bytes, nonce: bytes, associated: bytes) -> bytes:
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=TAG_BYTES)
    cipher.update(associated)
    sealed, tag = cipher.encrypt_and_digest(json.dumps(content).encode("utf-8"))
    document = {"version": 1, **metadata, "nonce": base64s.encode(nonce), "sealed": base64s.encode(sealed + tag)}
    return json.dumps(document, indent=1).encode("ascii")


def _open(raw: bytes, key: bytes, associated: bytes) -> dict[str, Any]:
    """Decrypt a token file.

    Raises:
        ValueError: torn, made with another key, or for another Engine.
    """
    try:
        document = json.loads(raw)
        nonce, sealed = base64s.decode(document["nonce"]), base64s.decode(document["sealed"])
        version = document["version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is torn") from error
    if version != 1 or len(nonce) != NONCE_BYTES or len(sealed) < TAG_BYTES:
        raise ValueError("it is torn, or from a newer version")
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=TAG_BYTES)
    cipher.update(associated)
    try:
        content = json.loads(cipher.decrypt_and_verify(sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]))
    except ValueError as error:
        raise ValueError("it was changed, or made on another device or for another Engine") from error
    if not isinstance(content, dict):
        raise ValueError("it is torn")
    return content
