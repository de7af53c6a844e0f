"""TLS towards the Engine: one pinned CA and nothing else; and the one look before a pin is known.

``look`` trusts nothing that it sees: it fetches the certificates so that a person, or a pin given beforehand, can
decide about them. Everything after uses :func:`pinned_context`.
"""

import hashlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from borealis_cli.errors import CliError, Unreachable

LOOK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class SeenCertificate:
    """A certificate that a server showed. ``pin``: lower-case hex SHA-256 of its SPKI."""

    pem: str
    pin: str
    is_ca: bool


def pinned_context(ca_pem: str) -> ssl.SSLContext:
    """Trusts ``ca_pem`` alone, and checks the host name.

    Raises:
        CliError: not a certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise CliError("The stored certificate of the Engine cannot be read. Sign in again: borealis login.") from error
    return context


def look(url: str) -> list[SeenCertificate]:
    """The certificates that a server shows, leaf first. Checks nothing; sends no data.

    Raises:
        Unreachable: no TLS server answers there.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # looked at, not trusted
    try:
        with (
            socket.create_connection((host, port), timeout=LOOK_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            return [_seen(der) for der in _chain(connection)]
    except (OSError, ValueError) as error:
        raise Unreachable(f"No Engine answers at {url}: {error}.") from error


def choose(chain: list[SeenCertificate], pin: str | None) -> SeenCertificate:
    """The certificate to trust: the one with the given pin, else the CA that the server shows.

    Raises:
        CliError: the pin is not there: another machine answers, or the pin is of another Engine.
    """
    if pin is not None:
        for seen in chain:
            if seen.pin == pin:
                return seen
        raise CliError(
            "The server shows no certificate with this fingerprint, so somebody else may be answering. Nothing was "
            "sent. Compare it with what `borealis server` says on the Engine's own machine."
        )
    return next((seen for seen in reversed(chain) if seen.is_ca), chain[-1])


def _chain(connection: ssl.SSLSocket) -> list[bytes]:
    if hasattr(connection, "get_unverified_chain"):  # Python 3.13
        public: list[bytes] = connection.get_unverified_chain()
        return public
    inner: Any = connection._sslobj  # type: ignore[attr-defined]  # the same, before it had a public name
    return [item.public_bytes(ssl._ssl.ENCODING_DER) for item in inner.get_unverified_chain()]  # type: ignore[attr-defined]


def _seen(der: bytes) -> SeenCertificate:
    # Imported here alone: no other command needs it, and it is slow to load.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    certificate = x509.load_der_x509_certificate(der)
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    return SeenCertificate(ssl.DER_cert_to_PEM_cert(der), hashlib.sha256(spki).hexdigest(), is_ca)
