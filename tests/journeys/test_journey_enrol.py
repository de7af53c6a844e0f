"""A machine knocks: what both sides see, and what makes it go away again."""

from pathlib import Path

import pytest
from tests.programs.programs import AgentProgram, EngineProgram, pending_approvals, run_script, wait_for, wait_online

from borealis_wire.keys import VerifyKey

pytestmark = pytest.mark.slow


def fingerprint_of(agent: AgentProgram) -> str:
    folder = agent.root / "Agent" / "Borealis" / "Certificates" / "Agent" / "Identity"
    public = (folder / "agent_identity_public.ed25519").read_text().strip()
    return VerifyKey.from_spki_base64(public).fingerprint


def test_the_operator_sees_the_fingerprint_that_the_device_has(engine: EngineProgram, tmp_path: Path) -> None:
    agent = AgentProgram(tmp_path / "agent", "--installer-code", engine.enrolment_token()).start()
    try:
        with engine.owner() as client:
            approval = wait_for("the knock", lambda: next(iter(pending_approvals(client)), None), log=agent.output)
            assert approval["status"] == "pending"
            assert approval["ssl_key_fingerprint_claimed"] == fingerprint_of(agent)
            reference = approval["approval_reference"]
            assert client.post(f"/api/admin/device-approvals/{reference}/approve", json={}).status_code == 200
            wait_online(engine, agent)
            (run,) = run_script(client, "echo hello")
        assert run["stdout"] == "hello\n"
    finally:
        agent.stop()


def test_a_denied_device_is_told_and_gets_nothing(engine: EngineProgram, tmp_path: Path) -> None:
    agent = AgentProgram(tmp_path / "agent", "--installer-code", engine.enrolment_token()).start()
    try:
        with engine.owner() as client:
            approval = wait_for("the knock", lambda: next(iter(pending_approvals(client)), None), log=agent.output)
            reference = approval["approval_reference"]
            assert client.post(f"/api/admin/device-approvals/{reference}/deny", json={}).status_code == 200
            wait_for("the agent to hear it", lambda: "denied" in agent.log_text(), seconds=20)
            assert client.get("/api/devices").json()["devices"] == []
    finally:
        agent.stop()


def test_rejects_engine_with_wrong_pin_before_sending_anything(engine: EngineProgram, tmp_path: Path) -> None:
    url, _, rest = engine.enrolment_token().partition("#")
    code = rest.partition(".")[0]
    agent = AgentProgram(tmp_path / "agent", "--installer-code", f"{url}#{code}.{'0' * 64}").start()
    try:
        wait_for("the refusal", lambda: "0" * 64 in agent.log_text() or None, seconds=20)
        with engine.owner() as client:
            assert pending_approvals(client) == []
    finally:
        agent.stop()


def test_two_devices_of_one_name_are_shown_as_a_conflict(
    engine: EngineProgram, agent: AgentProgram, tmp_path: Path
) -> None:
    twin = AgentProgram(tmp_path / "twin", "--installer-code", engine.enrolment_token()).start()
    try:
        with engine.owner() as client:
            approval = wait_for("the twin", lambda: next(iter(pending_approvals(client)), None), log=twin.output)
            assert approval["hostname_conflict"]["guid"] == agent.guid
            path = f"/api/admin/device-approvals/{approval['approval_reference']}/approve"
            assert client.post(path, json={}).status_code == 409
            assert client.post(path, json={"conflict_resolution": "coexist"}).status_code == 200
            wait_online(engine, twin)
            names = {device["hostname"] for device in client.get("/api/devices").json()["devices"]}
        assert len(names) == 2
        assert twin.guid != agent.guid
    finally:
        twin.stop()
