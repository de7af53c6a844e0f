"""Every role file of the house keeps the contract (contract 7), whichever is added next."""

import asyncio
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest
from tests.fakes.role_context import FakeAgent

import rolecheck
from borealis_agent.role_api import (
    HasHealth,
    HearsConfig,
    JobHandler,
    RegistersEvents,
    RoleModule,
    Stoppable,
    VerifiedJob,
)
from borealis_agent.roles.inspection import RoleFacts, role_files
from borealis_agent.roles.loading import facts_of, forget_role, load_role
from borealis_wire.events import OWN_DOOR_TYPES, RunContext, ScriptType
from borealis_wire.refusal import Refused

ROLES = role_files(rolecheck.ROLES)
EACH = pytest.mark.parametrize("path", ROLES, ids=lambda path: path.stem)
CATALOGUE = {
    "role_DeviceAudit": ("device_audit", {"system"}),
    "role_FileTransfer": ("FileTransfer", {"system"}),
    "role_Macro": ("macro", {"interactive"}),
    "role_PlaybookExec_SYSTEM": ("playbook_exec_system", {"system"}),
    "role_RDP": ("RDP", {"system"}),
    "role_RemotePowershell": ("RemotePowershell", {"system"}),
    "role_Screenshot": ("screenshot", {"interactive"}),
    "role_ScriptExec_CURRENTUSER": ("script_exec_currentuser", {"interactive"}),
    "role_ScriptExec_SYSTEM": ("script_exec_system", {"system"}),
    "role_VNC": ("VNC", {"system"}),
    "role_WireGuardTunnel": ("WireGuardTunnel", {"system"}),
}
"""Names and contexts that existing installations know (agent-runtime "Role Catalog", upstream-contract 6.2)."""


def checked(path: Path) -> RoleFacts:
    findings, facts = rolecheck.check_role(path)
    assert findings == []
    assert facts is not None
    return facts


def loaded(path: Path) -> types.ModuleType:
    module = load_role(path)
    forget_role(path)
    return module


def test_there_are_roles() -> None:
    assert {path.stem for path in ROLES} >= {
        "role_DeviceAudit",
        "role_ScriptExec_SYSTEM",
        "role_ScriptExec_CURRENTUSER",
    }


def test_no_finding_over_all_of_them() -> None:
    assert rolecheck.check_roles(ROLES) == []


@EACH
def test_a_role_of_the_catalogue_has_its_name_and_contexts(path: Path) -> None:
    facts = checked(path)
    if path.stem in CATALOGUE:
        assert (facts.name, {context.value for context in facts.contexts}) == CATALOGUE[path.stem]


@EACH
def test_what_the_text_says_is_what_the_loaded_role_says(path: Path) -> None:
    plain = loaded(path)
    assert facts_of(path, plain) == checked(path)
    module: RoleModule = plain
    assert list(module.ROLE_CONTEXTS)
    assert set(module.ROLE_CONTEXTS) <= set(RunContext)


@EACH
@pytest.mark.slow
def test_loading_a_role_does_nothing(path: Path, tmp_path: Path) -> None:
    """No process, no socket, no thread, no file: a role begins when the agent says so."""
    probe = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from borealis_agent.roles.loading import load_role\n"
        "seen = []\n"
        "def hook(event, arguments):\n"
        "    writes = event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+')\n"
        "    if writes or event.partition('.')[0] in {'socket', 'subprocess', 'shutil', 'winreg'}:\n"
        "        if event != 'socket.__new__' and '__pycache__' not in str(arguments[0]):\n"
        "            seen.append((event, str(arguments)[:80]))\n"
        "sys.addaudithook(hook)\n"
        "load_role(Path(sys.argv[1]))\n"
        "print(seen, threading.active_count())"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", probe, str(path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[] 1\n"
    assert list(tmp_path.iterdir()) == []


@EACH
async def test_a_role_comes_up_and_goes_down_in_each_of_its_contexts(path: Path, tmp_path: Path) -> None:
    module = loaded(path)
    for context in checked(path).contexts:
        agent = FakeAgent(tmp_path, context)
        role = module.Role(agent.ctx)
        if isinstance(role, RegistersEvents):
            await settle(role.register_events())
        if isinstance(role, HearsConfig):
            await settle(role.on_config([]))
        if isinstance(role, HasHealth):
            assert all(isinstance(value, str | int | float | bool | None) for value in role.health_report().values())
        await asyncio.sleep(0)
        if isinstance(role, Stoppable):
            await settle(role.stop_all())
            await settle(role.stop_all())  # once for an empty configuration, once at the end
        await agent.end()


@EACH
async def test_a_role_that_runs_jobs_hands_them_to_the_execution(path: Path, tmp_path: Path) -> None:
    for context in checked(path).contexts:
        agent = FakeAgent(tmp_path, context)
        loaded(path).Role(agent.ctx)
        for script_type, handler in agent.job_handlers.items():
            if script_type in OWN_DOOR_TYPES:
                await refuse_one(handler, script_type)
                continue
            await run_one(agent, handler, script_type)
        await agent.end()


async def run_one(agent: FakeAgent, handler: JobHandler, script_type: ScriptType) -> None:
    from vector_material import order

    job = VerifiedJob(order(script_type=script_type), b"echo hi", (), "key")
    chunks: list[tuple[str, str]] = []

    async def output(stream: str, text: str) -> None:
        chunks.append((stream, text))

    outcome = await handler(job, output)
    assert (outcome.exit_code, outcome.stdout) == (0, "echo hi")
    assert agent.execution.ran[-1] is job
    assert chunks == [("stdout", "echo hi")]
    assert not any("echo hi" in line for line in agent.lines)  # a script may hold secrets


async def refuse_one(handler: JobHandler, script_type: ScriptType) -> None:
    """No script at all: what is signed is an order of the role's own, and anything else is refused."""
    from vector_material import order

    async def output(_stream: str, _text: str) -> None:
        """Nobody looks."""

    with pytest.raises(Refused, match="malformed"):
        await handler(VerifiedJob(order(script_type=script_type), b"echo hi", (), "key"), output)


def test_between_them_they_run_every_script_type_in_both_contexts() -> None:
    async def types_of(context: RunContext, folder: Path) -> set[ScriptType]:
        agent = FakeAgent(folder, context)
        for path in ROLES:
            if context in checked(path).contexts:
                loaded(path).Role(agent.ctx)
        return set(agent.job_handlers)

    for context in RunContext:
        found = asyncio.run(types_of(context, Path()))
        assert found >= {ScriptType.BASH, ScriptType.PYTHON, ScriptType.POWERSHELL, ScriptType.BATCH}


async def settle(value: object) -> None:
    if inspect.isawaitable(value):
        await value
