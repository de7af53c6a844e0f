"""``borealis tunnel``: what is asked of the Engine, what is told, and words for what is no port."""

from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID, NOW

UP: dict[str, Any] = {
    "status": "up", "agent_id": f"LAB_{GUID}_SYSTEM", "guid": GUID, "hostname": "lab", "agent_socket": True,
    "supported": True, "unavailable": "", "tunnel_id": "aa", "virtual_ip": "10.255.0.2/32",
    "allowed_ports": [3389, 47002], "operators": ["ada", "olga"], "started_at": NOW - 60, "last_used": NOW - 5,
    "handshake": 0, "received": 10, "sent": 20, "detail": "The Engine does not answer.",
}  # fmt: skip
CONFIG = {
    "hostname": "lab", "guid": GUID, "allowed_ports": [22], "default_ports": [3389], "custom": True,
    "updated_at": NOW - 60, "updated_by": "ada",
}  # fmt: skip
PAST = {"started_at": NOW - 600, "ended_at": NOW - 300, "started_by": "ada", "status": "Completed", "reason": "idle"}


def engine(cli: CliWorld, **members: Any) -> CliWorld:
    view = {**UP, **members}
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        "POST /api/tunnel/connect": (200, view),
        "GET /api/tunnel/status": (200, view),
        "GET /api/tunnel/active": (200, {"count": 1, "tunnels": [view]}),
        "GET /api/tunnel/history": (200, {"tunnels": [PAST]}),
        "DELETE /api/tunnel/disconnect": (200, {"status": view["status"], "guid": GUID, "operators": ["olga"]}),
        f"GET /api/device/vpn_config/{GUID}": (200, CONFIG),
        f"PUT /api/device/vpn_config/{GUID}": (200, CONFIG),
    }
    return cli


def test_connect_says_who_holds_it_and_what_is_wrong(cli: CliWorld) -> None:
    printed = engine(cli)("tunnel", "connect", "lab")
    assert (printed.status, printed.err) == (0, "")
    for words in ("10.255.0.2", "3389, 47002", "ada, olga", "never", "20 B, 10 B", "does not answer"):
        assert words in printed.out
    assert cli.rest.bodies("POST /api/tunnel/connect") == [{"agent_id": GUID}]
    assert engine(cli)("tunnel", "connect", "lab", "--json").json == UP


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"unavailable": "it does not run as root"}, "it does not run as root"),
        ({"agent_socket": False}, "not connected"),
        ({"supported": False}, "offers no tunnel"),
    ],
)
def test_status_says_why_there_is_none(cli: CliWorld, members: dict[str, Any], words: str) -> None:
    printed = engine(cli, status="down", **members)("tunnel", "status", "lab", "--bump")
    assert words in printed.out


def test_list_and_history(cli: CliWorld) -> None:
    assert "ada, olga" in engine(cli)("tunnel", "list").out
    assert engine(cli)("tunnel", "list", "--json").json["count"] == 1
    assert "5 min" in engine(cli)("tunnel", "history", "lab").out
    assert engine(cli)("tunnel", "history", "lab", "--json").json["tunnels"] == [PAST]


def test_disconnect_says_whether_others_hold_it(cli: CliWorld) -> None:
    assert "olga" in engine(cli)("tunnel", "disconnect", "lab").out
    assert "is down" in engine(cli, status="down")("tunnel", "disconnect", "lab", "--everybody").out


def test_ports_are_shown_and_set(cli: CliWorld) -> None:
    assert "set by ada" in engine(cli)("tunnel", "ports", "lab").out
    for arguments, sent in ((["--set", "80, 22"], [22, 80]), (["--set", "none"], []), (["--default"], None)):
        assert engine(cli)("tunnel", "ports", "lab", *arguments).status == 0
        assert cli.rest.bodies(f"PUT /api/device/vpn_config/{GUID}")[-1] == {"allowed_ports": sent}


@pytest.mark.parametrize("arguments", [["--set", "http"], ["--set", "70000"], ["--set", "22", "--default"]])
def test_rejects_what_is_no_port(cli: CliWorld, arguments: list[str]) -> None:
    printed = engine(cli)("tunnel", "ports", "lab", *arguments)
    assert printed.status == 2
    assert not cli.rest.bodies(f"PUT /api/device/vpn_config/{GUID}")
