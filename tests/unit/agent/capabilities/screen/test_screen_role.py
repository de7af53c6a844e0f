"""The role against an agent that a test plays, without a screen: it hears orders, says what is missing, and ends."""

import asyncio
import dataclasses
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.role_context import FakeAgent

import rolecheck
from borealis_agent.capabilities.screen import child
from borealis_agent.capabilities.screen.display import NO_SCREEN, NoScreen
from borealis_agent.roles.loading import forget_role, load_role
from borealis_wire.events import RunContext
from borealis_wire.screen import ScreenAction, ScreenOrder

ROLE = rolecheck.ROLES / "role_Screenshot.py"
ORDER = ScreenOrder("o1", "GUID", RunContext.INTERACTIVE, ScreenAction.PICTURE, 1.0, 2.0, asked_by="olga")
WATCH = dataclasses.replace(ORDER, order_id="w1", action=ScreenAction.WATCH, rate=5.0, seconds=60)


def nowhere() -> dict[str, str]:
    raise NoScreen(NO_SCREEN)


@pytest.fixture
async def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeAgent]:
    monkeypatch.setattr(child, "screen_here", nowhere)
    made = FakeAgent(tmp_path, RunContext.INTERACTIVE)
    yield made
    await made.end()


@pytest.fixture
def role(agent: FakeAgent) -> Any:
    made = load_role(ROLE).Role(agent.ctx)
    forget_role(ROLE)
    made.register_events()
    return made


async def until(probe: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not probe():
            await asyncio.sleep(0.005)


def order(agent: FakeAgent, look: ScreenOrder) -> Any:
    return agent.sio.handlers["screen_order"](look.to_json())


async def test_a_look_without_a_screen_says_what_is_missing_and_who_looked(agent: FakeAgent, role: Any) -> None:
    assert order(agent, ORDER) == {"status": "accepted"}
    await until(lambda: agent.sio.emitted)
    told = {"agent_id": agent.ctx.agent_id, "order_id": "o1", "reason": NO_SCREEN}
    assert agent.sio.emitted == [("screen_ended", told)]
    assert agent.lines[0] == "olga takes a picture of this screen"
    assert role.health_report() == {"state": "running", "pictures": 0, "live_views": 0}


async def test_a_live_view_without_a_screen_is_over_at_once(agent: FakeAgent, role: Any) -> None:
    assert order(agent, WATCH) == {"status": "accepted"}
    await until(lambda: agent.sio.emitted)
    assert agent.sio.emitted[0][1]["reason"] == NO_SCREEN
    await until(lambda: role.health_report()["live_views"] == 0)


async def test_stop_and_the_agents_end_leave_no_view(agent: FakeAgent, role: Any) -> None:
    order(agent, WATCH)
    stop = dataclasses.replace(ORDER, order_id="s1", action=ScreenAction.STOP, watch_id="w1")
    assert order(agent, stop) == {"status": "accepted"}
    order(agent, WATCH)
    await role.stop_all()
    await role.stop_all()
    assert role.health_report()["live_views"] == 0


async def test_rejects_more_views_than_it_serves(agent: FakeAgent, role: Any) -> None:
    answers = [order(agent, dataclasses.replace(WATCH, order_id=f"w{number}")) for number in range(5)]
    assert [answer["status"] for answer in answers] == ["accepted"] * 4 + ["refused"]
    assert answers[-1]["reason"] == "busy"
    await role.stop_all()


async def test_rejects_configured_regions_without_an_order(agent: FakeAgent, role: Any) -> None:
    entry = {"role": "screenshot", "node_id": "n1", "x": 0, "y": 0, "w": 9, "h": 9, "interval": 1000}
    role.on_config([entry, {"role": "macro"}])
    assert agent.tasks == []
    assert "no sealed order" in agent.lines[0]
    role.on_config([{**entry, "order": WATCH.to_json()}])
    assert len(agent.tasks) == 1


def test_the_role_at_rest_has_loaded_nothing_heavy() -> None:
    heavy = ("mss", "PIL", "Xlib", "borealis_agent.capabilities.screen.child")
    code = f"import runpy, sys; runpy.run_path(sys.argv[1]);print([name for name in {heavy!r} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(ROLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"
