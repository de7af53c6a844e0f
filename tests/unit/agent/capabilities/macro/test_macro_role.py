"""The role against an agent that a test plays: orders, changes, limits, and what it says of itself."""

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
from borealis_agent.capabilities.macro import child
from borealis_agent.capabilities.macro.errors import CannotType
from borealis_agent.role_api import JobOutcome, VerifiedJob
from borealis_agent.roles.loading import forget_role, load_role
from borealis_wire.events import RunContext, RunStatus, ScriptType
from borealis_wire.macro import MacroChange, MacroSettings, MacroStart, MacroType, OperationMode
from borealis_wire.refusal import Refused
from vector_material import order

ROLE = rolecheck.ROLES / "role_Macro.py"
SETTINGS = MacroSettings(macro_type=MacroType.TEXT, text="top secret", operation_mode=OperationMode.CONTINUOUS)


class PlayedHand:
    """In the place of ``child.HandProcess``."""

    complaint = ""

    def __init__(self) -> None:
        self.closed = 0

    async def ask(self, _request: dict[str, Any]) -> None:
        """Types nothing anywhere."""
        if self.complaint:
            raise CannotType(self.complaint)

    async def close(self) -> None:
        """Counted."""
        self.closed += 1


@pytest.fixture
async def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeAgent]:
    monkeypatch.setattr(child, "HandProcess", PlayedHand)
    made = FakeAgent(tmp_path, RunContext.INTERACTIVE)
    yield made
    await made.end()


@pytest.fixture
def role(agent: FakeAgent) -> Any:
    made = load_role(ROLE).Role(agent.ctx)
    forget_role(ROLE)
    return made


async def nobody(_stream: str, _text: str) -> None:
    """Hears the output."""


def job(script: bytes, run_id: str = "r1", seconds: int = 60) -> VerifiedJob:
    said = dataclasses.replace(order(script_type=ScriptType.MACRO), run_id=run_id, timeout_seconds=seconds)
    return VerifiedJob(said, script, (), "key")


def start(agent: FakeAgent, run_id: str = "r1", seconds: int = 60, **members: Any) -> "asyncio.Task[JobOutcome]":
    script = MacroStart(dataclasses.replace(SETTINGS, **members)).to_script()
    task: asyncio.Task[JobOutcome] = agent.ctx.start_task(
        run_id, agent.job_handlers[ScriptType.MACRO](job(script, run_id, seconds), nobody)
    )
    return task


async def change(agent: FakeAgent, run_id: str = "r1", **changes: Any) -> JobOutcome:
    return await agent.job_handlers[ScriptType.MACRO](job(MacroChange(run_id, changes).to_script(), "c1"), nobody)


async def until(probe: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not probe():
            await asyncio.sleep(0.005)


async def test_a_macro_runs_is_changed_and_says_so_without_its_text(agent: FakeAgent, role: Any) -> None:
    task = start(agent)
    await until(lambda: agent.sio.emitted)
    assert role.health_report() == {"state": "running", "macros": 1}
    done = await change(agent, operation_mode="Run Once", interval_ms=50)
    assert (done.status, done.stdout) == (RunStatus.SUCCESS, "changed interval_ms, operation_mode of macro r1\n")
    outcome = await task
    assert (outcome.status, outcome.exit_code) == (RunStatus.SUCCESS, 0)
    assert outcome.stdout == "typed 10 characters\ntyped 10 characters (time 2)\nit typed 2 times\n"
    told = {"agent_id": agent.ctx.agent_id, "node_id": "r1", "success": True}
    assert agent.sio.emitted[0] == ("macro_status", {**told, "message": "typed 10 characters"})
    assert agent.sio.emitted[-1] == ("macro_status", {**told, "message": "it typed 2 times"})
    assert "secret" not in str(agent.lines) + str(agent.sio.emitted)
    assert role.health_report()["macros"] == 0


async def test_a_macro_that_cannot_type_fails_with_the_reason(
    agent: FakeAgent, role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlayedHand, "complaint", "The window is not there any more.")
    outcome = await start(agent)
    assert (outcome.status, outcome.exit_code) == (RunStatus.FAILED, 1)
    assert outcome.reason == "The window is not there any more."
    assert agent.sio.emitted[-1][1]["success"] is False


async def test_its_time_ends_it(agent: FakeAgent, role: Any) -> None:
    outcome = await start(agent, seconds=1, interval_ms=400)
    assert (outcome.status, outcome.reason) == (RunStatus.TIMED_OUT, "its time of 1 s was over")
    assert outcome.stdout.endswith("it typed 3 times\n")


async def test_a_macro_that_is_stopped_tells_what_it_did(agent: FakeAgent, role: Any) -> None:
    task = start(agent)
    await until(lambda: agent.sio.emitted)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.outcome.stdout == "typed 10 characters\nit typed 1 time\n"  # type: ignore[attr-defined]
    assert role.health_report()["macros"] == 0


async def test_rejects_changes_of_what_does_not_run_or_makes_no_macro(agent: FakeAgent, role: Any) -> None:
    missing = await change(agent, trigger=1)
    assert (missing.status, missing.reason) == (RunStatus.FAILED, "That macro is not running.")
    task = start(agent)
    await until(lambda: agent.sio.emitted)
    wrong = await change(agent, macro_type="keypress")
    assert (wrong.status, wrong.reason) == (RunStatus.FAILED, "Nothing was changed: a keypress needs a key.")
    assert not task.done()


async def test_rejects_more_macros_than_it_runs(agent: FakeAgent, role: Any) -> None:
    for number in range(4):
        start(agent, f"r{number}")
    await until(lambda: role.health_report()["macros"] == 4)
    with pytest.raises(Refused, match="busy"):
        await start(agent, "r5")


async def test_rejects_macros_that_come_with_the_configuration(agent: FakeAgent, role: Any) -> None:
    role.on_config([{"role": "macro", "node_id": "n1", "key": "a", "active": True}, {"role": "screenshot"}])
    assert (agent.tasks, len(agent.lines)) == ([], 1)
    assert "sealed orders alone" in agent.lines[0]


def test_the_role_at_rest_has_loaded_nothing_heavy() -> None:
    heavy = ("Xlib", "borealis_agent.capabilities.macro.child")
    code = f"import runpy, sys; runpy.run_path(sys.argv[1]);print([name for name in {heavy!r} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(ROLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"
