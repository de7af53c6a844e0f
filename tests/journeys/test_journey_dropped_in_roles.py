"""Role files of other people, dropped into a real agent: an old one runs unchanged, bad ones harm nobody."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.programs.programs import (
    DATA,
    AgentProgram,
    EngineProgram,
    enrol,
    processes_with,
    run_script,
    wait_for,
    wait_online,
    wait_run,
)

from borealis_base.user_task import note_failure

pytestmark = pytest.mark.slow

UPSTREAM = """
import asyncio
import os
import socket

ROLE_NAME = 'inventory_note'


class Role:
    def __init__(self, ctx):
        self.ctx = ctx
        self.tasks = {}
        self.jobs = 0
        self.configs = 0

    def _log(self, message):
        self.ctx.hooks['log_agent'](f'[note] {message}', fname='note.log', scope=self.ctx.service_mode.upper())

    def register_events(self):
        @self.ctx.sio.on('quick_job_run')
        async def _on_quick_job(payload):
            self.jobs += 1
            self.ctx.config.data['note_last_job'] = payload.get('script_name') or payload.get('job_id')
            self.ctx.config._write()
            await self.ctx.sio.emit('macro_status', {'agent_id': self.ctx.agent_id, 'success': True})
            self._log(f'heard job {self.jobs}')

    async def on_config(self, roles_cfg):
        self.configs += 1
        self.tasks.setdefault('post', asyncio.create_task(self._post()))

    async def _post(self):
        client = self.ctx.hooks['http_client']()
        await client.ensure_authenticated()
        details = {'note': {'url': self.ctx.hooks['get_server_url'](), 'mode': self.ctx.hooks['service_mode']}}
        payload = {'agent_id': self.ctx.agent_id, 'hostname': socket.gethostname(), 'details': details}
        await client.async_post_json('/api/agent/details', payload, require_auth=True)
        self._log('posted')

    def stop_all(self):
        for task in self.tasks.values():
            task.cancel()
        self._log('stopped')
