"""What ``status`` says, and what the foreground tells between two looks."""

import json
from typing import Any

import pytest

from borealis_bootstrap.status import as_json, as_text
from borealis_bootstrap.supervision import Exit, ProgramState
from borealis_bootstrap.watch import news

RUNNING = ProgramState("running", 10)


def report(engine: dict[str, Any] | None = None, agent: dict[str, Any] | None = None) -> dict[str, Any]:
    stopped = {"state": "stopped", "pid": None, "supervisor": "borealis", "detail": "", "code": ""}
    return {
        "root": "/r",
        "engine": {**stopped, "url": "https://e:5000", "healthy": False, "version": "", **(engine or {})},
        "agent": {**stopped, "guid": "", "fingerprint": "", "connected": None, **(agent or {})},
    }


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (report(), "  Engine  stopped"),
        (report({"state": "running", "pid": 7, "healthy": True}), "          https://e:5000 answers"),
        (report({"state": "running", "pid": 7}), "          https://e:5000 does not answer yet"),
        (report({"state": "attention", "detail": "Mend it."}), "  Engine  needs you: Mend it."),
        (report({"state": "running", "pid": 7, "supervisor": "systemd"}), "  Engine  running, pid 7, as a service"),
        (report(agent={"state": "running", "pid": 8, "guid": "G", "connected": True}), "          G connected"),
        (report(agent={"state": "running", "pid": 8, "guid": "G"}), "          G connection unknown"),
        (report(agent={"guid": "G", "connected": False}), "          G"),
        (
            report(agent={"state": "running", "pid": 8, "fingerprint": "ab"}),
            "          waits for its approval, key ab",
        ),
    ],
)
def test_each_state_reads_as_a_sentence(given: dict[str, Any], line: str) -> None:
    assert line in as_text(given).splitlines()
    assert json.loads(as_json(given)) == given


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (RUNNING, []),
        (ProgramState("restarting", None, (Exit(9, 4, 0),)), ["agent ended with status 9 after 4 s."]),
        (
            ProgramState("running", 11, (Exit(9, 4, 0),)),
            ["agent ended with status 9 after 4 s.", "agent runs again (pid 11)."],
        ),
        (
            ProgramState("attention", None, (Exit(3, 0, 0),)),
            ["agent ended with status 3 after 0 s.", "agent needs you: why"],
        ),
        (ProgramState("stopped"), []),
    ],
)
def test_what_changed_is_told_once(now: ProgramState, lines: list[str]) -> None:
    assert news("agent", RUNNING, now, "why") == lines
    assert news("agent", now, now, "why") == []
