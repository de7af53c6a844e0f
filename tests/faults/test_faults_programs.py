"""``kill -9`` of the real programs while they work: nothing accepted is lost, nothing runs twice (threats 17)."""

import contextlib
import random
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.programs.programs import AgentProgram, EngineProgram, wait_online, wait_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Load:
    """Submits small jobs, each of which writes one line to a ledger, until told to stop."""

    def __init__(self, engine: EngineProgram, ledger: Path) -> None:
        self.engine, self.ledger = engine, ledger
        self.accepted: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        for number in range(200):
            if self._stop.wait(0.02):
                return
            script = f"echo $BOREALIS_RUN_ID >> '{self.ledger}'"
            body = {"script_content": script, "script_type": "bash", "all": True, "script_name": f"load {number}"}
            with contextlib.suppress(httpx.TransportError), self.engine.owner() as client:
                answer = client.post("/api/scripts/quick_run", json=body)
                if answer.status_code == 200:
                    self.accepted.append(answer.json()["results"][0]["run_id"])

    def begun(self) -> Counter[str]:
        """How often each run wrote its line."""
        return Counter(self.ledger.read_text().split() if self.ledger.exists() else [])


@pytest.mark.parametrize("seed", range(3))
def test_survives_engine_killed_while_jobs_come_in(
    engine: EngineProgram, agent: AgentProgram, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    with Load(engine, tmp_path / "ledger") as load:
        for _ in range(3):
            time.sleep(rng.uniform(0.2, 1.2))
            engine.kill()
            engine.start()
    wait_online(engine, agent)
    with engine.owner() as client:
        states = Counter(wait_run(client, run_id)["status"] for run_id in load.accepted)
    begun = load.begun()
    assert len(load.accepted) > 10, "the load did not load"
    assert states == {"Success": len(load.accepted)}
    assert set(load.accepted) <= set(begun), "an accepted job never ran"
    assert set(begun.values()) == {1}, "a run began twice"


@pytest.mark.parametrize("seed", range(3))
def test_survives_agent_killed_while_jobs_run(
    engine: EngineProgram, agent: AgentProgram, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(100 + seed)
    with Load(engine, tmp_path / "ledger") as load:
        for _ in range(3):
            time.sleep(rng.uniform(0.2, 1.2))
            agent.kill()
            agent.start()
            wait_online(engine, agent)
    with engine.owner() as client:
        states = {run_id: wait_run(client, run_id)["status"] for run_id in load.accepted}
    begun = load.begun()
    assert set(states.values()) <= {"Success", "Interrupted"}
    assert all(begun[run_id] == 1 for run_id, status in states.items() if status == "Success")
    assert max(begun.values()) == 1, "a run began twice"
    assert len(load.accepted) > 10, "the load did not load"
