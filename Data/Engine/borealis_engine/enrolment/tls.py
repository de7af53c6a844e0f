"""The Engine's TLS identity: which certificate it shows, what agents pin, and which leaves a proof may name.

Owns ``Engine/Certificates/borealis-*.pem``. May be called by: this room, ``app``, the server that listens, and the
REST door (bundle, pin). The private key of the CA is read by ``own_certificates`` alone, and not kept.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from borealis_base.clock import Clock
from borealis_engine.core.errors import Fatal
from borealis_engine.core.log import get_logger
from borealis_engine.core.settings import EngineSettings
from borealis_engine.enrolment import certificate_making as making
from borealis_engine.enrolment.given_certificates import load_given
from borealis_engine.enrolment.host_names import local_names
from borealis_engine.enrolment.own_certificates import BUNDLE_FILE, ServedCertificate, ensure_own

CHECK_SECONDS: Final = 3600.0
PREVIOUS_LEAF_SECONDS: Final = 3600.0
"""Connections opened before a renewal go on under the old leaf, and so do proofs made on them."""
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

log = get_logger("certificates")


class EngineCertificates:
    """CA and leaf of this Engine, own or given. Everything but the constructor needs :meth:`load` first."""

    def __init__(
        self,
        *,
        settings: EngineSettings,
        clock: Clock,
        names: Callable[[EngineSettings], frozenset[str]] = local_names,
    ) -> None:
        """``names`` tells under which names the Engine can be reached; asked at start and each hour."""
        self._settings = settings
        self._clock = clock
        self._wanted = names
        self._folder = settings.paths.certificates
        self._served: ServedCertificate | None = None
        self._previous: tuple[bytes, float] | None = None
        self._context: ssl.SSLContext | None = None
        self._extra = tuple(_digest(text) for text in settings.extra_leaf_sha256)

    def load(self) -> None:
        """Read or make the files. Blocks for some milliseconds, two seconds where a resolver hangs.

        Raises:
            Fatal: files that cannot be used; the detail says which and what to do.
        """
        self._take(self._read())

    @property
    def is_given(self) -> bool:
        """Whether the operator gave certificate and key."""
        settings = self._settings
        return any(path is not None for path in (settings.tls_cert, settings.tls_key, settings.tls_bundle))

    @property
    def ca_pin(self) -> str:
        """Lower-case hex SHA-256 of the SPKI DER of the CA that agents pin."""
        return making.pin_of(self._now_served.top)

    @property
    def leaf_sha256(self) -> bytes:
        """SHA-256 (32 bytes) of the DER of the leaf shown now."""
        return making.leaf_digest(self._now_served.leaf)

    @property
    def accepted_leaves(self) -> tuple[bytes, ...]:
        """Digests that a ``proof_v2`` may be bound to: own leaf, proxies', and for an hour the one before."""
        leaves = (self.leaf_sha256, *self._extra)
        if self._previous is not None and self._clock.monotonic() < self._previous[1]:
            return (*leaves, self._previous[0])
        return leaves

    @property
    def bundle_pem(self) -> str:
        """The CA, in PEM: what a client has to trust. Does not change with the leaf."""
        return making.certificates_pem([self._now_served.top]).decode("ascii")

    @property
    def cert_path(self) -> Path:
        """PEM chain as shown: leaf first, pinned CA last."""
        return self._now_served.chain_path

    @property
    def key_path(self) -> Path:
        """PEM private key of the leaf."""
        return self._now_served.key_path

    @property
    def bundle_path(self) -> Path:
        """File with :attr:`bundle_pem`."""
        return self._folder / BUNDLE_FILE

    def covers(self, host: str) -> bool:
        """Whether the leaf speaks for ``host`` (a name or an address, without port)."""
        return making.covers(making.names_in(self._now_served.leaf), host)

    def ssl_context(self) -> ssl.SSLContext:
        """The server's context, always the same one: a renewal is taken up by connections that come after it.

        Raises:
            Fatal: ``tls_files_unusable``: OpenSSL does not take the files.
        """
        if self._context is None:
            self._context = self._new_context(self._now_served)
        return self._context

    def renew_if_due(self) -> bool:
        """Look at files, dates and names again; whether another leaf is shown now. What fails leaves all as it is.

        Another CA is never taken up while running: agents that have pinned the old one would all stop.
        """
        before = self._now_served
        try:
            served = self._read()
            if self._context is not None:
                self._new_context(served)  # OpenSSL may refuse it; then the live context must not have seen it
        except Fatal as error:
            log.error("certificates were left as they are", reason=error.detail)
            return False
        if served.leaf == before.leaf:
            return False
        self._take(served)
        if self._context is not None:
            self._context.load_cert_chain(served.chain_path, served.key_path)
        log.info("shows a new leaf certificate", until=f"{served.leaf.not_valid_after_utc:%Y-%m-%d}")
        return True

    async def renew_loop(self) -> None:
        """Renew in time, each hour; run it as a supervised task."""
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.renew_if_due)

    @property
    def _now_served(self) -> ServedCertificate:
        if self._served is None:
            raise RuntimeError("EngineCertificates.load() has not run")
        return self._served

    def _read(self) -> ServedCertificate:
        settings, now = self._settings, self._clock.now()
        pin = None if self._served is None else making.pin_of(self._served.top)
        if not self.is_given:
            return ensure_own(self._folder, wanted=self._wanted(settings), now=now, expected_pin=pin)
        return load_given(
            self._folder,
            cert=settings.tls_cert,
            key=settings.tls_key,
            bundle=settings.tls_bundle,
            now=now,
            expected_pin=pin,
        )

    def _take(self, served: ServedCertificate) -> None:
        replaced = served.replaced or (self._served.leaf if self._served is not None else None)
        if replaced is not None and replaced != served.leaf:
            self._previous = (making.leaf_digest(replaced), self._clock.monotonic() + PREVIOUS_LEAF_SECONDS)
        self._served = served

    @staticmethod
    def _new_context(served: ServedCertificate) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(served.chain_path, served.key_path, password=_no_passphrase)
        except (OSError, ValueError) as error:
            raise Fatal(
                "tls_files_unusable",
                f"OpenSSL does not take {served.chain_path} with {served.key_path}: {error}. Mend them, then start.",
            ) from error
        return context


def _no_passphrase() -> str:
    # Without this OpenSSL would ask on the terminal, and a service would hang there.
    return ""


def _digest(text: str) -> bytes:
    plain = text.replace(":", "").strip().lower()
    if not _SHA256.fullmatch(plain):
        raise Fatal(
            "bad_setting",
            f"BOREALIS_PROXY_LEAF_SHA256 lists hex SHA-256 digests of certificates (64 digits), not {text!r}.",
        )
    return bytes.fromhex(plain)
