"""Certificates that the operator brings."""

import ssl
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.fakes.fake_clock import FakeClock
from tests.fakes.people import settings_in

from borealis_engine.core.errors import Fatal
from borealis_engine.enrolment import certificate_making as making
from borealis_engine.enrolment.given_certificates import chain_to_root
from borealis_engine.enrolment.tls import EngineCertificates

NOW = time.time()
Key = ec.EllipticCurvePrivateKey


def certificate(
    name: str, key: Key, issuer: x509.Certificate | None, issuer_key: Key, *, ca: bool, days: int = 90
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName("*.example"), x509.DNSName("engine.test")]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


@dataclass
class Given:
    """An operator's own hierarchy, and the files they hand over."""

    folder: Path
    clock: FakeClock
    root: x509.Certificate
    middle: x509.Certificate
    leaf: x509.Certificate
    leaf_key: Key
    middle_key: Key

    def load(self, *, cert: list[x509.Certificate], bundle: list[x509.Certificate] | None = None) -> EngineCertificates:
        self.write("cert.pem", making.certificates_pem(cert))
        self.write("key.pem", making.key_pem(self.leaf_key))
        bundle_path = None
        if bundle is not None:
            bundle_path = self.write("bundle.pem", making.certificates_pem(bundle))
        return self.start(bundle_path)

    def start(self, bundle: Path | None) -> EngineCertificates:
        settings = replace(
            settings_in(self.folder / "Engine"),
            tls_cert=self.folder / "cert.pem",
            tls_key=self.folder / "key.pem",
            tls_bundle=bundle,
        )
        certificates = EngineCertificates(settings=settings, clock=self.clock, names=lambda _: frozenset({"x"}))
        certificates.load()
        return certificates

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def new_leaf(self) -> x509.Certificate:
        self.leaf_key = making.new_key()
        return certificate("leaf", self.leaf_key, self.middle, self.middle_key, ca=False)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    root_key, middle_key, leaf_key = making.new_key(), making.new_key(), making.new_key()
    root = certificate("root", root_key, None, root_key, ca=True)
    middle = certificate("middle", middle_key, root, root_key, ca=True)
    leaf = certificate("leaf", leaf_key, middle, middle_key, ca=False)
    return Given(tmp_path, FakeClock(NOW), root, middle, leaf, leaf_key, middle_key)


def test_the_pin_is_over_the_root_wherever_it_stands(given: Given) -> None:
    pin = making.pin_of(given.root)
    assert given.load(cert=[given.leaf, given.middle, given.root]).ca_pin == pin
    assert given.load(cert=[given.leaf, given.root, given.middle]).ca_pin == pin
    assert given.load(cert=[given.leaf, given.middle], bundle=[given.root]).ca_pin == pin
    certificates = given.load(cert=[given.leaf], bundle=[given.root, given.middle])
    assert certificates.ca_pin == pin
    assert certificates.bundle_path.read_bytes() == making.certificates_pem([given.root])
    shown = x509.load_pem_x509_certificates(certificates.cert_path.read_bytes())
    assert shown == [given.leaf, given.middle, given.root]
    assert certificates.leaf_sha256 == given.leaf.fingerprint(hashes.SHA256())
    certificates.ssl_context()


def test_its_names_are_the_operators_business(given: Given) -> None:
    certificates = given.load(cert=[given.leaf, given.middle, given.root])
    assert certificates.covers("engine.test")
    assert certificates.covers("ENGINE.example.")
    assert not certificates.covers("a.b.example")
    assert not certificates.covers("example")
    assert not given.clock.sleeping


def test_no_own_ca_is_made_beside_it(given: Given) -> None:
    given.load(cert=[given.leaf, given.middle, given.root])
    assert not (given.folder / "Engine" / "Certificates" / "borealis-root-ca.pem").exists()


def test_a_file_that_certbot_renewed_is_taken_up(given: Given) -> None:
    certificates = given.load(cert=[given.leaf, given.middle, given.root])
    context, before = certificates.ssl_context(), certificates.leaf_sha256
    assert not certificates.renew_if_due()
    leaf = given.new_leaf()
    given.write("cert.pem", making.certificates_pem([leaf, given.middle, given.root]))
    assert not certificates.renew_if_due()  # the key has not come yet
    assert certificates.leaf_sha256 == before
    given.write("key.pem", making.key_pem(given.leaf_key))
    assert certificates.renew_if_due()
    assert certificates.leaf_sha256 == leaf.fingerprint(hashes.SHA256())
    assert certificates.ssl_context() is context


