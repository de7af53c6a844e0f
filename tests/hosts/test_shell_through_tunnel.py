"""A shell by the real programs, through a real WireGuard tunnel between two networks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hosts.lan import Lan, TunnelHosts, run_in
from tests.programs.programs import DATA, base_environment, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(300)]
PORT = 47002


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[TunnelHosts]:
    """An Engine and one device."""
    needed = ("ip", "wg", "nft", "wireguard-go")
    if os.geteuid() != 0 or not all(shutil.which(name) for name in needed):
        pytest.skip(f"needs root and the programs {', '.join(needed)}")
    with Lan() as network:
        found = TunnelHosts(network, tmp_path, idle_seconds=600)
        try:
            found.start_engine()
            found.guids[2] = found.join(2)
            yield found
        finally:
            found.stop()


def shell(hosts: TunnelHosts, *words: str, typed: str) -> "subprocess.CompletedProcess[str]":
    """``borealis shell`` on the Engine's machine, with nobody at a terminal."""
    path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
    environment = {**base_environment(), "BOREALIS_ROOT": str(hosts.engine.root), "PYTHONPATH": path}
    command = ["ip", "netns", "exec", hosts.lan.engine, sys.executable, "-m", "borealis_cli", "shell", *words]
    return subprocess.run(
        command, env=environment, input=typed, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_shell_brings_the_tunnel_up_and_nobody_else_gets_near_it(hosts: TunnelHosts) -> None:
    guid = hosts.guids[2]
    assert hosts.status(guid)["status"] == "down"
    done = shell(hosts, guid, typed="echo $((40+2)) on $(ip -o -4 address show | grep -c 10.255); exit 5\n")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "42 on 1" in done.stdout
    tunnel = hosts.status(guid)
    address = str(tunnel["virtual_ip"]).removesuffix("/32")
    assert tunnel["status"] == "up"
    # It listens on the tunnel's address alone, and the device itself is not the Engine.
    listening = run_in(hosts.namespace(2), "ss", "-Hltn", f"sport = :{PORT}").stdout.split()
    assert listening[3:4] == [f"{address}:{PORT}"], listening
    probe = f"import socket; s = socket.create_connection(('{address}', {PORT}), 5); s.settimeout(5); print(s.recv(1))"
    assert run_in(hosts.namespace(2), sys.executable, "-c", probe).stdout.strip() == "b''"
    # Another account, and none that is not there.
    other = shell(hosts, guid, "--user", "daemon", typed="id -un\n")
    assert (other.returncode, "This account is currently not available." in other.stdout) == (1, True), other.stdout
    refused = shell(hosts, guid, "--user", "no-such-person", typed="id\n")
    assert refused.returncode == 1
    assert "There is no account 'no-such-person'" in refused.stderr
    hosts.rest("DELETE", f"/api/tunnel/disconnect?agent_id={guid}&everybody=true")

    def is_closed() -> bool:
        return not run_in(hosts.namespace(2), "ss", "-Hltn", f"sport = :{PORT}").stdout.strip()

    wait_for("the port to be closed with the tunnel", is_closed, seconds=15)
