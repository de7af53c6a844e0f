"""``borealis run``: the contract's one JSON object, live output for people, an exit status that tells."""

from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import NOW, Asked, refuse, run

KEYS = {
    "device", "guid", "run_id", "status", "exit_code", "stdout", "stderr", "started_at", "finished_at", "reason",
}  # fmt: skip
STARTED = [
    {"hostname": "lab", "guid": "G1", "job_id": 1, "run_id": "r1", "status": "Pending"},
    {"hostname": "desk", "guid": "G2", "job_id": 2, "run_id": "r2", "status": "Pending"},
]


def engine(cli: CliWorld, *runs: dict[str, Any]) -> CliWorld:
    results = STARTED[: len(runs)]
    cli.rest.routes["POST /api/scripts/quick_run"] = (200, {"job_id": "j1", "results": results})
    for one in runs:
        page = {"chunks": [{"seq": 0, "stream": "stdout", "data": one["stdout"]}], "status": "Success", "done": True}
        cli.rest.routes[f"GET /api/runs/{one['run_id']}"] = (200, one)
        cli.rest.routes[f"GET /api/runs/{one['run_id']}/output"] = (200, page)
    return cli


def test_wait_and_json_print_exactly_the_contracts_object(cli: CliWorld) -> None:
    printed = engine(cli, run())("run", "--device", "lab", "--type", "bash", "echo hello", "--wait", "--json")
    assert (printed.status, printed.err) == (0, "")
    assert set(printed.json) == {"runs"}
    (one,) = printed.json["runs"]
    assert set(one) == KEYS
    assert (one["stdout"], one["exit_code"], one["finished_at"]) == ("hello\n", 0, NOW - 1)
    (body,) = cli.rest.bodies("POST /api/scripts/quick_run")
    assert body == {"script_content": "echo hello", "script_type": "bash", "context": "system", "hostnames": ["lab"]}


@pytest.mark.parametrize("status", ["Failed", "Timed Out", "Cancelled", "Expired", "Refused", "Interrupted"])
def test_one_run_that_is_no_success_fails_all(cli: CliWorld, status: str) -> None:
    failed = run("r2", "desk", status=status, exit_code=None, reason="why", advice="Do this.")
    world = engine(cli, run(), failed)
    asked = world("run", "--all", "--type", "bash", "x", "--wait", "--json")
    assert asked.status == 1
    assert [one["status"] for one in asked.json["runs"]] == ["Success", status]
    people = world("run", "--all", "--type", "bash", "x", "--wait")
    assert people.status == 1
    assert "1 of 2 ended in Success." in people.err
    assert "Do this." in people.err


def test_a_success_prints_its_output_and_nothing_else(cli: CliWorld) -> None:
    printed = engine(cli, run())("run", "-d", "lab", "-t", "bash", "echo hello", "--wait")
    assert (printed.status, printed.out, printed.err) == (0, "hello\n", "")


def test_several_devices_are_named_on_each_line(cli: CliWorld) -> None:
    printed = engine(cli, run(), run("r2", "desk", stdout="bye\n"))("run", "--all", "-t", "bash", "x", "-w")
    assert sorted(printed.out.splitlines()) == ["desk | bye", "lab | hello"]
    assert printed.status == 0


def test_without_wait_the_answer_comes_at_once(cli: CliWorld) -> None:
    world = engine(cli, run())
    started = world("run", "--all", "--type", "bash", "x", "--json")
    assert started.json["results"][0]["run_id"] == "r1"
    assert "r1" in world("run", "--all", "--type", "bash", "x").out
    assert [asked.method for asked in cli.rest.asked] == ["POST", "POST"]


def test_a_refused_job_is_one_sentence(cli: CliWorld) -> None:
    cli.rest.routes["POST /api/scripts/quick_run"] = refuse(404, "device_not_found", "No such device: lab.")
    printed = cli("run", "-d", "lab", "-t", "bash", "x", "--wait", "--json")
    assert (printed.status, printed.out) == (1, "")
    assert printed.err == "borealis: No such device: lab. (device_not_found)\n"


def test_who_interrupts_is_told_that_runs_go_on(cli: CliWorld) -> None:
    def interrupt(_: Asked) -> tuple[int, Any]:
        raise KeyboardInterrupt

    world = engine(cli, run())
    cli.rest.routes["GET /api/runs/r1"] = interrupt
    printed = world("run", "-d", "lab", "-t", "bash", "x", "--wait", "--json")
    assert printed.status == 130
    assert "borealis cancel r1" in printed.err
