"""``kill -9`` of the agent while a role of SYSTEM's works: the run is Interrupted, and nothing of it is left.

Those of the signed-in user (scripts, pictures, live views) are in ``tests/journeys/test_journey_screenshot.py``,
beside the screen that they need.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.fakes.xrdp_machine import XrdpMachine
from tests.programs.ansible_env import lend_ansible
from tests.programs.programs import (
    DATA,
    REPOSITORY,
    AgentProgram,
    EngineProgram,
    enrol,
    wait_for,
    wait_online,
    wait_run,
)
from tests.programs.remains import Rest, killed_at_work, offspring

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
if sys.platform != "linux":
    pytest.skip("the agent finds its earlier life's processes on Linux alone", allow_module_level=True)

DESK = """

import sys as _sys
_sys.path.append({repository!r})
from tests.fakes.xrdp_machine import XrdpMachine as _Machine


def desk_here(folder: Path) -> Desk:
    machine = _Machine(Path({machine!r}))

    async def run(command):
        if command[0] == "apt-get" and {{"install", "purge"}} & set(command) and "-s" not in command:
            await run_program([str(machine.root / "usr/bin/apt-get")])
        return await machine.run(command)

    return desk_of_linux(machine.root, run, folder / CHANGES_FILE, privileged=True)
"""
"""The machine of ``tests/fakes/xrdp_machine.py``, where apt-get is a real process that waits to be let go on."""
APT_GET = """#!/bin/sh
cd {machine!r} && mkdir proc/900 && echo apt-get > proc/900/comm && touch begun
until [ -e go ]; do sleep 0.05; done
[ -x usr/sbin/policy-rc.d ] && touch was-held
rm -r proc/900
"""
AUDIT = """

_inventory = main


def main(*arguments):
    import os, subprocess
    if os.path.exists({sign!r}):
        open({sign!r} + ".begun", "w").close()
        subprocess.run(["sleep", "3600"])
    return _inventory(*arguments)
"""
"""A machine that does not tell what it is: its package database is locked."""
DROP_IN = """
import asyncio
import sys

ROLE_NAME = 'old_worker'


class Role:
    def __init__(self, ctx):
        self.ctx = ctx

    def register_events(self):
        @self.ctx.sio.on('quick_job_run')
        async def _on_quick_job(payload):
            code = 'import socket, time; s = socket.create_server(("127.0.0.1", 0)); time.sleep(3600)'
            self.process = await asyncio.create_subprocess_exec(sys.executable, '-c', code)
