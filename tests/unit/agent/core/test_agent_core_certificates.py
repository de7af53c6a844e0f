"""The small DER walk finds what ``cryptography`` finds, and says no to everything else."""

import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.core.certificates import find_pinned, read_certificate, read_pem
from borealis_engine.enrolment import certificate_making as making

PRIVATE_KEYS: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
AUTHORITY = making.make_authority(making.new_key(), time.time())
DER = AUTHORITY.public_bytes(Encoding.DER)


def certificate(kind: str, *, extensions: int = 0) -> x509.Certificate:
    key = PRIVATE_KEYS[kind]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Größe " * 5)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
    )
    if extensions:
        names = [x509.DNSName(f"host{number}.example") for number in range(extensions)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, None if kind == "ed25519" else hashes.SHA256())


@pytest.mark.parametrize("kind", PRIVATE_KEYS)
@pytest.mark.parametrize("extensions", [0, 1, 60])
def test_the_public_key_is_the_one_that_cryptography_finds(kind: str, extensions: int) -> None:
    made = certificate(kind, extensions=extensions)
    found = read_certificate(made.public_bytes(Encoding.DER))
    spki = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found.spki == spki
    assert found.pin == hashlib.sha256(spki).hexdigest()
    assert found.subject == made.subject.public_bytes()
    assert found.issuer == made.issuer.public_bytes()
    assert not found.self_issued


def test_the_pin_is_what_the_engine_prints_in_its_tokens() -> None:
    found = read_certificate(DER)
    assert found.pin == making.pin_of(AUTHORITY)
    assert found.self_issued


def test_pem_goes_there_and_back() -> None:
    bundle = making.certificates_pem([AUTHORITY, certificate("p256")]).decode()
    first, second = read_pem("text before\n" + bundle)
    assert first.der == DER
    assert first.pem + second.pem == bundle


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----", "no certificate"])
def test_rejects_text_that_is_no_pem(text: str) -> None:
    with pytest.raises(ValueError):
        read_pem(text)


@given(st.integers(0, len(DER) - 1))
def test_rejects_a_certificate_that_is_cut_short(length: int) -> None:
    with pytest.raises(ValueError):
        read_certificate(DER[:length])


@given(st.binary(max_size=400))
def test_rejects_bytes_that_are_no_certificate(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_certificate(data)


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_changed_byte_never_does_more_than_raise_value_error(position: int, change: int) -> None:
    data = bytearray(DER)
    data[position] ^= change
    try:
        read_certificate(bytes(data))
    except ValueError:
        return


def test_rejects_something_behind_the_certificate() -> None:
    with pytest.raises(ValueError):
        read_certificate(DER + b"\0")


@pytest.mark.parametrize(
    "data", [b"\x30\x80\0\0", b"\x30\x81\x03\x30\x01\x00", b"\x30\x82\x00\x80" + b"\0" * 128, b"\x30\x85\0\0\0\0\1\0"]
)
def test_rejects_lengths_that_are_not_der(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_certificate(data)


def test_the_pinned_certificate_is_found_among_others() -> None:
    chain = [b"rubbish", certificate("p256").public_bytes(Encoding.DER), DER]
    found = find_pinned(chain, making.pin_of(AUTHORITY))
    assert found is not None
    assert found.der == DER
    assert find_pinned(chain, "0" * 64) is None
