"""The files of the Engine's own CA and leaf: made at first start, renewed, never silently replaced.

The CA is what every agent has pinned: torn or missing files of it stop the Engine with a sentence. The leaf is
not: one that is torn, missing or due is made anew under the same CA, and no agent notices.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from borealis_base.files import exclusive_lock, move_aside, write_atomic
from borealis_engine.core.errors import Fatal
from borealis_engine.core.log import get_logger
from borealis_engine.enrolment import certificate_making as making

CA_FILE: Final = "borealis-root-ca.pem"
CA_KEY_FILE: Final = "borealis-root-ca-key.pem"
LEAF_FILE: Final = "borealis-server-cert.pem"
LEAF_KEY_FILE: Final = "borealis-server-key.pem"
BUNDLE_FILE: Final = "borealis-server-bundle.pem"
LOCK_FILE: Final = ".certificates.lock"
LOCK_SECONDS: Final = 30.0
_PUBLIC: Final = 0o644

log = get_logger("certificates")


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """What TLS shows: ``chain`` from the leaf up to the pinned CA. ``replaced`` is the leaf before a renewal."""

    chain: tuple[x509.Certificate, ...]
    chain_path: Path
    key_path: Path
    replaced: x509.Certificate | None = None

    @property
    def leaf(self) -> x509.Certificate:
        """The Engine's own."""
        return self.chain[0]

    @property
    def top(self) -> x509.Certificate:
        """The CA that agents pin."""
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def ensure_own(
    folder: Path, *, wanted: frozenset[str], now: float, expected_pin: str | None = None
) -> ServedCertificate:
    """The CA and leaf in ``folder``, made or renewed where needed. Safe against a second process that does the same.

    Args:
        folder: ``Engine/Certificates``.
        wanted: the names that the leaf has to say.
        now: Unix seconds.
        expected_pin: the CA that this Engine has shown since it started, if it has.

    Raises:
        Fatal: ``ca_unusable``, ``ca_changed``, ``ca_out_of_date``, ``leaf_foreign``, ``certificates_locked`` or
            ``certificates_unwritable``; nothing was replaced.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(folder / LOCK_FILE, timeout=LOCK_SECONDS):
            authority = _ensure_authority(folder, now)
            require_same_ca(authority.certificate, expected_pin)
            served = _ensure_leaf(folder, authority, wanted, now)
            write_if_changed(folder / BUNDLE_FILE, making.certificates_pem([authority.certificate]))
            return served
    except TimeoutError as error:
        raise Fatal(
            "certificates_locked",
            f"Another process has held {folder / LOCK_FILE} for {LOCK_SECONDS:.0f} s. End the other Engine that uses "
            "this folder, or wait for it.",
        ) from error
    except OSError as error:
        raise Fatal(
            "certificates_unwritable",
            f"The certificates in {folder} cannot be read or written ({error}). Free the disk or mend the rights, "
            "then start again.",
        ) from error


def require_same_ca(certificate: x509.Certificate, expected_pin: str | None) -> None:
    """Refuse to go over to another CA while running: every agent that has pinned the old one would stop.

    Raises:
        Fatal: ``ca_changed``.
    """
    if expected_pin is not None and making.pin_of(certificate) != expected_pin:
        raise Fatal(
            "ca_changed",
            f"The files hold another CA ({making.pin_of(certificate)}) than the one that devices trust "
            f"({expected_pin}). Put the old one back; or restart the Engine to use the new one, and give every device "
            "a new enrolment token.",
        )


def write_if_changed(path: Path, content: bytes) -> None:
    """Write a public file, unless it is there already."""
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content, mode=_PUBLIC)


def _ensure_authority(folder: Path, now: float) -> _Authority:
    """Order of writing: CA key, CA, leaf key, leaf, bundle. What is there tells where a first start was cut off."""
    ca_path, key_path = folder / CA_FILE, folder / CA_KEY_FILE
    has_ca, has_key = ca_path.exists(), key_path.exists()
    if not has_ca or not has_key:
        first_start = not has_ca and not any((folder / name).exists() for name in (LEAF_FILE, BUNDLE_FILE))
        if not first_start:
            missing = CA_FILE if not has_ca else CA_KEY_FILE
            raise _unusable(folder, f"{missing} is missing")
        key = _load_ca_key(folder) if has_key else making.new_key()
        if not has_key:
            write_atomic(key_path, making.key_pem(key))
        certificate = making.make_authority(key, now)
        write_atomic(ca_path, making.certificates_pem([certificate]), mode=_PUBLIC)
        log.info("made the Engine's own certificate authority", pin=making.pin_of(certificate))
        return _Authority(key, certificate)
    authority = _Authority(_load_ca_key(folder), _load_ca(folder))
    if not making.same_key(authority.certificate, authority.key):
        raise _unusable(folder, f"{CA_KEY_FILE} is not the key of {CA_FILE}")
    if not making.is_authority(authority.certificate):
        raise _unusable(folder, f"{CA_FILE} is not the certificate of an authority")
    if not making.is_valid_at(authority.certificate, now):
        raise Fatal(
            "ca_out_of_date",
            f"{ca_path} is valid from {authority.certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{authority.certificate.not_valid_after_utc:%Y-%m-%d}, and the clock is outside of it. Set the clock.",
        )
    _keep_private(key_path)
    return authority


def _ensure_leaf(folder: Path, authority: _Authority, wanted: frozenset[str], now: float) -> ServedCertificate:
    path, key_path = folder / LEAF_FILE, folder / LEAF_KEY_FILE
    leaf = _load_leaf(folder, authority, now)
    if leaf is not None and not making.needs_renewal(leaf, wanted, now):
        _keep_private(key_path)
        return ServedCertificate((leaf, authority.certificate), path, key_path)
    key = making.new_key()
    # Names that the old one had stay, so that a network that is down for a moment does not renew it twice.
    names = (
        wanted if leaf is None else frozenset([*wanted, *sorted(making.names_in(leaf) - wanted)][: making.MAX_NAMES])
    )
    fresh = making.make_leaf(key, ca_key=authority.key, ca=authority.certificate, names=names, now=now)
    try:
        # The key first: a pair that does not match is seen at the next start, and made anew.
        write_atomic(key_path, making.key_pem(key))
        write_atomic(path, making.certificates_pem([fresh, authority.certificate]), mode=_PUBLIC)
    except OSError as error:
        if leaf is None or not making.is_valid_at(leaf, now) or not _is_pair(leaf, key_path):
            raise
        log.error("the leaf certificate is due and could not be renewed", reason=str(error))
        return ServedCertificate((leaf, authority.certificate), path, key_path)
    log.info("made a leaf certificate", until=f"{fresh.not_valid_after_utc:%Y-%m-%d}", names=len(names))
    return ServedCertificate((fresh, authority.certificate), path, key_path, replaced=leaf)


def _load_leaf(folder: Path, authority: _Authority, now: float) -> x509.Certificate | None:
    """The leaf, if it is whole and ours; torn ones are moved aside."""
    path, key_path = folder / LEAF_FILE, folder / LEAF_KEY_FILE
    if not path.exists():
        return None
    try:
        leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except ValueError:
        log.warning("moved a torn leaf certificate aside", to=move_aside(path, now).name)
        return None
    if not making.is_issued_by(leaf, authority.certificate):
        raise Fatal(
            "leaf_foreign",
            f"{path} was not issued by the Engine's own CA. To use a certificate of your own set BOREALIS_TLS_CERT, "
            f"BOREALIS_TLS_KEY and BOREALIS_TLS_BUNDLE; else remove {LEAF_FILE} and {LEAF_KEY_FILE}, and new ones "
            "are made under the CA that devices have pinned.",
        )
    if not _is_pair(leaf, key_path):
        log.warning("the leaf certificate and its key do not match; a new pair is made")
        return None
    return leaf


def _is_pair(leaf: x509.Certificate, key_path: Path) -> bool:
    try:
        return making.same_key(leaf, load_pem_private_key(key_path.read_bytes(), None))
    except (ValueError, TypeError, FileNotFoundError):
        return False


def _load_ca(folder: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
    except ValueError as error:
        raise _unusable(folder, f"{CA_FILE} is torn ({error})") from error


def _load_ca_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key((folder / CA_KEY_FILE).read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise _unusable(folder, f"{CA_KEY_FILE} is torn or encrypted") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(folder, f"{CA_KEY_FILE} holds another kind of key than P-256")
    return key


def _keep_private(path: Path) -> None:
    # Somebody copied it back from a backup with the copy's rights.
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
        log.warning("tightened the rights of a private key", file=path.name)


def _unusable(folder: Path, reason: str) -> Fatal:
    return Fatal(
        "ca_unusable",
        f"{reason} in {folder}. Every enrolled device trusts this CA alone, so no new one is made. Restore {CA_FILE} "
        f"and {CA_KEY_FILE} from a backup (the certificate alone can also be had from {BUNDLE_FILE}). To give the "
        "old CA up for good, and enrol every device again, move the whole folder's borealis-*.pem files away.",
    )
