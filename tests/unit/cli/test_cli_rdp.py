"""``borealis rdp``: what is told of a device, and orders that are asked for, followed, and told by exit status."""

from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID, NOW, run

PLACE = f"/api/devices/{GUID}/remote_desktop"
REPORT = {
    "system": "linux", "server": "xrdp", "ready": False, "installed": True, "version": "0.9.21", "running": False,
    "starts_with_system": True, "port": 3389, "listening": [], "reach": "nobody", "encryption": "negotiate",
    "certificate": "/etc/xrdp/cert.pem", "session": "xfce4-session", "sessions": ["xfce"], "firewall": "ufw",
    "firewall_open": None, "problems": ["xrdp does not run"], "can_prepare": True, "cannot_prepare": "",
    "changes": ["started xrdp"], "looked_at": NOW - 60,
}  # fmt: skip


def engine(cli: CliWorld, *, known: bool = True, **members: Any) -> CliWorld:
    one = run(stdout="starting xrdp\n", script_type="remote_desktop", **members)
    started = {"hostname": "lab", "guid": GUID, "job_id": 1, "run_id": "r1", "status": "Pending"}
    page = {"chunks": [{"seq": 0, "stream": "stdout", "data": one["stdout"]}], "status": "Success", "done": True}
    view = {"guid": GUID, "hostname": "lab", "known": known, "report": REPORT}
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        f"GET {PLACE}": (200, view),
        f"POST {PLACE}/prepare": (200, {"job_id": "j1", "run": started}),
        f"POST {PLACE}/undo": (200, {"job_id": "j1", "run": started}),
        f"POST {PLACE}/look": (200, {"job_id": "j1", "run": started}),
        "GET /api/runs/r1": (200, one),
        "GET /api/runs/r1/output": (200, page),
    }
    return cli


def test_status_says_what_is_missing(cli: CliWorld) -> None:
    printed = engine(cli)("rdp", "status", "lab")
    assert (printed.status, printed.err) == (0, "")
    for words in ("not ready", "xrdp does not run", "xrdp 0.9.21", "nobody", "xfce4-session", "started xrdp"):
        assert words in printed.out
    assert engine(cli)("rdp", "status", "lab", "--json").json["report"] == REPORT


def test_status_before_the_device_said_anything(cli: CliWorld) -> None:
    assert "has said nothing" in engine(cli, known=False)("rdp", "status", "lab").out


def test_status_can_have_it_look_first(cli: CliWorld) -> None:
    printed = engine(cli)("rdp", "status", "lab", "--now", "--json")
    assert printed.json["known"]
    assert [asked.path for asked in cli.rest.asked if asked.method == "POST"] == [f"{PLACE}/look"]


@pytest.mark.parametrize("words", [(), ("--open-network",)])
def test_prepare_asks_follows_and_says_who_may_connect(cli: CliWorld, words: tuple[str, ...]) -> None:
    printed = engine(cli)("rdp", "prepare", "lab", "--yes", *words)
    assert (printed.status, printed.out) == (0, "starting xrdp\n")
    assert cli.rest.bodies(f"POST {PLACE}/prepare") == [{"open_network": bool(words)}]


@pytest.mark.parametrize("deed", ["prepare", "undo"])
def test_an_order_that_fails_is_a_failure(cli: CliWorld, deed: str) -> None:
    printed = engine(cli, status="Failed", reason="apt-get could not install xrdp")("rdp", deed, "lab", "--yes")
    assert printed.status == 1
    assert "apt-get could not install xrdp" in printed.err


def test_rejects_order_without_a_yes_where_nobody_can_be_asked(cli: CliWorld) -> None:
    printed = engine(cli)("rdp", "undo", "lab")
    assert printed.status != 0
    assert cli.rest.bodies(f"POST {PLACE}/undo") == []


OPEN = {"session_id": "s1", "guid": GUID, "hostname": "lab", "username": "ada", "user": "LAB\\kim", "since": NOW - 60}


def with_sessions(cli: CliWorld, *, unavailable: str = "") -> CliWorld:
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        "GET /api/rdp/sessions": (200, {"sessions": [] if unavailable else [OPEN], "unavailable": unavailable}),
        "DELETE /api/rdp/sessions/s1": (200, {"status": "ok"}),
    }
    return cli


@pytest.mark.parametrize("words", [("open", "lab"), ("lab",)])
def test_a_device_is_answered_with_the_address_of_its_desktop(cli: CliWorld, words: tuple[str, ...]) -> None:
    printed = with_sessions(cli)("rdp", *words)
    assert (printed.status, printed.err) == (0, "")
    assert printed.out.strip().endswith(f"/devices/{GUID}/rdp")


def test_what_the_engine_lacks_is_said_beside_the_address(cli: CliWorld) -> None:
    printed = with_sessions(cli, unavailable="There is no xfreerdp.")("rdp", "lab", "--json")
    assert "no xfreerdp" in printed.err
    assert printed.json["unavailable"] == "There is no xfreerdp."
    assert "no xfreerdp" in with_sessions(cli, unavailable="There is no xfreerdp.")("rdp", "sessions").out


def test_sessions_are_listed_and_ended(cli: CliWorld) -> None:
    listed = with_sessions(cli)("rdp", "sessions", "--device", "lab")
    for words in ("s1", "lab", "ada", "LAB\\kim"):
        assert words in listed.out
    assert with_sessions(cli)("rdp", "sessions", "--end", "s1", "--json").json["sessions"] == [OPEN]
    assert [asked.path for asked in cli.rest.asked if asked.method == "DELETE"] == ["/api/rdp/sessions/s1"]