def test_rejects_another_ca_while_running(given: Given) -> None:
    certificates = given.load(cert=[given.leaf, given.middle, given.root])
    pin, leaf = certificates.ca_pin, certificates.leaf_sha256
    key = making.new_key()
    root = certificate("root", key, None, key, ca=True)
    other = certificate("leaf", given.leaf_key, root, key, ca=False)
    given.write("cert.pem", making.certificates_pem([other, root]))
    assert not certificates.renew_if_due()
    assert (certificates.ca_pin, certificates.leaf_sha256) == (pin, leaf)
    assert certificates.bundle_path.read_text() == certificates.bundle_pem
    assert x509.load_pem_x509_certificates(certificates.cert_path.read_bytes())[0] == given.leaf


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("no root", "no chain leads to a self-signed CA"),
        ("foreign root", "no chain leads to a self-signed CA"),
        ("leaf alone", "no chain leads to a self-signed CA"),
        ("other key", "is not the key of the certificate"),
        ("encrypted key", "is encrypted"),
        ("torn key", "is not a private key"),
        ("torn certificate", "holds no certificate"),
        ("no certificate", "holds no certificate"),
        ("expired", "is valid from"),
        ("missing file", "cannot be read"),
    ],
)
def test_rejects_files_that_cannot_work(given: Given, fault: str, sentence: str) -> None:
    full = [given.leaf, given.middle, given.root]
    certificates: EngineCertificates | None = None
    given.load(cert=full)
    given.write("key.pem", making.key_pem(given.leaf_key))
    if fault == "no root":
        given.write("cert.pem", making.certificates_pem([given.leaf, given.middle]))
    elif fault == "foreign root":
        key = making.new_key()
        root = certificate("root", key, None, key, ca=True)
        given.write("cert.pem", making.certificates_pem([given.leaf, given.middle, root]))
    elif fault == "leaf alone":
        self_signed = certificate("leaf", given.leaf_key, None, given.leaf_key, ca=False)
        given.write("cert.pem", making.certificates_pem([self_signed]))
    elif fault == "other key":
        given.write("key.pem", making.key_pem(making.new_key()))
    elif fault == "encrypted key":
        encrypted = given.leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        given.write("key.pem", encrypted)
    elif fault == "torn key":
        given.write("key.pem", making.key_pem(given.leaf_key)[:80])
    elif fault == "torn certificate":
        given.write("cert.pem", making.certificates_pem(full)[:300])
    elif fault == "no certificate":
        given.write("cert.pem", b"hello\n")
    elif fault == "expired":
        given.clock.advance(91 * 86_400)
    else:
        (given.folder / "key.pem").unlink()
    with pytest.raises(Fatal, match=sentence) as caught:
        certificates = given.start(None)
    assert caught.value.code == "tls_files_unusable"
    assert certificates is None


def test_rejects_a_certificate_without_its_key(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path / "Engine"), tls_cert=tmp_path / "cert.pem")
    with pytest.raises(Fatal, match="belong together"):
        EngineCertificates(settings=settings, clock=FakeClock()).load()


def test_a_loop_of_issuers_ends(given: Given) -> None:
    key_a, key_b = making.new_key(), making.new_key()
    b_for_name = certificate("b", key_b, None, key_b, ca=True)
    a = certificate("a", key_a, b_for_name, key_b, ca=True)
    b = certificate("b", key_b, a, key_a, ca=True)
    leaf = certificate("leaf", making.new_key(), a, key_a, ca=False)
    assert chain_to_root(leaf, [a, b]) is None


def test_openssl_has_the_last_word(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = given.load(cert=[given.leaf, given.middle, given.root])

    def refuse(*_: object, **__: object) -> None:
        raise ssl.SSLError("key too small")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    with pytest.raises(Fatal, match="key too small"):
        certificates.ssl_context()