"""
ROLE = "ROLE_NAME = {name!r}\nROLE_CONTEXTS = ['system']\nimport sys, time\n"
CLASS = (
    "class Role:\n    def __init__(self, ctx):\n        self.ctx = ctx\n        {init}\n    {hook}:\n        {body}\n"
)


def bad(name: str, *, before: str = "", init: str = "pass", hook: str = "def nothing(self)", body: str = "pass") -> str:
    return ROLE.format(name=name) + before + "\n" + CLASS.format(init=init, hook=hook, body=body)


REGISTER = "async def register_events(self)"
BAD: dict[str, tuple[str | bytes, str]] = {
    "Syntax": ("ROLE_NAME = 'syntax'\ndef (:", "inspect"),
    "Encoding": (bad("encoding", before="WHAT = 'caf\u00e9'").encode("latin-1"), "inspect"),
    "NoNames": ("print('hello')\n", "inspect"),
    "Import": (bad("import", before="import a_package_that_is_not_there"), "load"),
    "Exits": (bad("exits", before="sys.exit(7)"), "load"),
    "Kills": (bad("kills", before="import os; os._exit(9)"), "load"),
    "BlocksLoad": (bad("blocks_load", before="time.sleep(3600)"), "load"),
    "Init": (bad("init", init="raise ValueError('no such thing')"), "bind"),
    "Register": (bad("register", hook=REGISTER, body="raise RuntimeError('no events')"), "register_events"),
    "Blocks": (bad("blocks", hook=REGISTER, body="time.sleep(3600)"), "register_events"),
    "Speaks": (bad("speaks", hook=REGISTER, body="await self.ctx.sio.emit('connect_agent', {})"), "run"),
    "Falls": (bad("falls", hook="def register_events(self)", body="self.ctx.start_task('fall', fall())")
              .replace("class Role", "async def fall():\n    sys.exit(3)\nclass Role"), "run"),
}  # fmt: skip
ROOT_ONLY = {"Foreign": "inspect", "Link": "inspect"}


@pytest.fixture
def staged(engine: EngineProgram, tmp_path: Path) -> Iterator[tuple[AgentProgram, Path]]:
    """An enrolled agent that runs from a copy of its own, as when it is staged; and its folder of roles."""
    program = tmp_path / "Program"
    shutil.copytree(DATA / "Agent", program, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "Shared").symlink_to(DATA / "Shared")
    agent = AgentProgram(tmp_path / "agent", "--installer-code", engine.enrolment_token())
    agent.command[1] = str(program / "agent.py")
    settings = tmp_path / "agent" / "Agent" / "Borealis" / "Settings"
    settings.mkdir(parents=True)
    (settings / "agent_settings_SYSTEM.json").write_text(json.dumps({"role_patience_seconds": 3}))
    try:
        enrol(engine, agent)
        agent.stop()
        yield agent, program / "Roles"
    finally:
        agent.stop()


def roles_of(engine: EngineProgram, guid: str) -> dict[str, dict[str, Any]]:
    with engine.owner() as client:
        roles: dict[str, dict[str, Any]] = client.get(f"/api/devices/{guid}").json()["roles"]
    return {health["file"]: health for health in roles.values() if "file" in health}


def test_an_old_role_runs_unchanged_and_bad_ones_harm_nobody(
    engine: EngineProgram, staged: tuple[AgentProgram, Path], tmp_path: Path
) -> None:
    agent, folder = staged
    an_old_role_runs_unchanged(engine, agent, folder)
    bad_roles_are_told_by_file_stage_and_reason(engine, agent, folder, tmp_path)


def an_old_role_runs_unchanged(engine: EngineProgram, agent: AgentProgram, folder: Path) -> None:
    (folder / "role_Note.py").write_text(UPSTREAM)
    why = "The scheduled task of signed-in users could not be created."
    note_failure(agent.root / "Agent" / "Run", why)  # as the installer of Windows does
    agent.start()
    guid = agent.guid
    with engine.owner() as client:

        def noted() -> dict[str, Any] | None:
            found: dict[str, Any] | None = client.get(f"/api/devices/{guid}").json()["details"].get("note")
            return found

        assert wait_for("the role's own report", noted, log=agent.output) == {"url": engine.url, "mode": "system"}
        (run,) = run_script(client, "echo for everybody", guids=[guid], script_name="For everybody")
        assert (run["status"], run["stdout"]) == ("Success", "for everybody\n")
    wait_for("the role to hear it", lambda: "heard job 1" in (agent.logs / "note.log").read_text())
    kept = json.loads((agent.root / "Agent/Borealis/Settings/agent_settings_SYSTEM.json").read_text())
    assert kept["note_last_job"]
    assert roles_of(engine, guid)["role_Note.py"]["state"] == "running"
    with engine.owner() as client:
        users = client.get(f"/api/devices/{guid}").json()["roles"]["agents of signed-in users"]
        assert (users["state"], users["reason"]) == ("degraded", why)
        assert why in client.get("/api/server/logs", params={"name": "devices.log"}).text
    agent.stop()
    assert "stopped" in (agent.logs / "note.log").read_text()


def bad_roles_are_told_by_file_stage_and_reason(
    engine: EngineProgram, agent: AgentProgram, folder: Path, tmp_path: Path
) -> None:
    expected = {f"role_{name}.py": stage for name, (_, stage) in BAD.items()}
    for name, (content, _) in BAD.items():
        (folder / f"role_{name}.py").write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "role_Note.py").write_text(UPSTREAM)
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign.py"
        foreign.write_text(bad("link"))
        (folder / "role_Link.py").symlink_to(foreign)
        (folder / "role_Foreign.py").write_text(bad("foreign"))
        for path in (foreign, folder / "role_Foreign.py"):
            os.chown(path, 12345, 12345)
        expected |= {f"role_{name}.py": stage for name, stage in ROOT_ONLY.items()}
    guid, starts = agent.guid, 0

    def all_told() -> dict[str, dict[str, Any]] | None:
        nonlocal starts
        if not agent.running():  # role_Kills.py ended it; whoever watches over the agent starts it again
            starts += 1
            agent.start()
        found = roles_of(engine, guid)
        return found if all("stage" in found.get(file, {}) for file in expected) else None

    found = wait_for("every bad role to be told", all_told, seconds=90, log=agent.output)
    assert {file: found[file]["stage"] for file in expected} == expected
    assert all(found[file]["state"] in {"rejected", "degraded"} and found[file]["reason"] for file in expected)
    assert starts == 4
    house = {"role_DeviceAudit.py", "role_ScriptExec_SYSTEM.py", "role_Note.py"}
    assert {found[file]["state"] for file in house} == {"running"}
    errors = (agent.logs / "agent.error.log").read_text()
    assert [
        file for file in expected if file.removeprefix("role_").removesuffix(".py").lower() not in errors.lower()
    ] == []
    with engine.owner() as client:
        (run,) = run_script(client, "echo still here", guids=[guid])
    assert (run["status"], run["stdout"]) == ("Success", "still here\n")


WAITS = """
import asyncio
import ctypes
import os

