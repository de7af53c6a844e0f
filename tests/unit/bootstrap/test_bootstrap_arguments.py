"""Upstream's spellings mean ours, and a wrong line is told in one sentence."""

import pytest

from borealis_bootstrap.arguments import Command, help_text, ours, parse, without_code
from borealis_bootstrap.errors import CannotGoOn

TOKEN = "https://e:5000#AAAA.00"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--Agent"], ["agent"]),
        (["-Agent"], ["agent"]),
        (["--EngineProduction"], ["engine"]),
        (["--EngineDev"], ["engine", "--dev"]),
        (["-Server"], ["engine"]),
        (["--Agent", "--EnrollmentCode", TOKEN], ["agent", "--enrollment-code", TOKEN]),
        (["--ServerUrl", "https://e", "--Agent"], ["agent", "--server-url", "https://e"]),
        (["--Agent", "--ServerUrl=https://e", "--detach"], ["agent", "--server-url", "https://e", "--detach"]),
        (["--agent", "--enrollment-code", "X"], ["agent", "--enrollment-code", "X"]),
        (["agent", "--server-url", "X"], ["agent", "--server-url", "X"]),
        (["up"], ["up"]),
        ([], []),
    ],
)
def test_upstream_spellings_mean_ours(given: list[str], meant: list[str]) -> None:
    assert ours(given) == meant


@pytest.mark.parametrize(
    "line",
    [
        ["agent", "--enrollment-code", TOKEN, "--detach"],
        ["agent", f"--enrolment-code={TOKEN}", "--detach"],
        ["-Agent", "-EnrollmentCode", TOKEN, "--detach"],
    ],
)
def test_a_command_line_can_be_had_without_its_token(line: list[str]) -> None:
    assert without_code(line) == ["agent", "--detach"]


def test_what_follows_cli_and_test_is_not_ours_to_read() -> None:
    assert parse(["cli", "run", "--all", "--json"]) == Command("cli", rest=("run", "--all", "--json"))
    assert parse(["test", "tests/unit", "-k", "x"]) == Command("test", rest=("tests/unit", "-k", "x"))
    assert parse(["bench", "--json", "F"]) == Command("bench", rest=("--json", "F"))


def test_options_of_each_command() -> None:
    assert parse(["new-role", "DiskSpace"]) == Command("new-role", role="DiskSpace")
    assert parse(["up", "--detach"]) == Command("up", detach=True)
    assert parse(["status", "--json"]) == Command("status", json=True)
    assert parse(["uninstall", "--purge"]) == Command("uninstall", purge=True)
    assert parse(["install", "agent", "--enrollment-code", TOKEN]) == Command(
        "install", what="agent", enrolment_code=TOKEN
    )
    assert parse(["agent", "--enrolment-code", "C", "--server-url", "U", "--trust-on-first-use"]) == Command(
        "agent", enrolment_code="C", server_url="U", trust_on_first_use=True
    )


@pytest.mark.parametrize("line", [[], ["-h"], ["--help"], ["help"]])
def test_nothing_and_help_show_all_commands(line: list[str]) -> None:
    assert parse(line).name == "help"
    for command in ("up", "status", "down", "engine", "agent", "install", "uninstall", "cli", "test", "bench"):
        assert f"./Borealis.sh {command}" in help_text()


@pytest.mark.parametrize(
    "line",
    [["frob"], ["up", "--frob"], ["install"], ["install", "printer"], ["agent", "--server-url"], ["--EnrollmentCode"]],
)
def test_rejects_a_wrong_line_with_one_sentence(line: list[str]) -> None:
    with pytest.raises(CannotGoOn, match=r"See ./Borealis.sh help\.$") as refused:
        parse(line)
    assert refused.value.status == 2
