"""``borealis macro``: what is asked of the Engine, and how the end is told."""

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID, run

STARTED = {"hostname": "lab", "guid": GUID, "job_id": 1, "run_id": "r1", "status": "Pending"}
START, CHANGE = "POST /api/macros", "POST /api/runs/r1/macro"


def engine(cli: CliWorld, **members: Any) -> CliWorld:
    one = run(**{"stdout": "pressed x\n", "script_type": "macro", **members})
    page = {"chunks": [{"seq": 0, "stream": "stdout", "data": one["stdout"]}], "status": "Success", "done": True}
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        START: (200, {"job_id": "j1", "run": STARTED}),
        CHANGE: (200, {"job_id": "j2", "run": STARTED}),
        "POST /api/runs/r1/cancel": (200, {"status": "requested"}),
        "GET /api/runs/r1": (200, one),
        "GET /api/runs/r1/output": (200, page),
    }
    return cli


def test_start_sends_what_was_named_and_says_how_to_stop(cli: CliWorld) -> None:
    printed = engine(cli)(
        "macro", "start", "lab", "--key", "Ctrl+F5", "--mode", "continuous", "--window", "Dash",
        "--random", "750ms-2s", "--timeout", "8h",
    )  # fmt: skip
    assert (printed.status, printed.err) == (0, "")
    assert "borealis macro stop r1" in printed.out
    assert cli.rest.bodies(START) == [
        {
            "guid": GUID,
            "settings": {
                "macro_type": "keypress",
                "key": "Ctrl+F5",
                "operation_mode": "Continuous",
                "window_title": "Dash",
                "randomize_interval": True,
                "random_min": 750,
                "random_max": 2000,
            },
            "timeout_seconds": 28800,
        }
    ]


def test_start_types_a_file_and_waits(cli: CliWorld, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_bytes("Grüße\r\n".encode())
    words = ("macro", "start", "lab", "--text-file", str(file), "--every", "250ms", "--paused", "--wait")
    printed = engine(cli)(*words)
    assert (printed.status, printed.out) == (0, "pressed x\n")
    (body,) = cli.rest.bodies(START)
    assert body["settings"] == {
        "macro_type": "text",
        "text": "Grüße\n",
        "operation_mode": "Run Once",
        "interval_ms": 250,
        "randomize_interval": False,
        "active": False,
    }
    assert engine(cli)(*words, "--json").json["run_id"] == "r1"


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("change", "r1", "--every", "2m", "--resume"), {"interval_ms": 120_000, "active": True}),
        (("change", "r1", "--handle", "77"), {"window_handle": 77}),
        (("trigger", "r1"), {"trigger": 1}),
        (("trigger", "r1", "--off"), {"trigger": 0}),
    ],
)
def test_a_change_is_sent_and_its_end_told(cli: CliWorld, words: tuple[str, ...], body: dict[str, Any]) -> None:
    expected = body if "interval_ms" not in body else {**body, "randomize_interval": False}
    assert engine(cli)("macro", *words).status == 0
    assert cli.rest.bodies(CHANGE) == [expected]
    failed = engine(cli, status="Failed", reason="That macro is not running.")("macro", *words)
    assert (failed.status, "not running" in failed.err) == (1, True)


def test_stop_waits_for_the_end(cli: CliWorld) -> None:
    printed = engine(cli, status="Cancelled")("macro", "stop", "r1")
    assert (printed.status, printed.out) == (0, "It ended: Cancelled.\n")
    assert engine(cli, status="Cancelled")("macro", "stop", "r1", "--json").json["status"] == "Cancelled"


@pytest.mark.parametrize(
    "words",
    [
        ("start", "lab"),
        ("start", "lab", "--key", "a", "--text", "b"),
        ("start", "lab", "--key", "a", "--mode", "sometimes"),
        ("start", "lab", "--key", "a", "--every", "soon"),
        ("start", "lab", "--key", "a", "--random", "5ms"),
        ("start", "lab", "--key", "a", "--every", "1s", "--random", "1s-2s"),
        ("start", "lab", "--key", "a", "--window", "x", "--handle", "1"),
        ("start", "lab", "--text-file", "/does/not/exist"),
        ("change", "r1"),
    ],
)
def test_rejects_usage_that_says_nothing_or_two_things(cli: CliWorld, words: tuple[str, ...]) -> None:
    printed = engine(cli)("macro", *words)
    assert (printed.status, printed.out) == (2, "")
    assert cli.rest.bodies(START) + cli.rest.bodies(CHANGE) == []


def test_rejects_text_that_is_too_long_or_no_text(cli: CliWorld, tmp_path: Path) -> None:
    for content in (b"", b"x" * 4097, b"\xff\xfe", b"x" * 20_000):
        file = tmp_path / "file"
        file.write_bytes(content)
        assert engine(cli)("macro", "start", "lab", "--text-file", str(file)).status == 2


def test_rejects_to_stop_what_is_no_macro(cli: CliWorld) -> None:
    printed = engine(cli, script_type="bash")("macro", "stop", "r1")
    assert (printed.status, "no macro" in printed.err) == (2, True)
    assert not any(asked.path.endswith("/cancel") for asked in cli.rest.asked)
