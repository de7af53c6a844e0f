"""Following runs: output as it comes, whole, in order, with names where there are several; Engines that go away."""

import io
from typing import Any

import httpx
import pytest
from tests.fakes.cli_world import Terminal
from tests.fakes.fake_rest import Asked, FakeRest, refuse, run

from borealis_cli.client import PATIENCE_SECONDS, EngineClient
from borealis_cli.errors import Refusal, Unreachable
from borealis_cli.follow import Printer, RunOutput, follow_all, wait_for_all
from borealis_cli.places import Target

TARGET = Target("https://127.0.0.1:5000", "t", "PEM", is_owner=True)


def client(rest: FakeRest, **options: Any) -> EngineClient:
    return EngineClient(TARGET, transport=rest.transport(), sleep=lambda _: None, **options)


def pages(*given: dict[str, Any]) -> Any:
    left = list(given)
    return lambda asked: (200, left.pop(0) if len(left) > 1 else left[0])


def page(*texts: str, first: int = 0, done: bool = False, stream: str = "stdout") -> dict[str, Any]:
    chunks = [{"seq": first + number, "stream": stream, "data": text} for number, text in enumerate(texts)]
    return {"chunks": chunks, "status": "Running", "done": done}


def started(*names: str) -> list[dict[str, Any]]:
    return [{"run_id": f"r-{name}", "hostname": name} for name in names]


def follow(rest: FakeRest, *names: str) -> tuple[str, str, list[dict[str, Any]]]:
    out, err = io.StringIO(), io.StringIO()
    runs = follow_all(client(rest), started(*names), Printer(out, err, prefixed=len(names) > 1))
    return out.getvalue(), err.getvalue(), runs


def test_output_is_asked_for_from_where_it_stood() -> None:
    rest = FakeRest(
        {
            "GET /api/runs/r-lab/output": pages(page("a", "b"), page("c\n", first=2), page(done=True)),
            "GET /api/runs/r-lab": (200, run("r-lab", stdout="abc\n")),
        }
    )
    out, err, (ended,) = follow(rest, "lab")
    assert (out, err, ended["status"]) == ("abc\n", "", "Success")
    assert [asked.query["after_seq"] for asked in rest.asked if "after_seq" in asked.query] == ["-1", "1", "2"]


def test_what_did_not_come_live_comes_from_the_result() -> None:
    rest = FakeRest(
        {
            "GET /api/runs/r-lab/output": pages(page("a", done=True)),
            "GET /api/runs/r-lab": (200, run("r-lab", stdout="all of it\n", stderr="trouble\n")),
        }
    )
    assert follow(rest, "lab")[:2] == ("all of it\n", "trouble\n")


def test_a_gap_in_live_output_is_said() -> None:
    rest = FakeRest(
        {
            "GET /api/runs/r-lab/output": pages(page("a", "d", done=True)),
            "GET /api/runs/r-lab": (200, run("r-lab", stdout="abcd")),
        }
    )
    out, err, _ = follow(rest, "lab")
    assert out == "ad"
    assert "borealis activity --run r-lab" in err


def test_several_devices_are_told_apart_by_whole_lines() -> None:
    rest = FakeRest(
        {
            "GET /api/runs/r-a/output": pages(page("one\ntw"), page("o\nend", first=1, done=True)),
            "GET /api/runs/r-a": (200, run("r-a", stdout="one\ntwo\nend")),
            "GET /api/runs/r-b/output": pages(page("x\n", done=True)),
            "GET /api/runs/r-b": (200, run("r-b", "b", stdout="x\n", status="Failed", exit_code=3)),
        }
    )
    out, _, runs = follow(rest, "a", "b")
    assert [line for line in out.splitlines() if line.startswith("a")] == ["a | one", "a | two", "a | end"]
    assert [line for line in out.splitlines() if line.startswith("b")] == ["b | x"]
    assert [ended["status"] for ended in runs] == ["Success", "Failed"]


def test_rejects_escape_sequences_of_a_device_at_a_terminal() -> None:
    out = Terminal(terminal=True)
    output = RunOutput("lab", Printer(out, io.StringIO(), prefixed=False))
    output.piece("stdout", "a\x1b]0;title\x07\x1b[31mred")
    output.end(run(stdout="a\x1b]0;title\x07\x1b[31mred"))
    assert "\x1b]" not in out.getvalue()
    assert "\x07" not in out.getvalue()
    assert "\x1b[31mred" in out.getvalue()


def test_output_that_is_piped_is_left_as_it_is() -> None:
    out = io.StringIO()
    output = RunOutput("lab", Printer(out, io.StringIO(), prefixed=False))
    output.piece("stdout", "a\x1b]0;title\x07")
    output.end(run(stdout="a\x1b]0;title\x07"))
    assert out.getvalue() == "a\x1b]0;title\x07"


def test_survives_an_engine_that_restarts() -> None:
    calls = iter([httpx.ConnectError("refused"), refuse(503, "database_unavailable", "gone"), None])

    def answer(_: Asked) -> tuple[int, Any]:
        outcome = next(calls)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome or (200, run("r1"))

    (ended,) = wait_for_all(client(FakeRest({"GET /api/runs/r1": answer})), ["r1"])
    assert ended["status"] == "Success"


def test_rejects_waiting_for_an_engine_for_ever() -> None:
    def gone(_: Asked) -> tuple[int, Any]:
        raise httpx.ConnectError("refused")

    now = [0.0]

    def later() -> float:
        now[0] += 60
        return now[0]

    engine = client(FakeRest({"GET /api/runs/r1": gone}), monotonic=later)
    with pytest.raises(Unreachable):
        wait_for_all(engine, ["r1"])
    assert now[0] >= PATIENCE_SECONDS


def test_a_run_that_cannot_be_seen_any_more_ends_the_waiting() -> None:
    with pytest.raises(Refusal, match="not_found"):
        follow(FakeRest(), "lab")


def test_a_long_poll_is_repeated_until_the_end() -> None:
    rest = FakeRest({"GET /api/runs/r1": pages(run(status="Pending"), run(status="Running"), run())})
    assert wait_for_all(client(rest), ["r1"])[0]["status"] == "Success"
    assert len(rest.asked) == 3