"""
SCRIPT = """
import os, socket, subprocess, time
server = socket.create_server(("127.0.0.1", 0))
open("left", "w").close()
subprocess.Popen(["sleep", "3600"], start_new_session=True)
subprocess.Popen(["sleep", "3600"], env={})
print("begun", flush=True)
time.sleep(3600)
"""
PLAYBOOK = "- hosts: all\n  gather_facts: false\n  tasks: [{shell: setsid sleep 3600 & sleep 3600}]\n"


@dataclass
class Scene:
    """An Engine, an agent that runs from a copy of its own, and the machine whose remote desktop it has."""

    engine: EngineProgram
    agent: AgentProgram
    machine: Path
    audit: Path
    roles: Path

    def launch(self, client: httpx.Client, script: str, kind: str) -> str:
        """Begin a run."""
        path = "/api/ansible/quick_run" if kind == "ansible" else "/api/scripts/quick_run"
        body = {"script_content": script, "all": True, **({} if kind == "ansible" else {"script_type": kind})}
        answer = client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["results"][0]["run_id"])

    def rest(self) -> Rest:
        """What there is once the agent has nothing to do."""
        wait_online(self.engine, self.agent)
        wait_for("the agent to rest", lambda: not offspring(self.agent.pid))
        return Rest.of(self.agent)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("kill-roles")
    program, machine, audit = root / "Program", XrdpMachine(root / "machine").root, root / "audit"
    shutil.copytree(DATA / "Agent", program, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "Shared").symlink_to(DATA / "Shared")
    (root / "ansible.txt").symlink_to(REPOSITORY / "requirements" / "ansible.txt")
    with (program / "borealis_agent/capabilities/remote_desktop/desk.py").open("a") as file:
        file.write(DESK.format(repository=str(REPOSITORY), machine=str(machine)))
    with (program / "borealis_agent/capabilities/inventory/__main__.py").open("a") as file:
        file.write(AUDIT.format(sign=str(audit)))
    (machine / "usr/bin/apt-get").write_text(APT_GET.format(machine=str(machine)))
    (machine / "usr/bin/apt-get").chmod(0o755)
    lend_ansible(root / "agent")
    engine = EngineProgram(root / "engine").start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token())
    agent.command[1] = str(program / "agent.py")
    try:
        enrol(engine, agent)
        yield Scene(engine, agent, machine, audit, program / "Roles")
    finally:
        agent.stop()
        engine.stop()


@pytest.fixture
def client(scene: Scene) -> Iterator[httpx.Client]:
    with scene.engine.owner() as found:
        yield found


@pytest.mark.parametrize(
    ("kind", "script", "processes"),
    [("python", SCRIPT, 3), ("ansible", PLAYBOOK, 4)],
    ids=["script_exec_system", "playbook_exec_system"],
)
def test_survives_kill_nine_at_a_run(
    scene: Scene, client: httpx.Client, kind: str, script: str, processes: int
) -> None:
    before = scene.rest()
    run_id = scene.launch(client, script, kind)
    wait_for("the work", lambda: count(scene.agent, "sleep") >= 2 and len(offspring(scene.agent.pid)) >= processes)
    with killed_at_work(scene.agent, before):
        assert wait_run(client, run_id)["status"] == "Interrupted"


def count(agent: AgentProgram, name: str) -> int:
    """How many of its offspring are called so."""
    return sum(one.name() == name for one in offspring(agent.pid) if one.is_running())


def test_survives_kill_nine_at_the_inventory(scene: Scene) -> None:
    before = scene.rest()
    scene.agent.stop()
    scene.audit.touch()
    scene.agent.start()
    wait_for("the inventory", Path(f"{scene.audit}.begun").exists)
    wait_for("what it asks", lambda: count(scene.agent, "sleep"))
    scene.audit.unlink()
    with killed_at_work(scene.agent, before):
        wait_online(scene.engine, scene.agent)


def test_survives_kill_nine_at_the_preparation_of_remote_desktop(scene: Scene, client: httpx.Client) -> None:
    """A package manager is not cut off: it goes on, still kept from starting services, and then nothing is left."""
    before = scene.rest()
    place = f"/api/devices/{scene.agent.guid}/remote_desktop"
    wait_for("the first report", lambda: client.get(place).json()["known"])
    run_id = client.post(f"{place}/prepare", json={}).json()["run"]["run_id"]
    wait_for("apt-get", (scene.machine / "begun").exists, log=scene.agent.output)
    policy = scene.machine / "usr/sbin/policy-rc.d"
    (apt_get,) = [one for one in offspring(scene.agent.pid) if one.name() == "apt-get"]
    changes = scene.agent.root / "Agent/Borealis/Settings/Roles/RDP/changes.json"
    with killed_at_work(scene.agent, before):
        assert wait_run(client, run_id)["status"] == "Interrupted"
        wait_for("word of it", lambda: "waiting for apt-get" in (scene.agent.logs / "rdp.log").read_text())
        assert apt_get.is_running()
        assert policy.exists()
        (scene.machine / "go").touch()
        wait_for("the policy to go", lambda: not policy.exists())
        assert (scene.machine / "was-held").exists()
        undo = client.post(f"{place}/undo", json={}).json()["run"]["run_id"]
        assert wait_run(client, undo)["status"] == "Success"
        changes.unlink()


def test_survives_kill_nine_at_the_undoing_of_remote_desktop(scene: Scene, client: httpx.Client) -> None:
    before, files = scene.rest(), XrdpMachine(scene.machine).files()
    place = f"/api/devices/{scene.agent.guid}/remote_desktop"
    sign = scene.machine / "go"
    sign.touch()
    prepared = client.post(f"{place}/prepare", json={}).json()["run"]["run_id"]
    assert wait_run(client, prepared)["status"] == "Success"
    for left in ("go", "begun", "was-held"):
        (scene.machine / left).unlink()
    run_id = client.post(f"{place}/undo", json={}).json()["run"]["run_id"]
    wait_for("apt-get", (scene.machine / "begun").exists, log=scene.agent.output)
    with killed_at_work(scene.agent, before):
        assert wait_run(client, run_id)["status"] == "Interrupted"
        sign.touch()
        again = client.post(f"{place}/undo", json={}).json()["run"]["run_id"]
        run = wait_run(client, again)
        assert (run["status"], "undone: installed" in run["stdout"]) == ("Success", True), run
        (scene.agent.root / "Agent/Borealis/Settings/Roles/RDP/changes.json").unlink()
    signs = {"begun", "go", "was-held", "usr/bin/apt-get"}
    assert {name: data for name, data in XrdpMachine(scene.machine).files().items() if name not in signs} == {
        name: data for name, data in files.items() if name not in signs
    }


def test_survives_kill_nine_at_the_work_of_an_old_role(scene: Scene, client: httpx.Client) -> None:
    """One that hears ``quick_job_run`` itself and starts what it likes."""
    (scene.roles / "role_OldWorker.py").write_text(DROP_IN)
    scene.agent.stop()
    scene.agent.start()
    before = scene.rest()
    run_id = scene.launch(client, f"sleep 3600; echo {os.getpid()}", "bash")
    both: Callable[[], bool] = lambda: len(offspring(scene.agent.pid)) >= 3 and count(scene.agent, "sleep") == 1  # noqa: E731
    wait_for("the role's work and the script", both)
    with killed_at_work(scene.agent, before):
        assert wait_run(client, run_id)["status"] == "Interrupted"
