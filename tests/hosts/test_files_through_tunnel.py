"""Files by the real programs, through a real WireGuard tunnel between two networks, over a cable that is pulled."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hosts.lan import Lan, TunnelHosts, run_in
from tests.programs.files import some_bytes
from tests.programs.programs import DATA, base_environment, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(300)]
PORT = 47003


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


def command(hosts: TunnelHosts, *words: str) -> "subprocess.Popen[str]":
    """``borealis`` on the Engine's machine."""
    path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
    environment = {**base_environment(), "BOREALIS_ROOT": str(hosts.engine.root), "PYTHONPATH": path}
    return subprocess.Popen(
        ["ip", "netns", "exec", hosts.lan.engine, sys.executable, "-m", "borealis_cli", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(hosts: TunnelHosts, *words: str) -> tuple[int, str]:
    with command(hosts, *words) as process:
        out, err = process.communicate(timeout=200)
        return process.returncode, out + err


def test_files_bring_the_tunnel_up_and_a_pulled_cable_only_delays_them(hosts: TunnelHosts, tmp_path: Path) -> None:
    guid = hosts.guids[2]
    assert hosts.status(guid)["status"] == "down"
    there, data = tmp_path / "there", some_bytes(150_000_000)
    there.mkdir()
    (tmp_path / "source.bin").write_bytes(data)
    status, said = run(hosts, "ls", f"{guid}:{there}")
    assert (status, "empty" in said) == (0, True), said
    assert hosts.status(guid)["status"] == "up"
    address = str(hosts.status(guid)["virtual_ip"]).removesuffix("/32")
    # It listens on the tunnel's address alone, and the device itself is not the Engine.
    listening = run_in(hosts.namespace(2), "ss", "-Hltn", f"sport = :{PORT}").stdout.split()
    assert listening[3:4] == [f"{address}:{PORT}"], listening
    probe = f"import socket; s = socket.create_connection(('{address}', {PORT}), 5); s.settimeout(5); print(s.recv(1))"
    assert run_in(hosts.namespace(2), sys.executable, "-c", probe).stdout.strip() == "b''"

    def part() -> bool:
        return any(one.stat().st_size > 3_000_000 for one in there.glob(".borealis-*.part"))

    with command(hosts, "cp", str(tmp_path / "source.bin"), f"{guid}:{there}/") as process:
        wait_for("a part of it", part, seconds=60)
        hosts.lan.cable(2, "down")
        stood = {one: one.stat().st_size for one in there.glob(".borealis-*.part")}
        hosts.lan.cable(2, "up")
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    assert stood
    assert (there / "source.bin").read_bytes() == data
    status, said = run(hosts, "cp", f"{guid}:{there}/source.bin", str(tmp_path / "back.bin"))
    assert (status, (tmp_path / "back.bin").read_bytes() == data) == (0, True), said
