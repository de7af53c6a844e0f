"""Tunnels by the real programs: WireGuard, nftables, an Engine and two agents, each in a network of its own."""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hosts.lan import Lan, TunnelHosts, reaches, run_in, serve
from tests.programs.programs import EngineProgram, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(400)]
IDLE_SECONDS = 600
SHORT_IDLE_SECONDS = 10
OPEN, CLOSED = 47002, 47001


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TunnelHosts]:
    """An Engine and the devices 2 and 3, which hear on two ports at every address they have."""
    needed = ("ip", "wg", "nft", "wireguard-go")
    if os.geteuid() != 0 or not all(shutil.which(name) for name in needed):
        pytest.skip(f"needs root and the programs {', '.join(needed)}")
    with Lan() as network, contextlib.ExitStack() as ending:
        hosts = TunnelHosts(network, tmp_path_factory.mktemp("tunnels"), idle_seconds=IDLE_SECONDS)
        ending.callback(hosts.stop)
        hosts.start_engine()
        for number in (2, 3):
            hosts.guids[number] = hosts.join(number)
            ending.enter_context(serve(hosts.namespace(number), "0.0.0.0"))
        yield hosts


@pytest.fixture
def hosts(lan: TunnelHosts) -> Iterator[TunnelHosts]:
    """Both devices connected and without tunnels before, and without tunnels after."""
    lan.disconnect_all()
    for guid in lan.guids.values():
        wait_for("the device to be connected", lambda guid=guid: lan.status(guid)["agent_socket"], seconds=60)  # type: ignore[misc]
    yield lan
    lan.disconnect_all()


def address(tunnel: dict[str, Any]) -> str:
    return str(tunnel["virtual_ip"]).removesuffix("/32")


def drops(hosts: TunnelHosts, namespace: str, chain: str) -> int:
    """Packets that the last rule of a chain has dropped."""
    text = run_in(namespace, "nft", "list", "ruleset").stdout
    found = re.search(rf"chain {chain} {{.*?counter packets (\d+) bytes \d+ drop", text, re.DOTALL)
    assert found, text
    return int(found[1])


def test_a_tunnel_carries_what_is_allowed_and_nothing_else(hosts: TunnelHosts) -> None:
    tunnel = hosts.connect(hosts.guids[2])
    device, engine = hosts.namespace(2), hosts.lan.engine
    assert reaches(engine, address(tunnel), OPEN)
    assert not reaches(engine, address(tunnel), CLOSED, seconds=1)
    assert drops(hosts, engine, "output") > 0
    # The device's own half holds where the Engine's is gone.
    assert run_in(engine, "nft", "flush", "ruleset").returncode == 0
    assert reaches(engine, address(tunnel), OPEN)
    assert not reaches(engine, address(tunnel), CLOSED, seconds=1)
    assert drops(hosts, device, "input") > 0
    # And the device reaches nothing on the Engine's machine through it.
    assert run_in(device, "ping", "-c", "1", "-W", "1", "10.255.0.1").returncode != 0
    assert not reaches(device, "10.255.0.1", 5000, seconds=1)


def test_other_ports_are_in_force_at_once_at_both_ends(hosts: TunnelHosts) -> None:
    guid = hosts.guids[2]
    tunnel = hosts.connect(guid)
    status, config = hosts.rest("PUT", f"/api/device/vpn_config/{guid}", {"allowed_ports": [CLOSED]})
    assert (status, config["allowed_ports"], config["custom"]) == (200, [CLOSED], True)
    try:
        assert reaches(hosts.lan.engine, address(tunnel), CLOSED)
        assert not reaches(hosts.lan.engine, address(tunnel), OPEN, seconds=1)
        rules = run_in(hosts.namespace(2), "nft", "list", "ruleset").stdout
        assert str(CLOSED) in rules
        assert str(OPEN) not in rules
        assert hosts.status(guid)["tunnel_id"] == tunnel["tunnel_id"]
    finally:
        hosts.rest("PUT", f"/api/device/vpn_config/{guid}", {"allowed_ports": None})
    assert reaches(hosts.lan.engine, address(tunnel), OPEN)


