"""Seals orders with the Engine's key, and rotates that key without losing a device."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.core.errors import Fatal
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.signing import _vault
from borealis_engine.signing.statements import Chain, RetiredKey, load_chain, store_chain
from borealis_wire import base64s, envelope
from borealis_wire.keys import VerifyKey
from borealis_wire.orders import KeysStatement

RETIRED_KEY_SECONDS: Final = 90 * 24 * 3600
"""How long devices go on trusting a key after it was rotated away, so that orders under way still count."""
MAX_RETIRED_KEYS: Final = 14
"""A statement holds 16 keys at most; the oldest retired ones go first."""

log = get_logger("signing")


class SigningService:
    """The Engine's signer. Safe to call from worker threads once :meth:`start` has run."""

    def __init__(self, *, folder: Path, clock: Clock, randomness: Randomness) -> None:
        self._folder = folder
        self._clock = clock
        self._randomness = randomness
        self._vault: _vault.Vault | None = None
        self._chain = Chain()
        self._rotating = threading.Lock()
        self._listeners: list[Callable[[dict[str, Any]], None]] = []

    async def start(self) -> None:
        """Open the key, make the first one where none has ever been, and finish a rotation cut off half-way.

        Raises:
            Fatal: key or statements are torn or missing; see the detail.
        """
        await asyncio.to_thread(self._open)

    @property
    def current_public(self) -> VerifyKey:
        """The key that signs now."""
        return self._signer.public

    @property
    def public_keys(self) -> list[VerifyKey]:
        """Keys a device should trust: the current one first, then retired ones until their date."""
        return [self.current_public, *self._chain.trusted_retired(self._clock.now())]

    def seal(self, payload_type: str, payload: bytes) -> dict[str, Any]:
        """A DSSE envelope over ``payload``, as the JSON object that travels."""
        return envelope.seal(payload_type, payload, self._signer)

    def sign_script(self, script: bytes) -> str:
        """Upstream's plain signature over the script bytes, base64. It binds nothing else (upstream-contract 5).

        Raises:
            ValueError: the script is what an envelope would sign. Whoever may run a script on one device could have
                an order for another one signed that way, or a statement that makes devices trust other keys.
        """
        if script.startswith(envelope.SIGNED_START):
            raise ValueError("a script must not be what an envelope signs")
        return base64s.encode(self._signer.sign(script))

    def statement_for_devices(self) -> list[dict[str, Any]]:
        """Envelopes of type ``application/vnd.borealis.keys+json``, oldest first; empty before the first rotation.

        Each is sealed by the key before it, so a device follows from the newest key that it knows, and ignores
        those sealed by keys that it does not trust (any more).
        """
        return list(self._chain.statements)

    def on_rotated(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call ``listener`` with the new statement's envelope, on the event loop, after each rotation."""
        self._listeners.append(listener)

    async def rotate(self, *, revoke_old: bool = False) -> dict[str, Any]:
        """Put a new key in force.

        Args:
            revoke_old: the old key may be in other hands: devices stop trusting it at once. Orders sealed with
                it and not yet fetched are then refused with ``unknown_key``.

        Returns:
            The envelope that tells devices, sealed by the old key.

        Raises:
            OSError: disk full or read-only; the old key stays in force.
        """
        statement = await asyncio.to_thread(self._rotate, revoke_old)
        for listener in self._listeners:
            listener(statement)
        return statement

    @property
    def _signer(self) -> _vault.Vault:
        if self._vault is None:
            raise RuntimeError("SigningService.start() has not run")
        return self._vault

    def _open(self) -> None:
        self._chain = load_chain(self._folder)
        vault = _vault.open_vault(self._folder, newest=self._chain.newest_key_id)
        if vault is None:
            vault = _vault.create_vault(self._folder, self._randomness)
            log.info("made the first script-signing key", key_id=vault.public.key_id)
        self._vault = self._finish_rotation(vault)

    def _finish_rotation(self, vault: _vault.Vault) -> _vault.Vault:
        newest = self._chain.newest_key_id
        successor = _vault.waiting_successor(self._folder)
        if successor is not None and successor.public.key_id == newest:
            _vault.promote_successor(self._folder, successor)
            log.info("finished a key rotation that was cut off", key_id=successor.public.key_id)
            return successor
        _vault.discard_successor(self._folder)
        if newest and vault.public.key_id != newest:
            raise Fatal(
                "signing_key_outdated",
                f"The script-signing key in {self._folder} is older than the last rotation (expected {newest}, found "
                f"{vault.public.key_id}). Restore key and key-statements.json from the same backup.",
            )
        return vault

    def _rotate(self, revoke_old: bool) -> dict[str, Any]:
        with self._rotating:
            now, old = self._clock.now(), self._signer
            successor = _vault.prepare_successor(self._folder, self._randomness)
            retired = tuple(item for item in self._chain.retired if item.until > now)[-MAX_RETIRED_KEYS:]
            if not revoke_old:
                retired += (RetiredKey(old.public, now + RETIRED_KEY_SECONDS),)
            statement = KeysStatement(
                keys=(successor.public, *(item.key for item in retired)),
                revoked=(old.public.key_id,) if revoke_old else (),
                issued_at=now,
            )
            sealed = envelope.seal(envelope.KEYS_TYPE, statement.to_payload(), old)
            chain = Chain((*self._chain.statements, sealed), successor.public.key_id, retired)
            # The statement first: a key in force that no statement names would be refused by every device.
            store_chain(self._folder, chain)
            _vault.promote_successor(self._folder, successor)
            self._chain, self._vault = chain, successor
            log.info("rotated the script-signing key", old=old.public.key_id, new=successor.public.key_id)
            return sealed
