"""Makes and reads X.509: the Engine's own CA, its leaf, their names and pins. Pure but for randomness; no files.

Called by ``own_certificates``, ``given_certificates`` and ``tls``.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS: Final = 20 * 365
LEAF_DAYS: Final = 397
"""Browsers refuse leaves that live longer than 398 days."""
BACKDATED_DAYS: Final = 2
"""A device whose clock is a day behind still believes a certificate that was just made."""
RENEW_DAYS: Final = 30
MAX_NAMES: Final = 100
_DNS_NAME: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\Z")


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(key: ec.EllipticCurvePrivateKey, now: float) -> x509.Certificate:
    """A self-signed CA certificate over ``key`` that may sign leaves only; ``now`` in Unix seconds."""
    public = key.public_key()
    name = _name(f"Borealis Engine CA {_spki_digest(public)[:8]}")
    start = _moment(now) - timedelta(days=BACKDATED_DAYS)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def make_leaf(
    key: ec.EllipticCurvePrivateKey,
    *,
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    names: Iterable[str],
    now: float,
) -> x509.Certificate:
    """A server certificate over ``key`` for ``names``, signed by the CA; it never outlives the CA."""
    start = max(_moment(now) - timedelta(days=BACKDATED_DAYS), ca.not_valid_before_utc)
    end = min(start + timedelta(days=LEAF_DAYS) - timedelta(seconds=1), ca.not_valid_after_utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_name("Borealis Engine"))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def pin_of(certificate: x509.Certificate) -> str:
    """Lower-case hex SHA-256 of a certificate's SPKI DER: what enrolment tokens carry."""
    return _spki_digest(certificate.public_key())


def leaf_digest(certificate: x509.Certificate) -> bytes:
    """SHA-256 (32 bytes) of a certificate's DER: what ``proof_v2`` is bound to."""
    return certificate.fingerprint(hashes.SHA256())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Unencrypted PKCS8 PEM; the caller guards the file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificates_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """PEM blocks, one after the other."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def same_key(certificate: x509.Certificate, key: object) -> bool:
    """Whether a private key is the certificate's."""
    public = getattr(key, "public_key", None)
    return public is not None and _spki(public()) == _spki(certificate.public_key())


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` signed ``certificate``; looks at names and signature, not at dates."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001  the library raises a family of its own for foreign key types; all mean no
        return False
    return True


def is_valid_at(certificate: x509.Certificate, now: float) -> bool:
    """Whether its dates include ``now`` (Unix seconds)."""
    return certificate.not_valid_before_utc <= _moment(now) <= certificate.not_valid_after_utc


def needs_renewal(leaf: x509.Certificate, wanted: frozenset[str], now: float) -> bool:
    """Whether a leaf of ours ends within 30 days, is not valid yet, or lacks a wanted name.

    Names that are no longer wanted do no harm and renew nothing, else a laptop's every network would.
    """
    ends_soon = leaf.not_valid_after_utc <= _moment(now) + timedelta(days=RENEW_DAYS)
    return ends_soon or not is_valid_at(leaf, now) or not wanted <= names_in(leaf)


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    """Its DNS names, lower-case, and addresses, in their usual text form."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    names = {name.lower() for name in found.get_values_for_type(x509.DNSName)}
    return frozenset(names | {str(address) for address in found.get_values_for_type(x509.IPAddress)})


def covers(names: frozenset[str], host: str) -> bool:
    """Whether a certificate with ``names`` speaks for ``host``; ``*`` stands for one first label (RFC 6125)."""
    name = clean_name(host)
    if name is None:
        return False
    return name in names or ("." in name and f"*.{name.partition('.')[2]}" in names and not _is_address(name))


def clean_name(text: str) -> str | None:
    """A host name in lower case or an address in its usual form; None for what a certificate cannot hold."""
    name = text.strip().strip("[]").rstrip(".").partition("%")[0].lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name if _DNS_NAME.match(name) else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)


def _spki(public: object) -> bytes:
    data: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return data


def _spki_digest(public: object) -> str:
    return hashlib.sha256(_spki(public)).hexdigest()
