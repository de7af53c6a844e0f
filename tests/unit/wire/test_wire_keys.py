"""Keys as PyNaCl has them are keys as everybody has them."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire.keys import SigningKey, VerifyKey

SEEDS = st.binary(min_size=32, max_size=32)
DER, PEM = Encoding.DER, Encoding.PEM


@pytest.mark.slow
@given(SEEDS, st.binary(max_size=200))
def test_both_libraries_agree(seed: bytes, message: bytes) -> None:
    ours, theirs = SigningKey.from_seed(seed), Ed25519PrivateKey.from_private_bytes(seed)
    assert ours.public.spki == theirs.public_key().public_bytes(DER, PublicFormat.SubjectPublicKeyInfo)
    assert ours.to_pkcs8_pem().encode() == theirs.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    assert ours.sign(message) == theirs.sign(message)
    assert ours.public.verifies(theirs.sign(message), message)


@given(SEEDS)
def test_a_key_survives_its_file(seed: bytes) -> None:
    key = SigningKey.from_seed(seed)
    assert SigningKey.from_pkcs8_pem(key.to_pkcs8_pem()) == key
    assert SigningKey.from_pkcs8_pem(key.to_pkcs8_pem().replace("\n", "\r\n")) == key
    assert VerifyKey.from_spki_base64(key.public.spki_base64) == key.public


@given(SEEDS, st.binary(max_size=100), st.binary(max_size=100))
def test_rejects_any_other_message(seed: bytes, message: bytes, other: bytes) -> None:
    key = SigningKey.from_seed(seed)
    assert key.public.verifies(key.sign(message), other) is (message == other)


@pytest.mark.slow
@given(SEEDS, st.binary(max_size=100), st.integers(0, 511))
def test_rejects_a_signature_with_any_bit_turned(seed: bytes, message: bytes, bit: int) -> None:
    key = SigningKey.from_seed(seed)
    signature = bytearray(key.sign(message))
    signature[bit // 8] ^= 1 << bit % 8
    assert not key.public.verifies(bytes(signature), message)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.binary(max_size=40))
def test_verifying_never_raises_and_is_no_laxer_than_openssl(raw: bytes, signature: bytes, message: bytes) -> None:
    if not VerifyKey(raw).verifies(signature, message):
        return
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise AssertionError("we accept what the other library refuses") from error


LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


@pytest.mark.parametrize("point", LOW_ORDER)
def test_rejects_keys_under_which_one_signature_fits_many_messages(point: str) -> None:
    key = VerifyKey(bytes.fromhex(point))
    for signature in (bytes(64), bytes.fromhex(point) + bytes(32), b"\1" + bytes(63)):
        assert not any(key.verifies(signature, message) for message in (b"", b"a", b"b", b"run this"))


@given(st.binary(max_size=60))
def test_any_der_is_a_key_or_a_value_error(der: bytes) -> None:
    try:
        key = VerifyKey.from_spki(der)
    except ValueError:
        return
    assert key.spki == der


def test_rejects_keys_of_other_algorithms() -> None:
    others = (
        x25519.X25519PrivateKey.generate().public_key(),
        ed448.Ed448PrivateKey.generate().public_key(),
        ec.generate_private_key(ec.SECP256R1()).public_key(),
    )
    for key in others:
        with pytest.raises(ValueError, match="Ed25519"):
            VerifyKey.from_spki(key.public_bytes(DER, PublicFormat.SubjectPublicKeyInfo))


def test_rejects_private_files_of_other_algorithms() -> None:
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match=r"."):
        SigningKey.from_pkcs8_pem(private.decode())


@given(st.text() | st.text().map(lambda t: f"-----BEGIN PRIVATE KEY-----\n{t}\n-----END PRIVATE KEY-----\n"))
def test_any_text_is_a_private_key_or_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        SigningKey.from_pkcs8_pem(text)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_rejects_keys_of_other_lengths(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        VerifyKey(bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey.from_seed(bytes(size))


def test_a_private_key_never_shows_itself() -> None:
    key = SigningKey.from_seed(bytes(range(32)))
    for text in (repr(key), str(key), f"{key}"):
        assert text == f"SigningKey({key.public.key_id})"


def test_fingerprint_and_key_id_are_those_of_the_spki() -> None:
    key = SigningKey.from_seed(bytes(32)).public
    assert len(key.fingerprint) == 64
    assert key.key_id == key.fingerprint[:16]
