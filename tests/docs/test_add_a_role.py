"""The examples of "add a role" are real: the agent's own loader takes them, and they do what the page says."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.role_context import FakeAgent, FakeConfig, FakeExecution, FakeSocket

import rolecheck
from borealis_agent.core.paths import AgentPaths
from borealis_agent.roles import RoleSupervisor, RoleWorld
from borealis_agent.roles.loading import forget_role, load_role
from borealis_base.tasks import Supervisor
from borealis_wire.events import RunContext

PAGE = Path(rolecheck.__file__).resolve().parents[1] / "Docs" / "how-to" / "add-a-role.md"
CODE = dict(re.findall(r"^```python (role_\w+\.py)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


class FakeHttp:
    """Implements ``roles.supervisor.RoleHttp``."""

    base_url = "https://engine.example:5000"

    async def post_json(self, path: str, payload: Any, *, require_auth: bool = True) -> dict[str, Any]:
        """Taken."""
        return {"status": "ok"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    roles = tmp_path / "Roles"
    roles.mkdir(mode=0o755)
    for name, code in CODE.items():
        (roles / name).write_text(code)
        (roles / name).chmod(0o644)
    return roles


def supervisor(folder: Path, tasks: Supervisor, socket: FakeSocket) -> RoleSupervisor:
    world = RoleWorld(
        folder=folder,
        context=RunContext.SYSTEM,
        agent_id=lambda: "LAB-7_GUID_SYSTEM",
        config=FakeConfig({}),
        execution=FakeExecution(),
        http=FakeHttp(),
        paths=AgentPaths(folder.parent / "Agent"),
        door=lambda: socket,
        told=lambda _: False,
        tasks=tasks,
    )
    return RoleSupervisor(world)


def test_there_are_two_examples() -> None:
    assert set(CODE) == {"role_DiskSpace.py", "role_OldStyle.py"}


def test_the_complete_example_has_no_finding(folder: Path) -> None:
    findings, facts = rolecheck.check_role(folder / "role_DiskSpace.py")
    assert findings == []
    assert facts is not None
    assert facts.name == "disk_space"
    assert set(facts.contexts) == {RunContext.SYSTEM}


async def test_the_agent_loads_both_and_they_work(folder: Path) -> None:
    socket = FakeSocket()
    async with Supervisor() as tasks:
        roles = supervisor(folder, tasks, socket)
        await roles.load()
        assert roles.names == ["disk_space", "old_style"]
        assert {health["state"] for health in roles.health.report().values()} == {"running"}
        await roles.config_arrived([{"role": "disk_space", "path": str(folder), "limit_percent": 70}])
        await roles.tell("what_time_is_it", {})
        ((event, payload),) = socket.emitted
        assert (event, payload["agent_id"]) == ("it_is", "LAB-7_GUID_SYSTEM")
        await roles.stop_all()


async def test_the_complete_example_warns_once_when_a_disk_is_full(folder: Path, tmp_path: Path) -> None:
    module = load_role(folder / "role_DiskSpace.py")
    forget_role(folder / "role_DiskSpace.py")
    module.SECONDS_BETWEEN_LOOKS = 0.01  # type: ignore[attr-defined]
    agent = FakeAgent(tmp_path)
    role = module.Role(agent.ctx)
    role.on_config([{"role": "other"}, {"role": "disk_space", "path": str(tmp_path), "limit_percent": 0}])
    role.register_events()
    async with asyncio.timeout(10):
        while not agent.sio.emitted:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    await agent.end()
    assert [event for event, _ in agent.sio.emitted] == ["collector_status"]
    assert role.health_report()["state"] == "degraded"
    assert "% full" in agent.lines[0]
    role.on_config([{"role": "disk_space", "path": str(tmp_path), "limit_percent": 101}])
    assert role.health_report() == {"state": "running"}
