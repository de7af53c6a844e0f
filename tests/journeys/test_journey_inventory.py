"""What a device is, from its own files to the operator's screen."""

from typing import Any

import pytest
from tests.programs.programs import AgentProgram, EngineProgram, wait_for

pytestmark = pytest.mark.slow


def test_an_operator_sees_what_the_device_is(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:

        def known() -> dict[str, Any] | None:
            device: dict[str, Any] = client.get(f"/api/devices/{agent.guid}").json()
            return device if device["details"]["cpu"] else None

        device = wait_for("the inventory", known, log=agent.output)
        details = device["details"]
        assert details["cpu"]["logical_cores"] >= 1
        assert details["memory_totals"]["total"] > 0
        assert {"name", "version", "source"} <= details["software"][0].keys()
        assert device["operating_system"] == details["summary"]["operating_system"]
        assert device["internal_ip"] == details["summary"]["internal_ip"]
        assert device["device_type"]
        assert device["roles"]["device_audit"]["state"] == "running"
    log = agent.root / "Agent" / "Logs" / "device_audit.log"
    wait_for("the line", lambda: "inventory sent" in log.read_text())