ROLE_NAME = 'waits'
ROLE_CONTEXTS = ['system']


class Role:
    def __init__(self, ctx):
        self.ctx = ctx

    def register_events(self):
        self.ctx.start_task('wait', self._wait())

    async def _wait(self):
        while True:
            await asyncio.sleep(0.1)
            for sign, work in (({still!r}, self._stand_still), ({grow!r}, self._grow)):
                if os.path.exists(sign):
                    os.remove(sign)
                    work()

    def _stand_still(self):
        lock, calls = ctypes.create_string_buffer(128), ctypes.PyDLL(None)
        for _ in range(2):
            calls.pthread_mutex_lock(lock)

    def _grow(self):
        self.kept = bytearray(os.urandom(1)) * (200 * 1024 * 1024)
"""


def test_survives_a_role_that_stops_the_agent_and_one_that_eats_its_memory(
    engine: EngineProgram, staged: tuple[AgentProgram, Path], tmp_path: Path
) -> None:
    agent, folder = staged
    still, grow = tmp_path / "still", tmp_path / "grow"
    (folder / "role_Waits.py").write_text(WAITS.format(still=str(still), grow=str(grow)))
    settings = agent.root / "Agent/Borealis/Settings/agent_settings_SYSTEM.json"
    bounds = {"hang_seconds": 4, "memory_limit_mb": 150}
    settings.write_text(json.dumps({**json.loads(settings.read_text()), **bounds}))
    agent.start()
    guid = wait_online(engine, agent)
    marker = f"7{os.getpid()}.25"
    with engine.owner() as client:
        body = {"script_content": f"sleep {marker}", "script_type": "bash", "guids": [guid]}
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        wait_for("the script", lambda: processes_with(f"sleep {marker}"), log=agent.output)

        still.touch()
        wait_for("the agent to be ended", lambda: not agent.running(), log=agent.output)
        assert agent.stop() == 1
        agent.start()
        assert wait_run(client, run_id)["status"] == "Interrupted"
        wait_for("the script to be gone", lambda: not processes_with(marker))
        told = (agent.logs / "agent.error.log").read_text()
        assert "its event loop had stood still" in told
        assert "in _stand_still" in told
        (run,) = run_script(client, "echo again here", guids=[guid])
        assert (run["status"], run["stdout"]) == ("Success", "again here\n")

        grow.touch()
        wait_for("the agent to end", lambda: not agent.running(), log=agent.output)
        assert agent.stop() == 1
        assert "MB of memory, and may hold 150" in agent.output.read_text()
        agent.start()
        (run,) = run_script(client, "echo and again", guids=[guid])
        assert (run["status"], run["stdout"]) == ("Success", "and again\n")
