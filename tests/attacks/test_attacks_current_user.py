"""Threat 11: a signed-in user who does what he likes with his own agent, files and processes does not become SYSTEM."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.attacks.attacker import Declined, Stranger, stolen_signing_key
from tests.attacks.background import Background
from tests.attacks.forging import THIEF, order_for
from tests.journeys.test_journey_signed_in_user import User, UserAgent, ground, user
from tests.programs.programs import AgentProgram, EngineProgram, enrol, run_script, wait_for, wait_online

from borealis_wire.envelope import JOB_TYPE, seal
from borealis_wire.events import Rest, RunContext

__all__ = ["ground", "user"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("useradd") is None or shutil.which("setpriv") is None,
        reason="needs root, useradd and setpriv to have a second user",
    ),
]
TRAP: Final = "#!/bin/sh\n/usr/bin/id -u >> '{loot}'\nexec /usr/bin/env -i PATH=/usr/bin:/bin /bin/bash \"$@\"\n"


@dataclass
class Machine:
    """A device with a SYSTEM agent of root's, and a user who is up to something. ``loot``: who sprang a trap."""

    engine: EngineProgram
    system: AgentProgram
    user: User
    ground: Path
    background: Background

    @property
    def loot(self) -> Path:
        return self.ground / "loot" / "trapped"

    def as_user(self, code: str, *arguments: str) -> str:
        """Run Python as the user; gives what it printed."""
        python, packages = self.user.python
        done = subprocess.run(
            self.user.command(python, "-c", code, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": packages},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, *requests: Any) -> list[dict[str, Any]]:
        """What SYSTEM's broker answers the user's process."""
        code = (
            "import json, socket, sys\n"
            "line = socket.socket(socket.AF_UNIX); line.settimeout(20); line.connect(sys.argv[1])\n"
            "file = line.makefile('rwb')\n"
            "for request in json.loads(sys.argv[2]):\n"
            "    file.write(json.dumps(request).encode() + b'\\n'); file.flush()\n"
            "    print(file.readline().decode() or '{}', end='')\n"
        )
        path = self.system.root / "Agent" / "Run" / "user-broker.sock"
        return [json.loads(line) for line in self.as_user(code, str(path), json.dumps(requests)).splitlines()]

    def system_uids(self) -> list[str]:
        """The accounts that have run what the user planted; root must not be one."""
        return self.loot.read_text().split() if self.loot.exists() else []


@pytest.fixture(scope="module")
def machine(
    ground: Path, user: User, background: Background, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """The SYSTEM agent was started with everything that the user could wish for in its environment."""
    engine = EngineProgram(tmp_path_factory.mktemp("current-user") / "engine").start()
    root = ground / "root-attacks"
    root.mkdir(mode=0o755)
    (ground / "loot").mkdir()
    (ground / "loot").chmod(0o777)
    planted = user.home / "bin"
    for folder in (planted, user.home / "tmp"):
        folder.mkdir()
    for name in ("bash", "sh", "python3", "python", "pwsh", "dpkg-query", "rpm", "hostname", "id", "lspci", "flatpak"):
        (planted / name).write_text(TRAP.format(loot=ground / "loot" / "trapped"))
        (planted / name).chmod(0o755)
    (user.home / "env.sh").write_text(f"/usr/bin/id -u >> '{ground}/loot/trapped'\n")
    subprocess.run(["chown", "-R", f"{user.uid}:{user.gid}", str(user.home)], check=True)
    environment = {
        "PATH": f"{planted}:{os.environ['PATH']}",
        "BASH_ENV": str(user.home / "env.sh"),
        "ENV": str(user.home / "env.sh"),
        "TMPDIR": str(user.home / "tmp"),
        "HOME": str(user.home),
        "XDG_CONFIG_HOME": str(user.home),
        "PYTHONSTARTUP": str(user.home / "env.sh"),
        "PERL5LIB": str(user.home),
        "EDITOR": str(planted / "bash"),
        "SHELL": str(planted / "bash"),
        "IFS": "/",
    }
    system = AgentProgram(root, "--installer-code", engine.enrolment_token(max_uses=9), environment=environment)
    system.command[1] = str(ground / "code" / "Agent" / "agent.py")
    found = Machine(engine, system, user, ground, background)
    try:
        enrol(engine, system)
        yield found
    finally:
        system.stop()
        engine.stop()


def test_rejects_programs_and_settings_that_the_user_planted(machine: Machine) -> None:
    with machine.engine.owner() as client:
        (run,) = run_script(client, 'id -un; echo "$PATH|$BASH_ENV|$ENV|$TMPDIR|$HOME|$SHELL"; pwd; command -v bash id')
        assert run["status"] == "Success", run
        (python,) = run_script(
            client, "import os, sys; print(os.geteuid(), sys.path[0], sys.flags.no_user_site)", script_type="python"
        )
        wait_for("the inventory", lambda: client.get(f"/api/devices/{machine.system.guid}").json()["details"] or None)
    account, environment, folder, *programs = run["stdout"].split("\n")
    assert account == "root"
    path, bash_env, env, tmp, home, _ = environment.split("|")
    assert str(machine.user.home) not in path + folder + "".join(programs)
    assert (bash_env, env, tmp, home) == ("", "", "", "/root")
    assert python["stdout"].split()[0] == "0"
    assert str(machine.user.home) not in python["stdout"]
    machine.user.run(str(machine.user.home / "bin" / "id"))
    assert set(machine.system_uids()) == {str(machine.user.uid)}, "root ran what the user planted, or the trap is none"


def test_rejects_every_file_of_the_users_in_what_system_has_loaded_or_opened(machine: Machine) -> None:
    """All of its code, data, sockets and folders: nothing of it, and nothing above it, may the user write."""
    process = Path(f"/proc/{machine.system.pid}")
    mapped = {line.split(None, 5)[5].strip() for line in (process / "maps").read_text().splitlines() if "/" in line}
    opened = {str(link.readlink()) for link in (process / "fd").iterdir()}
    paths = {path for path in mapped | opened if path.startswith("/") and "(deleted)" not in path}
    paths |= {str(path) for path in (machine.ground / "code").rglob("*")}
    paths -= {path for path in paths if path.startswith(("/dev/", "/proc/", "/memfd:"))}
    assert len(paths) > 100
    code = (
        "import os, pathlib, stat, sys\n"
        "for text in sys.stdin.read().splitlines():\n"
        "    for path in (pathlib.Path(text), *pathlib.Path(text).parents):\n"
        "        if os.access(path, os.W_OK) and not path.stat().st_mode & stat.S_ISVTX: print(path)\n"
    )
    python, packages = machine.user.python
    done = subprocess.run(
        machine.user.command(python, "-c", code),
        input="\n".join(sorted(paths)),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": packages},
    )
    own_output = {str(machine.system.output)}
    assert set(done.stdout.split("\n")) - own_output - {""} == set()


def test_rejects_the_user_at_a_script_of_system_that_is_running(machine: Machine) -> None:
    with machine.engine.owner() as client:
        body = {"script_content": "echo $$ > pid; sleep 5; echo whole", "script_type": "bash", "all": True}
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        temp = machine.system.root / "Agent" / "Temp"
        script = wait_for("the script", lambda: next(iter(temp.glob("*/script.sh")), None))
        pid = wait_for("its pid", lambda: (script.parent / "pid").read_text().strip() or None)
        code = (
            "import os, signal, sys\n"
            "def tried(name, work):\n"
            "    try: work(); print('GOT', name)\n"
            "    except OSError as error: print('no', name)\n"
            "script, pid = sys.argv[1], int(sys.argv[2])\n"
            "tried('read', lambda: open(script).read())\n"
            "tried('write', lambda: open(script, 'a').write('id'))\n"
            "tried('list', lambda: os.listdir(os.path.dirname(os.path.dirname(script))))\n"
            "tried('kill', lambda: os.kill(pid, signal.SIGTERM))\n"
            "tried('environ', lambda: open(f'/proc/{pid}/environ').read())\n"
            "tried('memory', lambda: open(f'/proc/{pid}/mem', 'rb').read(1))\n"
            "tried('input', lambda: open(f'/proc/{pid}/fd/1', 'w'))\n"
        )
        answers = machine.as_user(code, str(script), pid)
        assert "GOT" not in answers, answers
        assert wait_run_stdout(client, run_id) == "whole\n"


def wait_run_stdout(client: Any, run_id: str) -> str:
    """What a run printed, once it is over."""
    return str(client.get(f"/api/runs/{run_id}", params={"wait": 20}).json()["stdout"])


def test_rejects_a_borrowed_token_for_anything_of_system(machine: Machine) -> None:
    """What SYSTEM lends is good for the interactive context, for a quarter of an hour, and for nothing else."""
    guid = machine.system.guid
    with machine.engine.owner() as client:
        body = {"script_content": "true", "script_type": "bash", "guids": [guid], "context": "interactive"}
        mine = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
    (loan,) = machine.ask({"op": "token"})
    assert (loan["status"], loan["guid"]) == ("ok", guid)
    assert not {"refresh_token", "key", "private", "token_key"} & set(loan) | set(loan["pinned"]) & {"private_key"}
    assert 0 < loan["expires_at"] - time.time() <= 900
    thief = Stranger(machine.engine, machine.background)
    bearer = {"Authorization": f"Bearer {loan['access_token']}"}
    answer = thief.post(Rest.SCRIPT_REQUEST, {"guid": guid}, bearer).json()
    jobs = [json.loads(_payload(job))["context"] for job in answer.get("jobs", [])]
    assert set(jobs) <= {"interactive"}
    for header in ("SYSTEM", "system"):
        with pytest.raises(Declined, match="context_mismatch"):
            thief.socket({**bearer, "X-Borealis-Agent-Context": header})
    with thief.socket(bearer) as live:
        claim = {"agent_id": f"X_{guid}_SYSTEM"}
        assert live.call("connect_agent", claim)["error"] == "agent_id_mismatch"
    refused = thief.post(Rest.TOKEN_REFRESH, {"guid": guid, "refresh_token": loan["access_token"]})
    assert refused.status_code in {400, 401}
    with machine.engine.owner() as client:
        (run,) = run_script(client, "id -un", context="system")
        assert run["stdout"] == "root\n"
        client.post(f"/api/runs/{mine}/cancel")


def _payload(job: dict[str, Any]) -> bytes:
    import base64

    return base64.b64decode(job["envelope"]["payload"])


def test_rejects_orders_and_unknown_requests_at_systems_socket(machine: Machine) -> None:
    guid, key = machine.system.guid, stolen_signing_key(machine.engine)
    forged = order_for(guid, "id", context=RunContext.INTERACTIVE, files=())
    system = order_for(guid, "id", files=())
    once = order_for(guid, "id", context=RunContext.INTERACTIVE, files=())
    answers = machine.ask(
        {"op": "run", "envelope": seal(JOB_TYPE, system.to_payload(), key), "script_content": "aWQ="},
        {"op": "exec", "command": "id"},
        {"op": "refresh"},
        {"op": "token", "context": "system", "renew": False},
        {"op": "claim", "envelope": seal(JOB_TYPE, forged.to_payload(), THIEF)},
        {"op": "claim", "envelope": seal(JOB_TYPE, system.to_payload(), key)},
        {"op": "claim", "envelope": seal(JOB_TYPE, once.to_payload(), key)},
        {"op": "claim", "envelope": seal(JOB_TYPE, once.to_payload(), key)},
    )
    codes = [answer.get("error") or answer.get("reason") or answer["status"] for answer in answers]
    unknown = ["unknown_request"] * 3
    assert codes == [*unknown, "ok", "unknown_key", "wrong_context", "ok", "replayed"]
    token = answers[3]["access_token"]
    claims = json.loads(_unpadded(token.split(".")[1]))
    assert claims["context"] == "interactive"


def _unpadded(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_survives_a_user_who_floods_systems_socket(machine: Machine) -> None:
    code = (
        "import socket, sys\n"
        "lines = []\n"
        "for number in range(300):\n"
        "    line = socket.socket(socket.AF_UNIX); line.settimeout(2)\n"
        "    try:\n"
        '        line.connect(sys.argv[1]); line.sendall(b\'{"op":"token"\' * 3 + bytes([number % 256]) * 20000)\n'
        "        lines.append(line)\n"
        "    except OSError: line.close()\n"
        "try:\n"
        "    for _ in range(200): lines[0].sendall(b'x' * 65536)\n"
        "except OSError: pass\n"
    )
    path = machine.system.root / "Agent" / "Run" / "user-broker.sock"
    machine.as_user(code, str(path))
    assert machine.system.running()
    with machine.engine.owner() as client:
        (run,) = run_script(client, "echo well")
    assert run["stdout"] == "well\n"
    assert machine.ask({"op": "token"})[0]["status"] == "ok"
    grown = int(
        next(
            line for line in Path(f"/proc/{machine.system.pid}/status").read_text().splitlines() if "VmRSS" in line
        ).split()[1]
    )
    assert grown < 160 * 1024, f"{grown} kB"


@pytest.mark.parametrize("whose", ["the user's", "everybody's"])
def test_rejects_a_role_file_that_the_user_may_write(machine: Machine, whose: str) -> None:
    role = machine.ground / "code" / "Agent" / "Roles" / "role_Planted.py"
    role.write_text(
        f"import os\nopen({str(machine.loot)!r}, 'a').write(f'{{os.geteuid()}}\\n')\n"
        "ROLE_NAME = 'planted'\nROLE_CONTEXTS = ['system']\n\n\nclass Role:\n    def __init__(self, ctx): pass\n"
    )
    if whose == "the user's":
        os.chown(role, machine.user.uid, machine.user.gid)
    else:
        role.chmod(0o666)
    try:
        machine.system.stop()
        machine.system.start()
        wait_online(machine.engine, machine.system)
        assert "role_Planted.py" in machine.system.log_text()
        assert "0" not in machine.system_uids()
        with machine.engine.owner() as client:
            (run,) = run_script(client, "echo well")
        assert run["stdout"] == "well\n", "one bad file takes no other role with it"
    finally:
        role.unlink()


TRUSTED = (
    "Borealis/Certificates/Agent/Trusted_Server_Cert/trust.json",
    "Borealis/Certificates/Agent/Identity/agent_identity_private.ed25519",
    "Borealis/Settings/access.jwt",
    "Borealis/Settings/token.key",
    "Spool/journal",
    "Spool/outbox",
)


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, "owned") for name in TRUSTED), (TRUSTED[0], "writable"), (TRUSTED[1], "linked"), (TRUSTED[4], "linked")],
)
def test_rejects_a_file_that_system_trusts_once_it_is_the_users(machine: Machine, name: str, how: str) -> None:
    """It was restored from a backup with the wrong rights, say: SYSTEM stops with a sentence, and follows nobody."""
    path = machine.system.root / "Agent" / name
    machine.system.stop()
    kept, mode = path.read_bytes(), path.stat().st_mode
    try:
        if how == "owned":
            os.chown(path, machine.user.uid, machine.user.gid)
        elif how == "writable":
            path.chmod(0o666)
        else:
            mine = machine.user.home / "mine"
            mine.write_bytes(kept)
            os.chown(mine, machine.user.uid, machine.user.gid)
            path.unlink()
            path.symlink_to(mine)
        machine.system.start()
        status = wait_for("an end, or a line", lambda: _outcome(machine), seconds=30)
        assert status == 3, f"{name} {how}: {status}"
        said = machine.system.output.read_text().strip().splitlines()[-1]
        assert path.name in said and len(said) > 40
    finally:
        machine.system.stop()
        path.unlink(missing_ok=True)
        path.write_bytes(kept)
        path.chmod(mode & 0o777)


