"""As much of X.509 as a pin needs: the public key (SPKI) of a certificate, and PEM to DER and back. Pure.

A hand-written walk over the outer DER instead of ``cryptography``, which would cost the agent 8 MB at rest. It
decides nothing about validity: signatures, names and times are OpenSSL's to check, in a context that trusts
the pinned CA alone. Tested against ``cryptography``.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_CERTIFICATE_BYTES: Final = 64 * 1024
_SEQUENCE: Final = 0x30
_VERSION_TAG: Final = 0xA0
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a pin needs of a certificate; ``issuer``, ``subject`` and ``spki`` are their DER."""

    der: bytes
    issuer: bytes
    subject: bytes
    spki: bytes

    @property
    def pin(self) -> str:
        """Lower-case hex SHA-256 of the SPKI, 64 characters."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def self_issued(self) -> bool:
        """Whether issuer and subject are the same name, as in a root."""
        return self.issuer == self.subject

    @property
    def pem(self) -> str:
        """The certificate as a PEM block."""
        body = base64.encodebytes(self.der).decode("ascii").replace("\n", "")
        lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
        return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def read_certificate(der: bytes) -> CertificateFacts:
    """Find names and public key in a DER certificate (RFC 5280, section 4.1).

    Raises:
        ValueError: not a certificate, cut short, or with something behind it.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise ValueError("the certificate is too large")
    outer, end = _content(der, 0, _SEQUENCE)
    if end != len(der):
        raise ValueError("something follows the certificate")
    body, _ = _content(outer, 0, _SEQUENCE)
    position = 0
    if body[:1] == bytes([_VERSION_TAG]):
        position = _skip(body, position)
    position = _skip(body, position)  # serial number
    position = _skip(body, position)  # signature algorithm
    issuer, position = _whole(body, position)
    position = _skip(body, position)  # validity
    subject, position = _whole(body, position)
    spki, _ = _whole(body, position)
    return CertificateFacts(der, issuer, subject, spki)


def read_pem(text: str) -> list[CertificateFacts]:
    """All certificates of a PEM bundle, in its order.

    Raises:
        ValueError: no certificate in it, or one that is torn.
    """
    found = []
    for match in _PEM.finditer(text):
        try:
            der = base64.b64decode("".join(match.group(1).split()), validate=True)
        except binascii.Error as error:
            raise ValueError("a PEM block is not base64") from error
        found.append(read_certificate(der))
    if not found:
        raise ValueError("there is no certificate in it")
    return found


def find_pinned(chain: Iterable[bytes], pin: str) -> CertificateFacts | None:
    """The certificate of a chain (DER) whose public key is the pinned one; unreadable ones are passed over."""
    for der in chain:
        try:
            certificate = read_certificate(der)
        except ValueError:
            continue
        if certificate.pin == pin:
            return certificate
    return None


def _header(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag, start of content, end of content of the element at ``position``; definite minimal lengths only."""
    if position + 2 > len(data):
        raise ValueError("the certificate is cut short")
    tag, length = data[position], data[position + 1]
    start = position + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(data):
            raise ValueError("a length in the certificate is not DER")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
        if length < 0x80 or (count > 1 and length < 1 << (8 * (count - 1))):
            raise ValueError("a length in the certificate is not DER")
    if start + length > len(data):
        raise ValueError("the certificate is cut short")
    return tag, start, start + length


def _content(data: bytes, position: int, expected: int) -> tuple[bytes, int]:
    tag, start, end = _header(data, position)
    if tag != expected:
        raise ValueError("this is not a certificate")
    return data[start:end], end


def _skip(data: bytes, position: int) -> int:
    return _header(data, position)[2]


def _whole(data: bytes, position: int) -> tuple[bytes, int]:
    tag, _, end = _header(data, position)
    if tag != _SEQUENCE:
        raise ValueError("this is not a certificate")
    return data[position:end], end