def test_two_operators_share_one_tunnel_until_the_second_has_left(hosts: TunnelHosts) -> None:
    guid = hosts.guids[2]
    first = hosts.connect(guid)
    second = hosts.connect(guid, token=hosts.operator("olga"))
    assert second["tunnel_id"] == first["tunnel_id"]
    assert second["operators"] == ["owner", "olga"]
    answer = hosts.rest("DELETE", f"/api/tunnel/disconnect?agent_id={guid}")
    assert answer == (200, {"status": "up", "guid": guid, "operators": ["olga"]})
    assert reaches(hosts.lan.engine, address(first), OPEN)
    hosts.rest("DELETE", f"/api/tunnel/disconnect?agent_id={guid}", token=hosts.operator("olga"))
    wait_for("the device's end to go", lambda: not hosts.has_interface(2), seconds=10)
    assert not run_in(hosts.namespace(2), "nft", "list", "ruleset").stdout
    assert hosts.status(guid)["status"] == "down"


def test_a_tunnel_that_nobody_uses_ends_by_itself_and_one_in_use_does_not(hosts: TunnelHosts) -> None:
    """Over an orderly restart of the Engine, after which less time is given."""
    used, unused = hosts.connect(hosts.guids[2]), hosts.connect(hosts.guids[3])
    hosts.engine.stop()
    assert hosts.interface not in hosts.links()
    hosts.start_engine(idle_seconds=SHORT_IDLE_SECONDS)
    try:

        def is_over() -> bool:
            reaches(hosts.lan.engine, address(used), OPEN, seconds=1)
            return hosts.status(hosts.guids[3])["status"] == "down"

        wait_for("the idle tunnel to end", is_over, seconds=SHORT_IDLE_SECONDS + 30)
        (past, *_) = hosts.rest("GET", f"/api/tunnel/history?agent_id={hosts.guids[3]}")[1]["tunnels"]
        assert (past["tunnel_id"], past["status"], past["reason"]) == (unused["tunnel_id"], "Completed", "idle_timeout")
        wait_for("its end on the device", lambda: not hosts.has_interface(3), seconds=10)
        now = hosts.status(hosts.guids[2])
        assert (now["status"], now["tunnel_id"], now["operators"]) == ("up", used["tunnel_id"], ["owner"])
        assert reaches(hosts.lan.engine, address(used), OPEN)
    finally:
        hosts.engine.stop()
        hosts.start_engine(idle_seconds=IDLE_SECONDS)


def test_rejects_a_device_that_tries_to_reach_another(hosts: TunnelHosts) -> None:
    first, second = hosts.connect(hosts.guids[2]), hosts.connect(hosts.guids[3])
    engine, other = hosts.lan.engine, hosts.namespace(3)
    assert reaches(engine, address(first), OPEN)
    assert reaches(engine, address(second), OPEN)
    assert run_in(engine, "sysctl", "-qw", "net.ipv4.ip_forward=1").returncode == 0
    # Its root leads the whole network into the tunnel, throws its filter away and lets its peer be anybody.
    key = second["server_public_key"]
    run_in(other, "nft", "flush", "ruleset")
    run_in(other, "ip", "route", "replace", "10.255.0.0/16", "dev", hosts.adapter(3))
    run_in(other, "wg", "set", hosts.adapter(3), "peer", key, "allowed-ips", "10.255.0.0/16")
    assert not reaches(other, address(first), OPEN, seconds=2)
    assert drops(hosts, engine, "forward") > 0
    # Nor does it help to say that it is the first one: its key is good for its own address alone.
    run_in(other, "ip", "address", "add", address(first), "dev", hosts.adapter(3))
    assert not reaches(other, "10.255.0.1", 5000, seconds=1)
    assert reaches(engine, address(first), OPEN), "and the first one's tunnel is as good as before"


