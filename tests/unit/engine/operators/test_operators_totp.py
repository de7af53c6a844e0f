"""Codes belong to one time step; secrets rest sealed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.operators import totp

SECRET = totp.new_secret(b"12345678901234567890")
NOW = 1_760_000_010.0


def test_it_makes_the_codes_of_the_specification() -> None:
    # RFC 6238, appendix B, SHA-1, the last six of its eight digits
    for at, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        assert totp.matching_step(SECRET, code, at) == at // 30


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_may_be_one_step_off(steps: int) -> None:
    import pyotp

    step = int(NOW // 30) + steps
    assert totp.matching_step(SECRET, pyotp.TOTP(SECRET).generate_otp(step), NOW) == step


@pytest.mark.parametrize("steps", [-2, 2])
def test_rejects_codes_of_other_times(steps: int) -> None:
    import pyotp

    assert totp.matching_step(SECRET, pyotp.TOTP(SECRET).generate_otp(int(NOW // 30) + steps), NOW) is None


@given(st.text(max_size=12))
def test_rejects_any_text_without_falling_over(text: str) -> None:
    typed = totp.normalise_code(text)
    if len(typed) != totp.CODE_LENGTH or not typed.isascii() or not typed.isdigit():
        assert totp.matching_step(SECRET, typed, NOW) is None


def test_codes_are_read_as_people_type_them() -> None:
    assert totp.normalise_code(" 123 456 ") == "123456"
    code = totp.recovery_code(FakeRandomness().token_bytes(10))
    assert len(code) == 19
    assert totp.normalise_code(code.lower().replace("-", " ")) == code.replace("-", "")


def test_rejects_a_sealed_secret_of_another_user_or_key() -> None:
    box = totp.SecretBox(b"k" * 32)
    sealed = box.seal(SECRET, owner=1, nonce=b"n" * 12)
    assert box.open(sealed, owner=1) == SECRET
    assert SECRET not in sealed
    assert box.open(sealed, owner=2) is None
    assert totp.SecretBox(b"x" * 32).open(sealed, owner=1) is None
    assert box.open("not base64!", owner=1) is None
    assert box.open("", owner=1) is None


def test_the_address_for_apps_names_issuer_and_user() -> None:
    address = totp.provisioning_url(SECRET, "ada@example", "Borealis")
    assert address.startswith("otpauth://totp/Borealis:ada%40example?secret=")
    assert "issuer=Borealis" in address
