"""Threat 11 with two real users signed in at once: each gets what is meant for them, and nothing of the other's."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.attacks.attacker import Stranger, stolen_signing_key
from tests.attacks.background import Background
from tests.attacks.forging import order_for
from tests.journeys.test_journey_signed_in_user import User, UserAgent, a_user, ground
from tests.programs.programs import (
    AgentProgram,
    EngineProgram,
    enrol,
    processes_with,
    run_script,
    wait_for,
    wait_run,
)

from borealis_wire.envelope import JOB_TYPE, seal
from borealis_wire.events import Rest, RunContext

__all__ = ["ground"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("useradd") is None or shutil.which("setpriv") is None,
        reason="needs root, useradd and setpriv to have two users",
    ),
]
ASK = (
    "import json, socket, sys\n"
    "line = socket.socket(socket.AF_UNIX); line.settimeout(20); line.connect(sys.argv[1])\n"
    "file = line.makefile('rwb')\n"
    "for request in json.loads(sys.argv[2]):\n"
    "    file.write(json.dumps(request).encode() + b'\\n'); file.flush()\n"
    "    print(file.readline().decode() or '{}', end='')\n"
)


@dataclass
class House:
    """A device with a SYSTEM agent of root's, and two people who are signed in: ``ada`` first by name, and ``bob``."""

    engine: EngineProgram
    system: AgentProgram
    ada: UserAgent
    bob: UserAgent
    background: Background

    @property
    def broker(self) -> Path:
        return self.system.root / "Agent" / "Run" / "user-broker.sock"

    def as_user(self, user: User, code: str, *arguments: str) -> str:
        """Run Python as a user; gives what it printed."""
        python, packages = user.python
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": packages}
        command = user.command(python, "-c", code, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, user: User, *requests: Any) -> list[dict[str, Any]]:
        """What SYSTEM's broker answers a process of this user."""
        answers = self.as_user(user, ASK, str(self.broker), json.dumps(requests))
        return [json.loads(line) for line in answers.splitlines()]

    def signed_in(self, client: httpx.Client) -> list[str]:
        """Whose agents are there, as the device page lists them."""
        device = client.get(f"/api/devices/{self.system.guid}").json()
        return [one["user"] for one in device["presence"]["users"]]

    def launch(self, client: httpx.Client, script: str, user: User) -> str:
        """Start a script as this user, without waiting."""
        body = {"script_content": script, "script_type": "bash", "all": True, "context": "interactive"}
        answer = client.post("/api/scripts/quick_run", json={**body, "run_as_user": user.name})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["results"][0]["run_id"])

    def settled(self, client: httpx.Client) -> None:
        """Both agents are there, whatever a test did to them."""
        for agent in (self.ada, self.bob):
            if not agent.running():
                agent.start()
        both = {self.ada.user.name, self.bob.user.name}
        wait_for("both users' agents", lambda: set(self.signed_in(client)) == both, seconds=60, log=self.ada.output)


