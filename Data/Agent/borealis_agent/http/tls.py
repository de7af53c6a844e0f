"""TLS towards the Engine: a context that trusts the pinned CA alone, and a look at a chain that trusts nothing.

``PinnedContext`` lets OpenSSL check chain, names and times against that CA, and then compares the chain's keys with
the pin itself, inside the handshake: before a byte of HTTP is written. Names are always checked, literal addresses
too: an operator's own CA may have signed other servers.
"""

import asyncio
import contextlib
import logging
import ssl
from typing import Any, Final

from borealis_agent.core.certificates import CertificateFacts, find_pinned, read_certificate, read_pem

CONTACT_SECONDS: Final = 15.0
_ENCODING_DER: Final = 2
_MAX_CHAIN: Final = 10

log = logging.getLogger(__name__)


class PinnedContext(ssl.SSLContext):
    """Client context for one pinned CA. Make it with :func:`pinned_context`.

    Attributes:
        pin: hex SHA-256 of the CA's SPKI.
    """

    pin: str = ""


class _PinnedObject(ssl.SSLObject):
    """One TLS connection that is only completed if the verified chain holds the pinned key."""

    def do_handshake(self) -> None:
        """Complete the handshake, then compare the pin.

        Raises:
            ssl.SSLCertVerificationError: the pinned key is not in the chain that was verified.
        """
        super().do_handshake()
        context = self.context
        assert isinstance(context, PinnedContext)
        if find_pinned(peer_chain(self, verified=True), context.pin) is None:
            log.warning("TLS: the Engine's chain does not hold the pinned key %s; nothing was sent", context.pin)
            raise ssl.SSLCertVerificationError("the pinned key is not in the Engine's chain")


def pinned_context(ca_pem: str, pin: str) -> PinnedContext:
    """A context that trusts this CA and no other.

    Args:
        ca_pem: the CA in PEM.
        pin: hex SHA-256 of its SPKI.

    Raises:
        ValueError: the certificate does not belong to the pin.
    """
    if read_pem(ca_pem)[0].pin != pin:
        raise ValueError("the certificate does not belong to the pin")
    context = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The pinned certificate is the anchor, also where an operator's own CA is not a root.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=ca_pem)
    context.sslobject_class = _PinnedObject
    context.pin = pin
    return context


def peer_chain(connection: ssl.SSLObject, *, verified: bool) -> list[bytes]:
    """The peer's certificates in DER, leaf first; at most ten.

    Python has this as a public method from 3.13 on; before that only the object inside has it.
    """
    inner: Any = connection._sslobj  # type: ignore[attr-defined]
    chain = inner.get_verified_chain() if verified else inner.get_unverified_chain()
    return [
        item if isinstance(item, bytes) else bytes(item.public_bytes(_ENCODING_DER))
        for item in list(chain or [])[:_MAX_CHAIN]
    ]


async def fetch_chain(host: str, port: int, *, timeout: float = CONTACT_SECONDS) -> list[bytes]:
    """Complete a handshake that trusts nothing, read the chain, hang up. No byte of HTTP is sent.

    Raises:
        OSError: no connection, or no TLS at the other end.
        TimeoutError: no answer in ``timeout`` seconds.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # looked at, not trusted: what follows uses a context of its own
    async with asyncio.timeout(timeout):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        try:
            return peer_chain(writer.get_extra_info("ssl_object"), verified=False)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def fingerprints(chain: list[bytes]) -> list[str]:
    """The pins of a chain, leaf first, for a message to a person."""
    found = []
    for der in chain:
        try:
            found.append(read_certificate(der).pin)
        except ValueError:
            found.append("unreadable")
    return found


def first_use_anchor(chain: list[bytes]) -> CertificateFacts | None:
    """What ``--trust-on-first-use`` would pin: the chain's root if it is there, else its last certificate."""
    readable = []
    for der in chain:
        with contextlib.suppress(ValueError):
            readable.append(read_certificate(der))
    return next((item for item in readable if item.self_issued), readable[-1] if readable else None)
