"""A recap is brought into form and kept small, whatever a device sends."""

import json
from typing import Any

import pytest

from borealis_engine.activity.recaps import MAX_HOSTS, MAX_RESULTS, MAX_TASKS, clean_recap


def test_a_recap_in_the_agents_form_becomes_lists() -> None:
    given = {
        "hosts": {"localhost": {"ok": 2, "changed": 1, "failed": 0}},
        "tasks": [
            {
                "play": "p",
                "name": "n",
                "action": "a",
                "hosts": {"localhost": {"result": "changed", "message": "m", "seconds": 1.5}},
            }
        ],
        "text": "PLAY RECAP",
        "check": True,
    }
    found = clean_recap(given)
    assert found["hosts"][0]["host"] == "localhost"
    assert (found["hosts"][0]["ok"], found["hosts"][0]["ignored"]) == (2, 0)
    result = {"host": "localhost", "result": "changed", "message": "m", "seconds": 1.5, "ignored": False}
    assert found["tasks"][0]["results"] == [result]
    assert (found["text"], found["check"], found["truncated"], found["problem"]) == ("PLAY RECAP", True, False, "")


@pytest.mark.parametrize(
    "given",
    [
        {"hosts": 1, "tasks": 2, "text": 3, "check": "yes", "problem": []},
        {"hosts": {"h": 1}, "tasks": [1, {"hosts": 7}, {"hosts": {"h": 1}}]},
        {"tasks": [{"name": None, "hosts": {"h": {"result": "exploded"}}}]},
        {"hosts": {"h\0": {"ok": -1, "failed": True, "changed": 10**30}}},
        {"tasks": [{"hosts": {"h": {"result": "ok", "seconds": float("nan"), "message": "\ud800\0"}}}]},
    ],
)
def test_survives_recaps_of_another_shape(given: dict[str, Any]) -> None:
    found = clean_recap(given)
    text = json.dumps(found, allow_nan=False)
    assert "\\u0000" not in text
    text.encode("utf-8")


def test_rejects_more_than_it_keeps() -> None:
    hosts = {f"h{n}": {"ok": 1} for n in range(2 * MAX_HOSTS)}
    tasks = [{"name": "x" * 9000, "hosts": {h: {"result": "ok", "message": "y" * 9000} for h in hosts}}] * 600
    found = clean_recap({"hosts": hosts, "tasks": tasks})
    assert len(found["hosts"]) == MAX_HOSTS
    assert len(found["tasks"]) == MAX_TASKS
    assert sum(len(task["results"]) for task in found["tasks"]) == MAX_RESULTS
    assert found["truncated"] is True
    assert len(json.dumps(found)) < 1_000_000
    assert clean_recap({}) == {}