@pytest.fixture(scope="module")
def house(ground: Path, background: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = Path(tempfile.mkdtemp(prefix="root-", dir=ground))
    root.chmod(0o755)
    with ExitStack() as stack:
        users = [stack.enter_context(a_user(ground, f"{name}{os.getpid()}", f"home-{name}")) for name in ("ada", "bob")]
        engine = EngineProgram(tmp_path_factory.mktemp("two-users") / "engine").start()
        stack.callback(engine.stop)
        system = AgentProgram(root, "--installer-code", engine.enrolment_token())
        system.command[1] = str(ground / "code" / "Agent" / "agent.py")
        stack.callback(system.stop)
        enrol(engine, system)
        agents = [UserAgent(ground, user, root) for user in users]
        for agent in agents:
            stack.callback(agent.stop)
            agent.start()
        yield House(engine, system, *agents, background)


@pytest.fixture
def owner(house: House) -> Iterator[httpx.Client]:
    with house.engine.owner() as client:
        house.settled(client)
        yield client


def test_an_operator_picks_whose_agent_runs_it(house: House, owner: httpx.Client) -> None:
    for agent in (house.bob, house.ada, house.bob):
        name = agent.user.name
        (run,) = run_script(owner, "id -un; echo $HOME", context="interactive", run_as_user=name)
        assert (run["status"], run["run_as_user"], run["ran_as_user"]) == ("Success", name, name), run
        assert run["stdout"].split() == [name, str(agent.user.home)]
    assert len(owner.get("/api/devices").json()["devices"]) == 1, "one device, enrolled once"


def test_without_a_name_it_is_always_the_same_one(house: House, owner: httpx.Client) -> None:
    for _ in range(2):
        (run,) = run_script(owner, "id -un", context="interactive")
        assert (run["stdout"].strip(), run["run_as_user"], run["ran_as_user"]) == (
            house.ada.user.name,
            "",
            house.ada.user.name,
        )


def test_a_job_waits_for_its_user_and_is_run_by_nobody_else(house: House, owner: httpx.Client) -> None:
    house.bob.stop()
    wait_for("the sign-out", lambda: house.signed_in(owner) == [house.ada.user.name], seconds=5)
    run_id = house.launch(owner, "id -un", house.bob.user)
    (other,) = run_script(owner, "id -un", context="interactive")
    assert other["stdout"].strip() == house.ada.user.name
    assert owner.get(f"/api/runs/{run_id}").json()["status"] == "Pending"
    house.bob.start()
    run = wait_run(owner, run_id)
    assert (run["status"], run["stdout"].strip()) == ("Success", house.bob.user.name), run


def test_rejects_a_user_who_says_to_be_the_other(house: House, owner: httpx.Client) -> None:
    """Who somebody is comes from the kernel to SYSTEM, and from SYSTEM to the Engine; nobody asks the user."""
    ada, bob = house.ada.user, house.bob.user
    house.bob.stop()
    wait_for("the sign-out", lambda: house.signed_in(owner) == [ada.name], seconds=5)
    run_id = house.launch(owner, "id -un", bob)
    guid = house.system.guid
    (loan,) = house.ask(ada, {"op": "token", "user": bob.name, "uid": bob.uid, "context": "interactive"})
    assert loan["user"] == ada.name
    assert _claims(loan["access_token"])["user"] == ada.name
    thief = Stranger(house.engine, house.background)
    bearer = {"Authorization": f"Bearer {loan['access_token']}"}
    polled = thief.post(Rest.SCRIPT_REQUEST, {"guid": guid, "user": bob.name}, bearer).json()
    assert polled.get("jobs", []) == []
    result = {"run_id": run_id, "status": "Success", "stdout": "forged", "user": bob.name}
    assert thief.post(Rest.SCRIPT_RESULT, result, bearer).json()["ignored"] == "unknown_run"
    with thief.socket(bearer) as live:
        claim = {"agent_id": f"X_{guid}_CURRENTUSER", "user": bob.name, "running": [run_id]}
        assert live.call("connect_agent", claim)["status"] == "ok"
        assert live.call("quick_job_result", result)["ignored"] == "unknown_run"
        assert bob.name not in house.signed_in(owner)
        assert not [payload for event, payload in live.heard if event == "quick_job_run"]
    refresh = {"guid": guid, "refresh_token": loan["access_token"], "user": bob.name}
    assert thief.post(Rest.TOKEN_REFRESH, refresh).status_code in {400, 401}
    assert owner.get(f"/api/runs/{run_id}").json()["status"] == "Pending"
    house.bob.start()
    assert wait_run(owner, run_id)["stdout"].strip() == bob.name


def _claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def test_rejects_claim_of_a_run_that_is_the_others(house: House, owner: httpx.Client) -> None:
    """Nobody keeps a run from the other by having it journalled first, whatever he got hold of."""
    key = stolen_signing_key(house.engine)
    order = order_for(house.system.guid, "id", context=RunContext.INTERACTIVE, files=(), user=house.bob.user.name)
    claim = {"op": "claim", "envelope": seal(JOB_TYPE, order.to_payload(), key)}
    (thief,) = house.ask(house.ada.user, claim)
    assert (thief["status"], thief["reason"]) == ("refused", "wrong_context")
    (bob,) = house.ask(house.bob.user, claim)
    assert bob["status"] == "ok"


def test_rejects_a_look_at_the_others_files_processes_and_tokens(house: House, owner: httpx.Client) -> None:
    run_id = house.launch(owner, "echo $$ > pid; sleep 3; echo whole", house.bob.user)
    temp = house.bob.own_root / "Temp"
    script = wait_for("the script", lambda: next(iter(temp.glob("*/script.sh")), None))
    pid = wait_for("its pid", lambda: (script.parent / "pid").read_text().strip() or None)
    own = house.bob.own_root
    files = [path for path in own.rglob("*") if path.is_file()]
    assert {"access_currentuser.jwt", "journal", "script.sh"} <= {path.name for path in files}
    code = (
        "import os, pathlib, signal, sys\n"
        "def tried(name, work):\n"
        "    try: work(); print('GOT', name)\n"
        "    except OSError: print('no', name)\n"
        "for text in sys.argv[3:]:\n"
        "    tried('read ' + text, lambda: open(text).read(1))\n"
        "    tried('write ' + text, lambda: open(text, 'a').close())\n"
        "for pid in map(int, sys.argv[1:3]):\n"
        "    tried('kill', lambda: os.kill(pid, signal.SIGTERM))\n"
        "    tried('environ', lambda: open(f'/proc/{pid}/environ').read(1))\n"
        "    tried('memory', lambda: open(f'/proc/{pid}/mem', 'rb').read(1))\n"
        "    tried('sockets', lambda: os.listdir(f'/proc/{pid}/fd'))\n"
    )
    answers = house.as_user(house.ada.user, code, str(house.bob.pid), pid, *map(str, files))
    assert "GOT" not in answers, answers
    assert wait_run(owner, run_id)["stdout"] == "whole\n"


def test_survives_kill_of_one_users_agent_in_the_middle_of_a_script(house: House, owner: httpx.Client) -> None:
    marker = f"marker-{house.bob.pid}"
    run_id = house.launch(owner, f"exec -a {marker} sleep 300", house.bob.user)
    wait_for("the script", lambda: processes_with(marker) or None)
    house.bob.kill()
    wait_for("the sign-out", lambda: house.signed_in(owner) == [house.ada.user.name], seconds=5)
    (other,) = run_script(owner, "id -un", context="interactive", run_as_user=house.ada.user.name)
    assert other["status"] == "Success"
    house.bob.start()
    run = wait_run(owner, run_id)
    assert (run["status"], run["ran_as_user"]) == ("Interrupted", house.bob.user.name), run
    wait_for("the end of what it began", lambda: not processes_with(marker))
    (again,) = run_script(owner, "id -un", context="interactive", run_as_user=house.bob.user.name)
    assert again["stdout"].strip() == house.bob.user.name


def test_a_desktop_starts_one_agent_and_takes_it_along_when_it_ends(house: House, owner: httpx.Client) -> None:
    """By the entry for sessions without systemd: a second one does nothing, and signing out ends the first."""
    bob, name = house.bob, house.bob.user.name
    environment = {**bob.environment, "XDG_RUNTIME_DIR": str(bob.user.home)}
    second = subprocess.run(
        [*bob.command, "--autostart"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (second.returncode, second.stderr) == (0, ""), "one of this user's is there already"
    bob.stop()
    wait_for("the sign-out", lambda: name not in house.signed_in(owner), seconds=5)
    words = bob.user.command("sh", "-c", '"$@" & wait', "a desktop", *bob.command[4:], "--autostart")
    desktop = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the agent of the desktop", lambda: name in house.signed_in(owner), log=bob.output)
        (run,) = run_script(owner, "id -un", context="interactive", run_as_user=name)
        assert run["stdout"].strip() == name
    finally:
        desktop.kill()
        desktop.wait()
    wait_for("the end with the session", lambda: name not in house.signed_in(owner), seconds=15)
    wait_for("the end of its process", lambda: not _agents_of(bob.user), seconds=15)


def _agents_of(user: User) -> list[str]:
    """The user's processes that are agents."""
    found = subprocess.run(["ps", "-u", str(user.uid), "-o", "args="], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if "agent.py" in line]


def test_rejects_a_name_that_nobody_can_have_and_one_for_system(house: House, owner: httpx.Client) -> None:
    body = {"script_content": "id", "script_type": "bash", "all": True}
    for more in (
        {"context": "system", "run_as_user": house.ada.user.name},
        {"run_as_user": house.ada.user.name},
        {"context": "interactive", "run_as_user": "a\nb"},
    ):
        answer = owner.post("/api/scripts/quick_run", json={**body, **more})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_user"), answer.text


def test_survives_one_user_who_floods_systems_socket(house: House, owner: httpx.Client) -> None:
    code = (
        "import socket, sys, time\n"
        "lines, until = [], time.monotonic() + 4\n"
        "print('begun', flush=True)\n"
        "while time.monotonic() < until:\n"
        "    line = socket.socket(socket.AF_UNIX); line.settimeout(1); lines = [*lines[-200:], line]\n"
        '    try: line.connect(sys.argv[1]); line.sendall(b\'{"op":"token","renew":true}\\n\' * 50)\n'
        "    except OSError: pass\n"
    )
    python, packages = house.ada.user.python
    command = house.ada.user.command(python, "-c", code, str(house.broker))
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": packages}) as flood:
        assert flood.stdout is not None
        assert flood.stdout.readline() == b"begun\n"
        for _ in range(3):
            (answer,) = house.ask(house.bob.user, {"op": "token"})
            assert (answer["status"], answer["user"]) == ("ok", house.bob.user.name)
        name = house.bob.user.name
        (run,) = run_script(owner, "id -un", context="interactive", run_as_user=name)
        (system,) = run_script(owner, "id -un")
        assert (run["stdout"].strip(), system["stdout"].strip()) == (name, "root")
        assert flood.wait(30) == 0
    assert house.system.running()
    assert house.system.log_text().count("has too many connections") <= 2, "the log is no flood"
