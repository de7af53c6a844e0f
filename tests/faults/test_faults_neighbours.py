"""Two agents on one machine: what one of them ends is its own."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks.people import OwnersKey
from tests.programs.programs import (
    AgentProgram,
    EngineProgram,
    enrol,
    pending_approvals,
    wait_for,
    wait_online,
    wait_run,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def neighbours(tmp_path: Path) -> Iterator[tuple[EngineProgram, AgentProgram, AgentProgram]]:
    """One Engine and two agents that have run nothing yet: their first runs are alike in everything they count."""
    engine = EngineProgram(tmp_path / "engine").start()
    agents = [AgentProgram(tmp_path / name, "--installer-code", engine.enrolment_token()) for name in ("one", "two")]
    try:
        enrol(engine, agents[0])
        agents[1].start()
        with engine.client(auth=OwnersKey(engine)) as owner:
            waiting = wait_for("the second", lambda: next(iter(pending_approvals(owner)), None), log=agents[1].output)
            path = f"/api/admin/device-approvals/{waiting['approval_reference']}/approve"
            assert owner.post(path, json={"conflict_resolution": "coexist"}).status_code == 200
        wait_online(engine, agents[1])
        yield engine, agents[0], agents[1]
    finally:
        for agent in agents:
            agent.stop()
        engine.stop()


def test_survives_the_time_out_of_another_agents_run(
    neighbours: tuple[EngineProgram, AgentProgram, AgentProgram],
) -> None:
    engine, one, two = neighbours
    script = {"script_type": "bash", "script_content": "setsid sleep 2 & sleep 4; wait; echo whole"}
    with engine.client(auth=OwnersKey(engine)) as owner:

        def launch(agent: AgentProgram, timeout: int) -> str:
            body = {**script, "guids": [agent.guid], "timeout_seconds": timeout}
            return str(owner.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"])

        whole, cut = launch(two, 60), launch(one, 1)
        assert wait_run(owner, cut)["status"] == "Timed Out"
        run = wait_run(owner, whole)
        assert (run["status"], run["stdout"]) == ("Success", "whole\n"), run
    time.sleep(0.1)
    assert one.running() and two.running()
