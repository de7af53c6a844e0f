"""A second, real user of the machine: jobs run as that user, who gets nothing of SYSTEM's (threats 11)."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.programs.programs import DATA, AgentProgram, EngineProgram, enrol, pending_approvals, run_script, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("useradd") is None or shutil.which("setpriv") is None,
        reason="needs root, useradd and setpriv to have a second user",
    ),
]


@dataclass(frozen=True)
class User:
    """A user of the machine for the time of a test, and a Python that this user may run."""

    name: str
    uid: int
    gid: int
    home: Path
    python: tuple[str, str]

    def command(self, *words: str) -> list[str]:
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *words]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
        )


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder that every user may enter, with the agent's code in it, readable as a staged runtime is."""
    folder = Path(tempfile.mkdtemp(prefix="borealis-users-"))
    folder.chmod(0o755)
    for part in ("Agent", "Shared"):
        shutil.copytree(DATA / part, folder / "code" / part, ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def user(ground: Path) -> Iterator[User]:
    with a_user(ground, f"bor{os.getpid()}", "home") as made:
        yield made


@contextlib.contextmanager
def a_user(ground: Path, name: str, home_name: str) -> Iterator[User]:
    """A user of the machine, taken away again at the end."""
    home = ground / home_name
    made = subprocess.run(
        ["useradd", "--no-log-init", "-M", "-d", str(home), "-s", "/bin/bash", name], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"no user can be made here: {made.stderr.decode()}")
    try:
        entry = pwd.getpwnam(name)
        home.mkdir(mode=0o700)
        os.chown(home, entry.pw_uid, entry.pw_gid)
        found = User(name, entry.pw_uid, entry.pw_gid, home, ("", ""))
        yield User(name, entry.pw_uid, entry.pw_gid, home, _python_for(found))
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)


def _python_for(user: User) -> tuple[str, str]:
    """A Python with the agent's libraries that this user may run: ours may lie in root's own folder."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    for python in (sys.executable, "/usr/bin/python3", f"/usr/bin/python3.{sys.version_info.minor}"):
        needed = "aiohttp, socketio, nacl, msgspec, Cryptodome.Cipher.AES"
        probe = f"import sys; sys.path.insert(0, {packages!r}); import {needed}"
        # By a shell of the user's: what root's own right starts is not yet what the user may start.
        if user.run("sh", "-c", 'exec "$0" -c "$1"', python, probe).returncode == 0:
            return python, packages
    pytest.skip("there is no Python here that another user may run")


class UserAgent(AgentProgram):
    """The signed-in user's agent, started as that user."""

    def __init__(self, ground: Path, user: User, system_root: Path) -> None:
        super().__init__(system_root, system=False)
        python, packages = user.python
        self.user = user
        self.output = ground / f"{user.name}.out"
        self.command = user.command(python, str(ground / "code" / "Agent" / "agent.py"), "--config", "user")
        self.environment |= {"HOME": str(user.home), "PYTHONPATH": packages, "BOREALIS_ROOT": str(system_root)}
        self.environment.pop("XDG_DATA_HOME", None)

    @property
    def own_root(self) -> Path:
        return self.user.home / ".local" / "share" / "Borealis" / "Agent"

    @property
    def logs(self) -> Path:
        return self.own_root / "Logs"


@dataclass
class Machine:
    engine: EngineProgram
    system: AgentProgram
    agent: UserAgent
    user: User


@pytest.fixture
def machine(ground: Path, user: User, tmp_path: Path) -> Iterator[Machine]:
    engine = EngineProgram(tmp_path / "engine").start()
    root = ground / f"root-{tmp_path.name}"
    root.mkdir(mode=0o755)
    system = AgentProgram(root, "--installer-code", engine.enrolment_token())
    system.command[1] = str(ground / "code" / "Agent" / "agent.py")
    agent = UserAgent(ground, user, root)
    try:
        enrol(engine, system)
        agent.start()
        with engine.owner() as client:
            wait_for("the user's agent", lambda: _contexts(client) >= {"system", "interactive"}, log=agent.output)
        yield Machine(engine, system, agent, user)
    finally:
        agent.stop()
        system.stop()
        engine.stop()


def _contexts(client: httpx.Client) -> set[str]:
    return {name for device in client.get("/api/devices").json()["devices"] for name in device["presence"]["contexts"]}


