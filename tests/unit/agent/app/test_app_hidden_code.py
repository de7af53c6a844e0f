"""An enrolment code is taken off the command line, which every account of the machine may read."""

import pytest

from agent import without_code


@pytest.mark.parametrize("option", ["--installer-code", "--enrollment-code"])
def test_a_code_is_taken_out_and_the_rest_stays(option: str) -> None:
    rest = ["python", "-OO", "agent.py", "--system-service", "--config", "x"]
    for words in ([option, "CODE"], [f"{option}=CODE"]):
        assert without_code([*rest[:3], *words, *rest[3:]]) == (rest, "CODE")


@pytest.mark.parametrize("words", [[], ["agent.py"], ["agent.py", "--installer-code"], ["--installer-code="]])
def test_survives_a_line_without_a_code(words: list[str]) -> None:
    kept, code = without_code(words)
    assert code == ""
    assert set(kept) <= {"agent.py"}
