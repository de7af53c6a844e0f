"""The string that an operator hands out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from borealis_wire.enrolment_token import (
    CODE_PATTERN,
    EnrolmentToken,
    looks_like_token,
    normalise_code,
    parse_enrolment_token,
)

CODES = st.binary(min_size=16, max_size=16).map(lambda raw: raw.hex("-", 2).upper())
PINS = st.binary(min_size=32, max_size=32).map(bytes.hex)
HOSTS = st.from_regex(r"[a-z0-9]{1,12}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True) | st.sampled_from(["[::1]", "192.0.2.1"])
PORTS = st.none() | st.integers(1, 65535)


@pytest.mark.slow
@given(HOSTS, PORTS, CODES, PINS)
def test_a_token_reads_as_what_it_was_made_of(host: str, port: int | None, code: str, pin: str) -> None:
    token = EnrolmentToken(f"https://{host}" + (f":{port}" if port else ""), code, pin)
    assert parse_enrolment_token(str(token)) == token
    assert parse_enrolment_token(f"\t{str(token).replace(code, code.lower()).replace(pin, pin.upper())} \n") == token
    assert looks_like_token(str(token))
    assert not looks_like_token(code)


@given(st.text() | st.text(st.sampled_from("https:/#.@[]-0AF\\ \n%?"), max_size=60))
@example("https://[#x.y")
@example("https://[::1#x.y")
@example("#.")
def test_any_text_is_a_token_or_one_sentence(text: str) -> None:
    try:
        token = parse_enrolment_token(text)
    except ValueError as error:
        assert len(str(error)) > 20
        assert text not in str(error) or len(text) < 10  # the code in it is a secret
        return
    assert parse_enrolment_token(str(token)) == token


@given(st.text(max_size=60))
def test_any_text_is_a_code_or_one_sentence(text: str) -> None:
    try:
        assert CODE_PATTERN.fullmatch(normalise_code(text))
    except ValueError as error:
        assert "8 groups" in str(error)


def test_the_advice_names_the_part_that_is_wrong() -> None:
    code, pin = "0123-4567-89AB-CDEF-0123-4567-89AB-CDEF", "ab" * 32
    for text, word in (
        (code, "whole string"),
        (f"http://host#{code}.{pin}", "https"),
        (f"https://host#{code}.{pin[1:]}", "cut short"),
        (f"https://host#{code[1:]}.{pin}", "8 groups"),
    ):
        with pytest.raises(ValueError, match=word):
            parse_enrolment_token(text)
