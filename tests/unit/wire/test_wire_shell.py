"""The shell's order and its lines: to bytes and back, in whatever pieces they come, and nothing else is taken."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire import shell_lines, strict_json
from borealis_wire.lines import MAX_LINE_BYTES, BadLine, LineReader
from borealis_wire.refusal import Refused
from borealis_wire.shell import NEW, ShellOrder, parse_shell

ORDER = ShellOrder("o", "s", "G", "olga", 80, 24, 1000.0, 1060.0, "daemon", NEW)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def test_an_order_reads_back_as_it_was() -> None:
    assert parse_shell(ORDER.to_payload()) == ORDER


@pytest.mark.parametrize(
    "change",
    [
        {"columns": 0},
        {"columns": True},
        {"rows": 1001},
        {"seen": -2},
        {"seen": 1.5},
        {"user": None},
        {"asked_by": ""},
        {"session_id": "x" * 257},
        {"expires_at": 1000.0},
        {"expires_at": 1061.0},
        {"issued_at": "1000"},
        {"command": "id"},
    ],
)
def test_rejects_orders_of_another_form(change: dict[str, object]) -> None:
    with pytest.raises(Refused):
        parse_shell(strict_json.canonical({**ORDER.to_json(), **change}))


@given(st.lists(st.binary(max_size=200), max_size=8), st.lists(st.integers(0, 4000), max_size=20))
def test_lines_come_through_however_they_are_cut(outputs: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(shell_lines.data_line("stdout", data, seq=index) for index, data in enumerate(outputs))
    reader = LineReader()
    heard = [message for piece in pieces(sent, cuts) for message in reader.feed(piece)]
    assert [shell_lines.data_of(message) for message in heard] == outputs
    assert [shell_lines.seq_of(message) for message in heard] == list(range(len(outputs)))


@given(st.text(max_size=60), st.lists(st.integers(0, 300), max_size=10))
def test_characters_that_are_cut_in_two_are_whole_again(text: str, cuts: list[int]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    reader = LineReader()
    lines = b"".join(
        shell_lines.data_line("stdout", piece) for piece in pieces(text.encode("utf-8", "surrogatepass"), cuts)
    )
    found = "".join(decoder.decode(shell_lines.data_of(message)) for message in reader.feed(lines))
    expected = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    assert found + decoder.decode(b"", final=True) == expected


@given(st.binary(max_size=300))
def test_rejects_garbage_with_one_error_only(data: bytes) -> None:
    try:
        for message in LineReader().feed(data + b"\n"):
            assert isinstance(message["type"], str)
    except BadLine:
        pass


def test_rejects_a_line_without_end_before_it_fills_memory() -> None:
    reader = LineReader()
    assert list(reader.feed(b"x" * MAX_LINE_BYTES)) == []
    with pytest.raises(BadLine):
        list(reader.feed(b"x"))


@pytest.mark.parametrize("size", [{}, {"cols": 0, "rows": 1}, {"cols": 1, "rows": "1"}, {"cols": True, "rows": 1}])
def test_rejects_a_size_that_no_terminal_has(size: dict[str, object]) -> None:
    with pytest.raises(BadLine):
        shell_lines.size_of(size)
