"""The two agents of a device as real processes: they take turns, and never look like a thief (threats 16)."""

import asyncio
import multiprocessing
import time
from pathlib import Path

import pytest
from tests.fakes.agent_world import AgentWorld
from tests.fakes.racing_agents import start_all
from tests.fakes.renewing_agent import renew_often
from tests.fakes.tls_engine import Authority, TlsEngine

from borealis_wire.events import RunContext

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("spawn")


async def test_two_agents_refresh_at_once_without_a_false_alarm(tmp_path: Path) -> None:
    engine = TlsEngine(Authority(tmp_path))
    async with engine.run():
        AgentWorld(tmp_path).enrolled_at(engine)
        ready, outcome = PROCESSES.Barrier(2), PROCESSES.Queue()
        workers = [
            PROCESSES.Process(target=renew_often, args=(tmp_path, context, 25, ready, outcome))
            for context in RunContext
        ]
        start_all(workers)
        tokens = [await asyncio.to_thread(outcome.get, timeout=60) for _ in workers]
        for worker in workers:
            worker.join(30)
            assert worker.exitcode == 0
    assert engine.stolen == 0
    assert [len(found) for found in tokens] == [25, 25]
    assert not tokens[0] & tokens[1]
    assert len(engine.calls) == 50


@pytest.mark.parametrize("seed", range(3))
async def test_survives_an_agent_killed_while_it_refreshes(tmp_path: Path, seed: int) -> None:
    """Threats 17: whatever the moment, the next start finds tokens that the Engine takes, and nobody cries theft."""
    engine = TlsEngine(Authority(tmp_path))
    async with engine.run():
        AgentWorld(tmp_path).enrolled_at(engine)
        ready, outcome = PROCESSES.Event(), PROCESSES.Queue()
        worker = PROCESSES.Process(target=renew_often, args=(tmp_path, RunContext.SYSTEM, 10_000, ready, outcome))
        start_all([worker])
        ready.set()
        deadline = time.monotonic() + 30
        while len(engine.calls) < 10 + seed and time.monotonic() < deadline:
            await asyncio.sleep(0.003)
        assert worker.pid is not None
        worker.kill()
        worker.join(30)
        world = AgentWorld(tmp_path, seed=f"after {seed}")
        assert await world.client.renew() in engine.access
        assert await world.client.renew() in engine.access
        await world.client.close()
    assert engine.stolen == 0
    assert not list(world.settings.paths.settings.glob("*.bad-*"))