def test_what_was_restored_is_trusted_again(machine: Machine) -> None:
    machine.system.start()
    wait_online(machine.engine, machine.system)


def _outcome(machine: Machine) -> int | str | None:
    assert machine.system.process is not None
    code = machine.system.process.poll()
    if code is not None:
        return code
    with machine.engine.owner() as client:
        online = client.get(f"/api/devices/{machine.system.guid}").json()["presence"]["contexts"]
    return "connected" if online else None


def test_rejects_a_settings_file_of_the_users_that_names_another_engine(machine: Machine) -> None:
    settings = machine.system.root / "Agent" / "Borealis" / "Settings" / "agent_settings_SYSTEM.json"
    machine.system.stop()
    kept = settings.read_bytes() if settings.exists() else None
    code = "0123-4567-89AB-CDEF-0123-4567-89AB-CDEF"
    settings.write_text(json.dumps({"installer_code": f"https://127.0.0.1:9#{code}.{'0' * 64}"}))
    os.chown(settings, machine.user.uid, machine.user.gid)
    try:
        machine.system.start()
        wait_online(machine.engine, machine.system)
        assert "belongs to another account" in machine.system.log_text()
    finally:
        machine.system.stop()
        settings.unlink()
        if kept is not None:
            settings.write_bytes(kept)
        machine.system.start()
        wait_online(machine.engine, machine.system)


