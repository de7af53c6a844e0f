"""Whether a connection can be kept as it was given; pure."""

import base64
import hashlib
import ipaddress
import re
from typing import Final

from cryptography import x509

from borealis_engine.core.errors import Invalid
from borealis_engine.machines.models import CONNECTIONS, TLS_MODES, Connection, MachineTls, ShownKey

MAX_ADDRESS: Final = 253
MAX_CERTIFICATE: Final = 64 * 1024
MAX_HOST_KEYS: Final = 8
_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
_KEY_TYPES: Final = frozenset(
    {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
)
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


def check_address(text: str) -> str:
    """A host name or an IP address: nothing that a program could take for an option.

    Raises:
        Invalid: ``invalid_address``.
    """
    address = text.strip().strip("[]")
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        if len(address) <= MAX_ADDRESS and _NAME.fullmatch(address):
            return address
    raise Invalid("invalid_address", "An address is a host name or an IP address.")


def check_port(port: int) -> int:
    """Raises ``Invalid``, ``invalid_port``."""
    if not 1 <= port <= 65535:
        raise Invalid("invalid_port", "A port is a number from 1 to 65535.")
    return port


def check_connection(connection: Connection) -> Connection:
    """Check all of it.

    Raises:
        Invalid: ``invalid_connection``, ``invalid_address``, ``invalid_port``, ``host_key_unconfirmed``,
            ``invalid_host_key`` or ``invalid_certificate``.
    """
    if connection.kind not in CONNECTIONS:
        raise Invalid("invalid_connection", f"A connection is one of {', '.join(CONNECTIONS)}.")
    if connection.tls.mode not in TLS_MODES:
        raise Invalid("invalid_connection", f"A machine's TLS is one of {', '.join(TLS_MODES)}.")
    address, port = check_address(connection.address), check_port(connection.port)
    if connection.kind == "ssh":
        if not connection.host_keys:
            raise Invalid(
                "host_key_unconfirmed",
                "Give the fingerprint of the machine's ssh host key, as ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key"
                ".pub prints it on the machine, or look at what it shows and confirm that.",
            )
        if len(connection.host_keys) > MAX_HOST_KEYS:
            raise Invalid("invalid_host_key", f"A machine has at most {MAX_HOST_KEYS} host keys.")
        keys = tuple(read_host_key(key).key for key in connection.host_keys)
        return Connection("ssh", address, port, keys)
    if connection.host_keys:
        raise Invalid("invalid_host_key", "Only ssh has host keys.")
    return Connection(connection.kind, address, port, (), _tls(connection.tls))


def read_host_key(text: str) -> ShownKey:
    """A public key of a host, from ``type base64 [comment]``, as in ``/etc/ssh/ssh_host_ed25519_key.pub``.

    Raises:
        Invalid: ``invalid_host_key``.
    """
    parts = text.split()
    try:
        if len(parts) < 2 or parts[0] not in _KEY_TYPES or len(text) > 8192:
            raise ValueError
        blob = base64.b64decode(parts[1], validate=True)
        kind = parts[0].encode()
        if blob[: 4 + len(kind)] != len(kind).to_bytes(4, "big") + kind:
            raise ValueError
    except ValueError as error:
        raise Invalid(
            "invalid_host_key", "That is no public ssh host key: it begins with ssh-ed25519 or the like."
        ) from error
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return ShownKey(parts[0], f"SHA256:{digest}", f"{parts[0]} {base64.b64encode(blob).decode()}")


def read_fingerprint(text: str) -> str:
    """A fingerprint as we write it.

    Raises:
        Invalid: ``invalid_host_key``.
    """
    found = text.strip()
    if not _FINGERPRINT.fullmatch(found):
        raise Invalid("invalid_host_key", "A host key's fingerprint looks like SHA256:… and 43 characters.")
    return found.rstrip("=")


def _tls(tls: MachineTls) -> MachineTls:
    if tls.mode != "pinned":
        if tls.certificate:
            raise Invalid("invalid_certificate", "Only pinned takes a certificate.")
        return tls
    try:
        if len(tls.certificate) > MAX_CERTIFICATE or "PRIVATE KEY" in tls.certificate:
            raise ValueError
        if not x509.load_pem_x509_certificates(tls.certificate.encode()):
            raise ValueError
    except ValueError as error:
        raise Invalid(
            "invalid_certificate", "Give the machine's certificate, or its authority's, in PEM form; no private key."
        ) from error
    return tls
