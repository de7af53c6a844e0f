"""The role around the inventory: what it needs of the agent, and what it sends."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.fakes.role_context import FakeAgent

from borealis_agent.capabilities.inventory import child
from borealis_agent.role_api import HasHealth, RegistersEvents, RoleModule
from borealis_engine.devices.inventory import clean_details, pack
from borealis_wire.messages import Details
from Roles import role_DeviceAudit


def test_the_role_is_a_role_module() -> None:
    module: RoleModule = role_DeviceAudit
    assert (module.ROLE_NAME, module.ROLE_CONTEXTS) == ("device_audit", ["system"])


@pytest.mark.slow
async def test_the_inventory_of_this_machine_reaches_the_engine(tmp_path: Path) -> None:
    agent = FakeAgent(tmp_path, config={"audit_interval_minutes": 60})
    role = role_DeviceAudit.Role(agent.ctx)
    assert isinstance(role, RegistersEvents)
    assert isinstance(role, HasHealth)
    role.register_events()
    async with asyncio.timeout(30):
        while not agent.posts:
            await asyncio.sleep(0.01)
    await agent.end()
    ((path, body),) = agent.posts
    message = msgspec.json.decode(body, type=Details)
    assert path == "/api/agent/details"
    assert message.agent_id == "LAB-7_GUID_SYSTEM"
    assert message.details is not None
    assert message.hostname == message.details["summary"]["hostname"]
    assert set(message.complete) <= set(message.details)
    assert role.health_report()["state"] == "running"
    # As the Engine takes it: nothing is dropped, nothing is too large.
    sections = clean_details(message.details, frozenset(message.complete))
    assert sections["cpu"][0] == message.details["cpu"]
    assert all(pack(name, value, dropped).dropped == 0 for name, (value, dropped) in sections.items())


@pytest.mark.slow
def test_the_agents_half_needs_no_collector() -> None:
    probe = f"import sys; sys.path[:0] = {sys.path!r}\nimport Roles.role_DeviceAudit\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout.split()
    inventory = {
        name.rpartition(".")[2] for name in output if name.startswith("borealis_agent.capabilities.inventory.")
    }
    assert inventory == {"auditor", "child", "clean", "source"}
    assert child.__name__ in output
