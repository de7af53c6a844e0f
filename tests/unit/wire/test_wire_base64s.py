"""One text for one value."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from borealis_wire import base64s


@given(st.binary())
def test_bytes_come_back(data: bytes) -> None:
    assert base64s.decode(base64s.encode(data)) == data
    assert base64s.encode(data) == base64.b64encode(data).decode()


@pytest.mark.slow
@given(st.text() | st.text("ABCDabcd0189+/=-_\n "))
@example("")
@example("QQ==")
@example("QR==")
@example("QQ=")
@example("Q Q==")
def test_a_text_decodes_only_if_it_is_the_one_that_encodes(text: str) -> None:
    try:
        data = base64s.decode(text)
    except ValueError:
        return
    assert base64s.encode(data) == text


@pytest.mark.parametrize("text", ["QQ", "QQ=", "QQ==\n", " QQ==", "QR==", "Q-_=", "QQ==QQ==", "ü", "\ud800", "===="])
def test_rejects_other_spellings(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        base64s.decode(text)