def test_survives_kill_9_of_the_agent_with_nothing_left_and_the_tunnel_up_again(hosts: TunnelHosts) -> None:
    guid, agent = hosts.guids[2], hosts.agents[2]
    tunnel = hosts.connect(guid)
    os.kill(hosts.pid_of_agent(2), signal.SIGKILL)
    agent.process.wait()  # type: ignore[union-attr]

    def is_clean() -> bool:
        rules = run_in(hosts.namespace(2), "nft", "list", "ruleset").stdout
        socket = Path(f"/var/run/wireguard/{hosts.adapter(2)}.sock")
        return not hosts.has_interface(2) and not rules and not socket.exists()

    wait_for("nothing to be left of it", is_clean, seconds=10)
    agent.start()

    def is_back() -> bool:
        return reaches(hosts.lan.engine, address(tunnel), OPEN, seconds=1)

    wait_for("the tunnel to be back", is_back, seconds=40, log=agent.logs / "agent.log")
    assert hosts.status(guid)["tunnel_id"] == tunnel["tunnel_id"]


def test_survives_kill_9_of_the_engine_with_the_tunnel_up_again(hosts: TunnelHosts) -> None:
    guid = hosts.guids[2]
    tunnel = hosts.connect(guid)
    assert reaches(hosts.lan.engine, address(tunnel), OPEN)
    hosts.engine.kill()
    wait_for("its interface to go", lambda: hosts.interface not in hosts.links(), seconds=10)
    no_rules = lambda: not run_in(hosts.lan.engine, "nft", "list", "ruleset").stdout  # noqa: E731
    wait_for("its filter to go", no_rules, seconds=10)
    hosts.start_engine()
    is_back = lambda: reaches(hosts.lan.engine, address(tunnel), OPEN, seconds=1)  # noqa: E731
    wait_for("the tunnel to be back", is_back, seconds=40, log=hosts.engine.output)
    now = hosts.status(guid)
    assert (now["tunnel_id"], now["operators"]) == (tunnel["tunnel_id"], ["owner"])


def test_survives_a_cable_that_is_pulled_and_another_address(hosts: TunnelHosts) -> None:
    tunnel = hosts.connect(hosts.guids[3])
    assert reaches(hosts.lan.engine, address(tunnel), OPEN)
    hosts.lan.cable(3, "down")
    assert not reaches(hosts.lan.engine, address(tunnel), OPEN, seconds=3)
    hosts.lan.cable(3, "up")
    is_back = lambda: reaches(hosts.lan.engine, address(tunnel), OPEN, seconds=1)  # noqa: E731
    wait_for("the tunnel after the cut", is_back, seconds=30)
    hosts.lan.readdress(3, 13)
    try:
        wait_for("the tunnel at the new address", is_back, seconds=30)
        assert "192.0.2.13:" in run_in(hosts.lan.engine, "wg", "show", hosts.interface, "endpoints").stdout
    finally:
        hosts.lan.readdress(13, 3, device=3)
        wait_for("the device to be back", lambda: hosts.status(hosts.guids[3])["agent_socket"], seconds=60)


def test_survives_somebody_who_takes_the_interface_away(hosts: TunnelHosts) -> None:
    tunnel = hosts.connect(hosts.guids[2])
    assert run_in(hosts.namespace(2), "ip", "link", "del", hosts.adapter(2)).returncode == 0
    is_back = lambda: reaches(hosts.lan.engine, address(tunnel), OPEN, seconds=1)  # noqa: E731
    wait_for("the tunnel to be made again", is_back, seconds=20)