def test_rejects_root_as_the_signed_in_user(machine: Machine) -> None:
    agent = AgentProgram(machine.system.root, "--config", "user", system=False)
    agent.output = machine.ground / "root-as-user.out"
    agent.start()
    assert agent.process is not None
    assert agent.process.wait(30) == 3
    assert "never runs as root" in agent.output.read_text()


def test_rejects_a_users_own_trust_for_anything_but_himself(machine: Machine) -> None:
    """He may make his own agent believe a key of his own. What it then runs, it runs as him."""
    agent = UserAgent(machine.ground, machine.user, machine.system.root).start()
    try:
        trust = agent.own_root / "Borealis" / "Certificates" / "Agent" / "Trusted_Server_Cert" / "trust.json"
        wait_for("his agent's trust", lambda: trust.exists() or None, seconds=30, log=agent.output)
        document = json.loads(trust.read_bytes())
        document["signing_keys"].append({"key_id": THIEF.public.key_id, "public_key": THIEF.public.spki_base64})
        trust.write_text(json.dumps(document))
        order = order_for(machine.system.guid, "id", context=RunContext.INTERACTIVE, files=())
        (answer,) = machine.ask({"op": "claim", "envelope": seal(JOB_TYPE, order.to_payload(), THIEF)})
        assert answer["reason"] == "unknown_key", "SYSTEM asks its own trust"
        system = json.loads(
            (
                machine.system.root
                / "Agent"
                / "Borealis"
                / "Certificates"
                / "Agent"
                / "Trusted_Server_Cert"
                / "trust.json"
            ).read_bytes()
        )
        assert THIEF.public.key_id not in [key["key_id"] for key in system["signing_keys"]]
        with machine.engine.owner() as client:
            (run,) = run_script(client, "id -un", context="interactive")
        assert run["stdout"].strip() == machine.user.name
    finally:
        agent.stop()
