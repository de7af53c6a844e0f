"""Certificates that the operator gives: checked when the Engine starts, and again whenever the files change.

The whole chain up to the root is shown in TLS, because agents find the pinned CA there at first contact.
"""

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from borealis_engine.core.errors import Fatal
from borealis_engine.enrolment import certificate_making as making
from borealis_engine.enrolment.own_certificates import BUNDLE_FILE, ServedCertificate, require_same_ca, write_if_changed

CHAIN_FILE: Final = "borealis-given-chain.pem"
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_CHAIN: Final = 10


def load_given(
    folder: Path,
    *,
    cert: Path | None,
    key: Path | None,
    bundle: Path | None,
    now: float,
    expected_pin: str | None = None,
) -> ServedCertificate:
    """Check the operator's files and write the chain and the bundle that follow from them.

    Args:
        folder: ``Engine/Certificates``.
        cert: PEM with the leaf first; intermediates and root may follow.
        key: PEM of its private key, not encrypted.
        bundle: PEM of the CAs above, if they are not in ``cert``.
        now: Unix seconds.
        expected_pin: the CA that this Engine has shown since it started, if it has.

    Raises:
        Fatal: ``tls_files_unusable`` with what is wrong; ``ca_changed``; ``certificates_unwritable``.
    """
    if cert is None or key is None:
        raise _unusable("BOREALIS_TLS_CERT and BOREALIS_TLS_KEY belong together, and one is not set")
    own = _read(cert, "BOREALIS_TLS_CERT")
    others = [*own[1:], *(_read(bundle, "BOREALIS_TLS_BUNDLE") if bundle is not None else [])]
    leaf = own[0]
    _check_key(leaf, key)
    if not making.is_valid_at(leaf, now):
        raise _unusable(
            f"{cert} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d} only"
        )
    chain = chain_to_root(leaf, others)
    if chain is None:
        raise _unusable(
            "from the certificate no chain leads to a self-signed CA; put the intermediates and the root into "
            "BOREALIS_TLS_BUNDLE"
        )
    require_same_ca(chain[-1], expected_pin)
    chain_path = folder / CHAIN_FILE
    try:
        write_if_changed(chain_path, making.certificates_pem(chain))
        write_if_changed(folder / BUNDLE_FILE, making.certificates_pem(chain[-1:]))
    except OSError as error:
        raise Fatal(
            "certificates_unwritable",
            f"{folder} cannot be written ({error}). Free the disk or mend the rights, then start again.",
        ) from error
    return ServedCertificate(chain, chain_path, key)


def chain_to_root(leaf: x509.Certificate, others: list[x509.Certificate]) -> tuple[x509.Certificate, ...] | None:
    """The chain from ``leaf`` to a self-signed CA among ``others``, or None. Pure; order does not matter."""
    chain = [leaf]
    while len(chain) <= MAX_CHAIN:
        last = chain[-1]
        if making.is_authority(last) and making.is_issued_by(last, last):
            return tuple(chain)
        above = next(
            (item for item in others if item not in chain and making.is_authority(item) and _issued(last, item)), None
        )
        if above is None:
            return None
        chain.append(above)
    return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    return certificate.issuer == issuer.subject and making.is_issued_by(certificate, issuer)


def _check_key(leaf: x509.Certificate, path: Path) -> None:
    try:
        key = load_pem_private_key(_bytes(path, "BOREALIS_TLS_KEY"), None)
    except TypeError as error:
        raise _unusable(f"{path} is encrypted; the Engine starts without anybody to type a passphrase") from error
    except ValueError as error:
        raise _unusable(f"{path} is not a private key in PEM") from error
    if not making.same_key(leaf, key):
        raise _unusable(f"{path} is not the key of the certificate")


def _read(path: Path, setting: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_bytes(path, setting))
    except ValueError as error:
        raise _unusable(f"{path} ({setting}) holds no certificate in PEM, or a torn one") from error


def _bytes(path: Path, setting: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise _unusable(f"{path} ({setting}) cannot be read: {error.strerror or error}") from error


def _unusable(reason: str) -> Fatal:
    return Fatal(
        "tls_files_unusable", f"The TLS files given to the Engine cannot be used: {reason}. Mend it and start."
    )