def test_revoking_a_device_ends_its_tunnel_at_once(hosts: TunnelHosts) -> None:
    guid = hosts.guids[3]
    tunnel = hosts.connect(guid)
    assert reaches(hosts.lan.engine, address(tunnel), OPEN)
    hosts.cli("quarantine", guid)
    try:
        wait_for("the Engine's end to go", lambda: hosts.status(guid)["status"] == "down", seconds=5)
        assert not reaches(hosts.lan.engine, address(tunnel), OPEN, seconds=1)
        wait_for("the device's end to go", lambda: not hosts.has_interface(3), seconds=10)
        assert hosts.rest("POST", "/api/tunnel/connect", {"agent_id": guid})[1]["error"] == "device_not_active"
    finally:
        hosts.cli("release", guid)


def test_no_private_key_is_anywhere_but_in_its_file(hosts: TunnelHosts) -> None:
    tunnel = hosts.connect(hosts.guids[2])
    folder = hosts.root / "agent2" / "Agent" / "Borealis" / "Certificates" / "VPN_Client"
    keys = [
        (folder / "client_private.key").read_text().strip(),
        (hosts.root / "engine" / "Engine" / "Certificates" / "VPN_Server" / "server_private.key").read_text().strip(),
    ]
    assert (folder / "client_public.key").read_text().strip() == tunnel["client_public_key"]
    for file in (folder / "client_private.key", folder):
        assert file.stat().st_mode & 0o077 == 0
    said = [str(tunnel), hosts.engine.log_text(), hosts.agents[2].log_text()]
    said += [path.read_text() for path in (hosts.root / "agent2").rglob("*.conf")]
    assert len(said) == 4, "the configuration is there while the tunnel is up"
    for folder_of in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said.append((folder_of / "cmdline").read_bytes().decode(errors="replace"))
            said.append((folder_of / "environ").read_bytes().decode(errors="replace"))
    said.append((hosts.root / "engine" / "Engine" / "database.db").read_bytes().decode("latin-1"))
    for key in keys:
        assert not [text[:80] for text in said if key in text]


def test_a_revoked_device_takes_its_own_end_down_whether_it_is_told_or_finds_out(hosts: TunnelHosts) -> None:
    """The last word before its socket is cut; and where it was away then, what the Engine says of its token."""
    told, away = hosts.guids.pop(2), hosts.guids.pop(3)
    for guid in (told, away):
        hosts.connect(guid)
    # One of them is away just now, but its tunnel, which is another protocol, is not.
    wall = "table inet wall { chain output { type filter hook output priority 0; tcp dport 5000 drop; }; }; "
    assert run_in(hosts.namespace(3), "nft", wall).returncode == 0
    hosts.engine.stop()
    hosts.start_engine()
    wait_for("one of them to be back", lambda: hosts.status(told)["agent_socket"], seconds=60)
    for guid in (told, away):
        hosts.cli("revoke", guid, "--yes")
    wait_for("its end to go", lambda: not hosts.has_interface(2), seconds=5)
    wait_for("the word why", lambda: "is down: device_not_active" in hosts.tunnel_log(2), seconds=5)
    assert hosts.has_interface(3)
    assert run_in(hosts.namespace(3), "nft", "delete", "table", "inet", "wall").returncode == 0
    wait_for("the other end to go", lambda: not hosts.has_interface(3), seconds=40)
    wait_for("the word why", lambda: "is down: device_not_active" in hosts.tunnel_log(3), seconds=5)


def test_an_engine_without_the_rights_says_so_and_does_everything_else(lan: TunnelHosts, tmp_path: Path) -> None:
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    engine = EngineProgram(tmp_path / "engine")
    engine.command = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *engine.command]
    with contextlib.ExitStack() as ending:
        ending.callback(engine.stop)
        engine.start()
        assert "there are no tunnels on this Engine" in engine.log_text()
        with engine.owner() as client:
            assert client.get("/api/devices").status_code == 200
            assert client.get("/api/tunnel/active").json() == {"count": 0, "tunnels": []}
