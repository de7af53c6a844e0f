"""Remote desktop from the operator to the device and back, by REST and command line.

The Engine, the agent, orders and results are real. The machine that is changed is a Debian in a folder with recorded
answers (tests/fakes/xrdp_machine.py): tests must not install servers on the machine they run on. With
``BOREALIS_TEST_REAL_XRDP=1``, as root, the same journey is made with Debian's own package on this machine.
"""

import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.xrdp_machine import XrdpMachine
from tests.programs.programs import DATA, REPOSITORY, AgentProgram, EngineProgram, enrol, wait_for, wait_run

from borealis_agent.capabilities.remote_desktop.linux import names_of_processes

pytestmark = pytest.mark.slow
REAL = os.environ.get("BOREALIS_TEST_REAL_XRDP") == "1"
IN_A_FOLDER = """

import sys as _sys
_sys.path.append({repository!r})
from tests.fakes.xrdp_machine import XrdpMachine as _Machine


def desk_here(folder: Path) -> Desk:
    machine = _Machine(Path({machine!r}))
    return desk_of_linux(machine.root, machine.run, folder / CHANGES_FILE, privileged=True)
"""
HELLO = bytes.fromhex("030000130ee000000000000100080003000000")
"""What an RDP client says first: X.224, TLS or NLA."""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    return XrdpMachine(tmp_path / "machine").root


@pytest.fixture
def desktop(engine: EngineProgram, machine: Path, tmp_path: Path) -> Iterator[AgentProgram]:
    """An enrolled agent that runs from a copy of its own, whose machine is the one in the folder."""
    program = tmp_path / "Program"
    shutil.copytree(DATA / "Agent", program, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "Shared").symlink_to(DATA / "Shared")
    if not REAL:
        with (program / "borealis_agent/capabilities/remote_desktop/desk.py").open("a") as file:
            file.write(IN_A_FOLDER.format(repository=str(REPOSITORY), machine=str(machine)))
    agent = AgentProgram(tmp_path / "agent", "--installer-code", engine.enrolment_token())
    agent.command[1] = str(program / "agent.py")
    try:
        enrol(engine, agent)
        yield agent
    finally:
        agent.stop()


def packages() -> str:
    command = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_operator_prepares_remote_desktop_and_takes_it_back(
    engine: EngineProgram, desktop: AgentProgram, machine: Path
) -> None:
    place = f"/api/devices/{desktop.guid}/remote_desktop"
    state = (packages if REAL else XrdpMachine(machine).files)()
    with engine.owner() as client:

        def report() -> dict[str, Any]:
            found: dict[str, Any] = client.get(place).json()
            return found

        first = wait_for("the first report", lambda: report() if report()["known"] else None, log=desktop.output)
        assert (first["report"]["ready"], first["report"]["can_prepare"]) == (False, True)

        ordered = client.post(f"{place}/prepare", json={}).json()
        run = wait_run(client, ordered["run"]["run_id"])
        assert (run["status"], run["exit_code"]) == ("Success", 0), run
        assert "xrdp listens on this machine alone" in run["stdout"]
        ready = report()["report"]
        assert (ready["running"], ready["reach"], ready["listening"]) == (True, "this machine", ["127.0.0.1"])
        assert len(ready["changes"]) >= 3
        if REAL:
            speaks_tls()
            assert "xrdp" in names_of_processes(Path("/"))

        told = rdp(engine, "status", desktop.guid)
        assert "this machine" in told.stdout
        health = client.get(f"/api/devices/{desktop.guid}").json()["roles"]["RDP"]
        assert health["state"] == "running"
        undone = rdp(engine, "undo", desktop.guid, "--yes")
        assert (undone.returncode, undone.stderr) == (0, "")
        assert "undone: started xrdp" in undone.stdout
        assert report()["report"]["changes"] == []
        assert (packages if REAL else XrdpMachine(machine).files)() == state

        if REAL:
            assert not {"xrdp", "xrdp-sesman"} & names_of_processes(Path("/"))

        runs = client.get("/api/runs", params={"device": desktop.guid}).json()["runs"]
        assert [run["script_name"] for run in runs] == ["Remote desktop: undo", "Remote desktop: prepare"]
        audited = [entry["detail"].get("script") for entry in client.get("/api/audit").json()["entries"]]
        assert audited[:2] == ["Remote desktop: undo", "Remote desktop: prepare"]
    assert "starting xrdp" in (desktop.logs / "rdp.log").read_text()


def rdp(engine: EngineProgram, *words: str) -> "subprocess.CompletedProcess[str]":
    """``borealis rdp …`` as the Engine's owner."""
    paths = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine", "Engine/cli"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(engine.root),
        "PYTHONPATH": paths,
        "BOREALIS_ROOT": str(engine.root),
        "BOREALIS_ENGINE_PORT": str(engine.port),
    }
    command = [sys.executable, "-m", "borealis_cli", "rdp", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def speaks_tls() -> None:
    with socket.create_connection(("127.0.0.1", 3389), 10) as plain:
        plain.sendall(HELLO)
        assert plain.recv(64)[15:16] == b"\x01"  # TLS
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as secure:
            assert secure.version() in {"TLSv1.2", "TLSv1.3"}
