"""``kill -9`` of the real programs while they work: nothing accepted is lost, nothing runs twice (threats 17)."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.attacks.people import OwnersKey
from tests.programs.programs import AgentProgram, EngineProgram, Program, enrol, wait_for, wait_online, wait_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CRASHING = Path(__file__).parent / "crashing"


@dataclass
class Pair:
    """An Engine and an agent that will be killed again and again; ``wish`` holds the step to die before."""

    engine: EngineProgram
    agent: AgentProgram
    wish: Path
    ledger: Path

    def owner(self) -> httpx.Client:
        """The owner, across restarts."""
        return self.engine.client(auth=OwnersKey(self.engine))

    def launch(self, client: httpx.Client, script: str = "") -> str | None:
        """A run that writes its id into the ledger; None where the Engine did not accept it."""
        body = {"script_content": f"echo $BOREALIS_RUN_ID >> '{self.ledger}'; {script}", "script_type": "bash"}
        with contextlib.suppress(httpx.TransportError, FileNotFoundError):
            answer = client.post("/api/scripts/quick_run", json={**body, "all": True})
            if answer.status_code == 200:
                return str(answer.json()["results"][0]["run_id"])
        return None

    def begun(self) -> Counter[str]:
        """How often each run wrote its line."""
        return Counter(self.ledger.read_text().split() if self.ledger.exists() else [])

    def every_run(self) -> dict[str, str]:
        """All runs that the Engine knows, also those whose acceptance nobody heard; each is over by then."""
        found: dict[str, str] = {}
        with self.owner() as client:
            page: dict[str, Any] = {"next": None}
            while True:
                more = {} if page["next"] is None else {"before": page["next"]}
                page = client.get("/api/runs", params={"limit": 500, **more}).json()
                for run in page["runs"]:
                    found[run["run_id"]] = run["status"]
                if page["next"] is None:
                    break
            return {run: wait_run(client, run)["status"] if was in _OPEN else was for run, was in found.items()}

    def reconnect(self) -> None:
        """Both hear each other. An agent whose Engine has died again and again waits long; a fresh one does not."""
        try:
            wait_online(self.engine, self.agent, seconds=3)
        except AssertionError:
            self.agent.stop()  # nothing runs on it by now; results wait in its outbox
            self.agent.start()
            wait_online(self.engine, self.agent)

    def assert_nothing_lost(self, accepted: list[str], *, allowed: set[str]) -> None:
        """Every accepted run is over as it should be; none began twice; a success began once."""
        self.reconnect()
        states, begun = self.every_run(), self.begun()
        assert set(accepted) <= set(states), "an accepted job is gone"
        assert set(states.values()) <= allowed, Counter(states.values())
        assert max(begun.values(), default=1) == 1, "a run began twice"
        assert set(begun) <= set(states)
        unrun = [run for run, state in states.items() if state == "Success" and begun[run] != 1]
        assert unrun == [], "a run that is called a success never began"


_OPEN = frozenset({"Pending", "Running"})


class Load:
    """Submits small jobs until told to stop."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
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
        while not self._stop.wait(0.02):
            with contextlib.suppress(httpx.TransportError, FileNotFoundError), self.pair.owner() as client:
                while not self._stop.wait(0.02):
                    run_id = self.pair.launch(client)
                    if run_id is None:
                        break
                    self.accepted.append(run_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One Engine and one agent for all of this file: what many crashes add up to is part of what is tried."""
    root = tmp_path_factory.mktemp("kills")
    engine = EngineProgram(root / "engine").start()
    wish = root / "wish"
    environment = {"PYTHONPATH": str(CRASHING), "BOREALIS_TEST_CRASH": str(wish)}
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=environment)
    try:
        enrol(engine, agent)
        yield Pair(engine, agent, wish, root)
    finally:
        agent.stop()
        engine.stop()


@pytest.fixture
def pair(world: Pair, tmp_path: Path) -> Pair:
    """Both are up; the ledger is new, and no run is left from before."""
    world.wish.unlink(missing_ok=True)
    if not world.engine.running():
        world.engine.start()
    if not world.agent.running():
        world.agent.start()
    world.reconnect()
    world.every_run()
    with world.owner() as client:
        name = client.get("/api/devices").json()["devices"][0]["hostname"]
        assert client.delete(f"/api/device/activity/{name}").status_code == 200
    return Pair(world.engine, world.agent, world.wish, tmp_path / "ledger")


def test_survives_engine_killed_while_jobs_come_in(pair: Pair) -> None:
    rng = random.Random(1)
    with Load(pair) as load:
        for _ in range(6):
            time.sleep(rng.uniform(0.1, 0.8))
            pair.engine.kill()
            pair.engine.start()
    assert len(load.accepted) > 20, "the load did not load"
    pair.assert_nothing_lost(load.accepted, allowed={"Success"})


def test_survives_agent_killed_while_jobs_run(pair: Pair) -> None:
    rng = random.Random(2)
    with Load(pair) as load:
        for _ in range(8):
            time.sleep(rng.uniform(0.1, 0.8))
            pair.agent.kill()
            pair.agent.start()
            wait_online(pair.engine, pair.agent)
    assert len(load.accepted) > 20, "the load did not load"
    pair.assert_nothing_lost(load.accepted, allowed={"Success", "Interrupted"})


def test_survives_both_killed_at_once_while_jobs_run(pair: Pair) -> None:
    """As a machine that loses its power, with Engine and agent on it."""
    rng = random.Random(3)
    with Load(pair) as load:
        for _ in range(4):
            time.sleep(rng.uniform(0.2, 0.8))
            pair.agent.kill()
            pair.engine.kill()
            pair.engine.start()
            pair.agent.start()
            wait_online(pair.engine, pair.agent)
    assert len(load.accepted) > 10, "the load did not load"
    pair.assert_nothing_lost(load.accepted, allowed={"Success", "Interrupted"})


@pytest.mark.parametrize("moment", [0.0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.013])
def test_survives_engine_killed_a_moment_after_a_job_was_sent(pair: Pair, moment: float) -> None:
    """From before its commit to after its hand-out; whether the caller heard of it or not."""
    heard: list[str] = []

    def send() -> None:
        with contextlib.suppress(httpx.TransportError, FileNotFoundError), pair.owner() as client:
            client.get("/health")  # the line is up: what follows is the request alone
            ready.set()
            run_id = pair.launch(client)
            if run_id is not None:
                heard.append(run_id)

    ready = threading.Event()
    sender = threading.Thread(target=send)
    sender.start()
    ready.wait(10)
    time.sleep(moment)
    pair.engine.kill()
    sender.join()
    pair.engine.start()
    pair.assert_nothing_lost(heard, allowed={"Success"})


def test_survives_agent_killed_before_each_durable_step_of_a_job(pair: Pair) -> None:
    """Journal, workspace, start of the script, outbox, acknowledgement: the steps of a run, one after the other."""
    accepted: list[str] = []
    died = 0
    for step in range(1, 40):
        pair.wish.write_text(str(step))
        with pair.owner() as client:
            run_id = pair.launch(client)
            assert run_id is not None
            accepted.append(run_id)
            wait_for("the end of the run or of the agent", lambda run_id=run_id: _settled(pair, run_id), seconds=20)  # type: ignore[misc]
        pair.wish.unlink()
        if pair.agent.running():
            # No step is left that a job makes; what comes later, now and then, is heartbeats and inventory.
            pair.agent.kill()
            pair.agent.start()
            wait_online(pair.engine, pair.agent)
            break
        died += 1
        Program.start(pair.agent)
        wait_online(pair.engine, pair.agent)
    assert died >= 6, f"only {died} steps of a run were found to die before"
    pair.assert_nothing_lost(accepted, allowed={"Success", "Interrupted"})


def _settled(pair: Pair, run_id: str) -> bool:
    if not pair.agent.running():
        return True
    with pair.owner() as client:
        over = client.get(f"/api/runs/{run_id}").json()["status"] not in _OPEN
    if over:
        time.sleep(0.3)  # the acknowledgement is a step too
    return over
