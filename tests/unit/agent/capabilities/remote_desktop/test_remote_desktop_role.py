"""The role over a Debian in a folder: what it posts, how it carries out orders, and what it refuses."""

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.fakes.role_context import FakeAgent
from tests.fakes.xrdp_machine import XrdpMachine

import rolecheck
from borealis_agent.capabilities.remote_desktop import desk
from borealis_agent.capabilities.remote_desktop.order import DesktopOrder, parse_order
from borealis_agent.role_api import JobOutcome, VerifiedJob
from borealis_agent.roles.loading import forget_role, load_role
from borealis_wire.events import RunStatus, ScriptType
from borealis_wire.refusal import Refused
from vector_material import order

PATH = rolecheck.ROLES / "role_RDP.py"


class World:
    """The role, its agent and its machine."""

    def __init__(self, folder: Path, module: ModuleType, machine: XrdpMachine) -> None:
        self.agent = FakeAgent(folder)
        self.module, self.machine = module, machine
        self.role = module.Role(self.agent.ctx)
        self.live: list[str] = []

    def sections(self) -> list[dict[str, Any]]:
        """What was posted, oldest first."""
        return [json.loads(body)["details"]["remote_desktop"] for _, body in self.agent.posts]

    async def carry_out(self, script: str) -> JobOutcome:
        """One signed order."""

        async def output(_stream: str, text: str) -> None:
            self.live.append(text)

        job = VerifiedJob(order(script_type=ScriptType.REMOTE_DESKTOP), script.encode(), (), "key")
        outcome: JobOutcome = await self.role.run_job(job, output)
        await asyncio.sleep(0)
        return outcome


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    machine = XrdpMachine(tmp_path / "machine")
    here = desk.desk_of_linux(machine.root, machine.run, tmp_path / "changes.json", privileged=True)
    monkeypatch.setattr(desk, "desk_here", lambda _folder: here)
    module = load_role(PATH)
    forget_role(PATH)
    return World(tmp_path, module, machine)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_posts_at_the_start_and_then_only_what_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.module, "SECONDS_BETWEEN_LOOKS", 0.01)
    world.role.register_events()
    await until(world.sections)
    await asyncio.sleep(0.05)
    assert [section["ready"] for section in world.sections()] == [False]
    assert world.role.health_report() == {"state": "running", "ready": False, "reach": "nobody", "changes": 0}
    await world.machine.run(("apt-get", "install"))
    await until(lambda: len(world.sections()) > 1)
    await world.agent.end()
    assert world.sections()[-1]["reach"] == "network"


async def test_a_report_that_was_not_taken_is_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.module, "SECONDS_TO_RETRY", 0.01)
    fails = [RuntimeError("the Engine is away"), RuntimeError("still")]
    real = world.agent.ctx.post_json

    async def post(path: str, payload: Any) -> dict[str, Any]:
        if fails:
            raise fails.pop()
        return await real(path, payload)

    object.__setattr__(world.agent.ctx, "post_json", post)
    world.role.register_events()
    await until(world.sections)
    await world.agent.end()


async def test_orders_are_carried_out_told_and_reported(world: World) -> None:
    before = world.machine.files()
    done = await world.carry_out('{"action": "prepare"}')
    assert (done.status, done.exit_code, done.stderr) == (RunStatus.SUCCESS, 0, "")
    assert "starting xrdp\n" in done.stdout
    assert "".join(world.live) == done.stdout
    assert (world.sections()[-1]["ready"], len(world.sections()[-1]["changes"])) == (True, 4)
    done = await world.carry_out('{"action": "undo"}')
    assert (done.status, done.exit_code) == (RunStatus.SUCCESS, 0)
    assert world.machine.files() == before
    assert world.sections()[-1]["changes"] == []
    assert "nothing to undo" in (await world.carry_out('{"action": "undo"}')).stdout


async def test_a_failure_says_why_and_what_stands(world: World) -> None:
    world.machine.fails = "usermod"
    done = await world.carry_out('{"action": "prepare"}')
    assert (done.status, done.exit_code) == (RunStatus.FAILED, 1)
    assert done.reason.startswith("xrdp could not be let read its TLS key")
    assert world.sections()[-1]["changes"]


@pytest.mark.parametrize(
    "script",
    [
        "",
        "[]",
        "{}",
        '{"action": "burn"}',
        '{"action": "prepare", "open_network": 1}',
        '{"action": "prepare", "quietly": true}',
        '{"action": "look", "action": "prepare"}',
        "#!/bin/sh\nreboot",
    ],
)
async def test_rejects_what_is_no_order(world: World, script: str) -> None:
    with pytest.raises(Refused, match="malformed"):
        await world.carry_out(script)
    assert world.machine.ran == []


def test_an_order_may_leave_the_network_out() -> None:
    assert parse_order(b'{"action":"undo"}') == DesktopOrder("undo", False)


@pytest.mark.parametrize(("windows", "value", "enabled"), [(True, "1", True), (True, "no", False), (False, "1", False)])
async def test_upstreams_switch_is_heard_on_windows_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, windows: bool, value: str, enabled: bool
) -> None:
    monkeypatch.setattr(world.module, "_on_windows", lambda: windows)
    monkeypatch.setenv("BOREALIS_RDP_AUTO_ENABLE", value)
    world.role.register_events()
    await until(world.sections)
    await world.agent.end()
    assert bool(world.machine.ran) == enabled
    assert world.sections()[-1]["reach"] == ("network" if enabled else "nobody")