def test_a_job_runs_as_the_signed_in_user_on_the_one_enrolled_device(machine: Machine) -> None:
    with machine.engine.owner() as client:
        (mine,) = run_script(client, "id -un; echo $HOME; pwd; umask", run_mode="current_user")
        (roots,) = run_script(client, "id -un")
        assert len(client.get("/api/devices").json()["devices"]) == 1
    assert mine["status"] == "Success", mine
    name, home, folder, umask = mine["stdout"].split()
    assert (name, home, umask) == (machine.user.name, str(machine.user.home), "0022")
    assert folder.startswith(str(machine.agent.own_root / "Temp"))
    assert roots["stdout"] == "root\n"


def test_rejects_every_look_of_the_user_at_systems_secrets(machine: Machine) -> None:
    settings = machine.system.root / "Agent" / "Borealis" / "Settings"
    identity = machine.system.root / "Agent" / "Borealis" / "Certificates" / "Agent" / "Identity"
    secrets = [
        *(settings / name for name in ("access.jwt", "access_currentuser.jwt", "refresh.token", "token.key")),
        identity / "agent_identity_private.ed25519",
        machine.system.root / "Agent" / "Spool" / "journal",
    ]
    assert all(path.exists() for path in secrets)
    script = "\n".join(f"cat '{path}' && echo LEAKED" for path in secrets) + "\ntrue"
    with machine.engine.owner() as client:
        (run,) = run_script(client, script, run_mode="current_user")
    assert "LEAKED" not in run["stdout"]
    assert run["stderr"].count("Permission denied") == len(secrets)
    own = machine.agent.own_root / "Borealis"
    names = {path.name for path in own.rglob("*")}
    assert "refresh.token" not in names
    private = own / "Certificates" / "Agent" / "Identity" / "agent_identity_private.ed25519"
    assert not private.exists() or private.read_bytes() != (identity / private.name).read_bytes()


def test_rejects_write_of_the_user_to_anything_that_system_trusts(machine: Machine) -> None:
    root = machine.system.root / "Agent"
    found = machine.user.run("find", str(root), "-writable", "-not", "-type", "l", "-not", "-type", "s")
    assert found.stdout == ""


def test_survives_the_system_agent_being_restarted(machine: Machine) -> None:
    machine.system.stop()
    machine.system.start()
    with machine.engine.owner() as client:
        wait_for("both agents", lambda: _contexts(client) >= {"system", "interactive"}, seconds=60)
        (run,) = run_script(client, "id -un", run_mode="current_user")
    assert run["stdout"].strip() == machine.user.name


def test_rejects_accounts_that_nobody_signs_in_with(machine: Machine) -> None:
    socket = machine.system.root / "Agent" / "Run" / "user-broker.sock"
    ask = (
        f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(socket)!r});"
        's.sendall(b\'{"op":"token"}\\n\'); s.settimeout(5); print("GOT", s.recv(100))'
    )
    nobody = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", machine.user.python[0], "-c", ask],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "access_token" not in nobody.stdout
    assert "GOT b''" in nobody.stdout or "reset" in nobody.stderr.lower() or "broken" in nobody.stderr.lower()
    wait_for("the refusal in the log", lambda: "not a person who signs in" in machine.system.log_text(), seconds=5)


def test_two_agents_of_an_ordinary_users_own_installation_share_one_enrolment(
    ground: Path, user: User, tmp_path: Path
) -> None:
    engine = EngineProgram(tmp_path / "engine").start()
    root = user.home / f"own-{tmp_path.name}"
    user.run("mkdir", str(root))
    agents: list[UserAgent] = []
    for flags in (["--system-service", "--installer-code", engine.enrolment_token()], ["--config", "user"]):
        agent = UserAgent(ground, user, root)
        agent.output = ground / f"{user.name}-{len(agents)}.out"
        agent.command = [*agent.command[:-2], *flags]
        agents.append(agent)
    try:
        with engine.owner() as client:
            for agent in agents:
                agent.start()
            approval = wait_for("the knock", lambda: next(iter(pending_approvals(client)), None), log=agents[0].output)
            path = f"/api/admin/device-approvals/{approval['approval_reference']}/approve"
            assert client.post(path, json={}).status_code == 200
            wait_for("both agents", lambda: _contexts(client) == {"system", "interactive"}, seconds=60)
            assert len(client.get("/api/devices").json()["devices"]) == 1
            for mode in ("system", "current_user"):
                (run,) = run_script(client, "id -un", run_mode=mode)
                assert run["stdout"].strip() == user.name, run
        assert (root / "Agent" / "Spool" / "currentuser" / "journal").exists()
    finally:
        for agent in agents:
            agent.stop()
        engine.stop()
