"""Updates on the command line: what is asked for, what is told while one waits, and how it went."""

from typing import Any

from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID

PLACE = "/api/updates"
ID = "4a6f6c6c-0000-4000-8000-000000000000"


def rollout(*states: str, reason: str = "") -> dict[str, Any]:
    return {
        "rollout_id": ID,
        "state": "running",
        "reason": "",
        "build_id": "b" * 16,
        "release": "1.2",
        "allow_older": False,
        "at_once": 10,
        "stop_after": 1,
        "requested_by": "olga",
        "created_at": 1.0,
        "ended_at": None,
        "counts": {state: states.count(state) for state in states},
        "updates": [
            {
                "request_id": str(number),
                "guid": f"{number}{GUID[1:]}",
                "device": f"lab{number}\x1b[31m",
                "state": state,
                "reason": reason,
                "from_build": "a" * 16,
                "created_at": 1.0,
                "changed_at": 2.0,
            }
            for number, state in enumerate(states)
        ],
    }


def begun(*states: str) -> dict[str, Any]:
    skipped = [{"guid": GUID, "device": "desk", "why": "up_to_date"}]
    return {"rollout": rollout(*states), "skipped": skipped}


def test_what_is_asked_for_is_what_was_typed(cli: CliWorld) -> None:
    cli.rest.routes |= {
        f"POST {PLACE}": (201, begun("queued")),
        "GET /api/sites": (200, {"sites": [{"id": 3, "name": "Berlin"}]}),
    }
    printed = cli("update", "lab0", GUID, "--site", "berlin", "--at-once", "5", "--stop-after", "2", "--allow-older")
    assert printed.status == 0
    assert cli.rest.bodies(f"POST {PLACE}") == [
        {
            "hostnames": ["lab0", GUID],
            "site_ids": [3],
            "all": False,
            "at_once": 5,
            "stop_after": 2,
            "allow_older": True,
        }
    ]
    assert "\x1b" not in printed.out + printed.err
    assert "desk was passed over: up to date." in printed.err


def test_rejects_an_update_of_nobody_in_particular(cli: CliWorld) -> None:
    printed = cli("update")
    assert (printed.status, cli.rest.bodies(f"POST {PLACE}")) == (2, [])
    assert "--all" in printed.err


def test_waiting_tells_each_step_once_and_ends_with_how_it_went(cli: CliWorld) -> None:
    cli.rest.routes |= {
        f"POST {PLACE}": (201, begun("queued", "ordered")),
        f"GET {PLACE}/{ID}": (200, rollout("installed", "rolled_back", reason="it crashed")),
    }
    printed = cli("update", "--all", "--wait")
    assert printed.status == 1
    assert printed.err.count("lab1") == 2
    assert "rolled back: it crashed" in printed.err
    cli.rest.routes[f"GET {PLACE}/{ID}"] = (200, rollout("installed", "installed"))
    assert cli("update", "--all", "--wait", "--json").json["rollout"]["counts"] == {"installed": 2}


def test_rollouts_are_listed_shown_and_stopped(cli: CliWorld) -> None:
    cli.rest.routes |= {
        f"GET {PLACE}": (200, {"rollouts": [rollout("installed", "failed")]}),
        f"GET {PLACE}/{ID}": (200, rollout("waiting")),
        f"POST {PLACE}/{ID}/stop": (200, rollout("cancelled")),
    }
    assert "1 failed, 1 installed" in cli("updates").out
    assert "ready, waits for scripts to end" in cli("updates", ID).out
    assert "cancelled" in cli("updates", ID, "--stop").out
    assert cli("updates", "--stop").status == 2
