"""Threat 5: what comes from the network never becomes a path, and no text of a user is evaluated."""

import base64
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from tests.attacks.attacker import RogueDevice
from tests.attacks.people import Target
from tests.attacks.test_attacks_setup import request

from borealis_wire.events import DeviceEvent, EngineEvent, Rest

pytestmark = pytest.mark.slow

CANARY: Final = "borealis-canary-4711"
UP: Final = (
    "../{name}",
    "../../{name}",
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\{name}",
    "C:\\Windows\\win.ini",
    "..%2f..%2f{name}",
    "%2e%2e/%2e%2e/{name}",
    "....//....//{name}",
    "./../{name}",
    "engine.log/../../{name}",
    "\u2025/{name}",
    "..\u2215{name}",
    "..\x00/{name}",
    "file:///etc/passwd",
    "~/{name}",
    "{name}",
)


@pytest.fixture(scope="module")
def canary(target: Target) -> Path:
    """A file beside and one inside the Engine's folder that no answer may show and nobody may change."""
    for folder in (target.engine.root, target.engine.root / "Engine", target.engine.root / "Engine" / "Logs"):
        (folder / "canary.txt").write_text(CANARY)
    (target.engine.root / "Engine" / "Logs" / "linked.log").symlink_to(target.engine.root / "canary.txt")
    return target.engine.root / "canary.txt"


@pytest.fixture(scope="module")
def device(target: Target) -> RogueDevice:
    """A device in the attacker's hands."""
    return target.device("paths-device")


def tree(target: Target) -> set[str]:
    """All files of the Engine, but for the logs of its own rooms and what SQLite puts beside its database."""
    root = target.engine.root
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if "database.db" not in path.name
        and not path.name.endswith(".tmp")
        and not re.fullmatch(r"Engine/Logs/[a-z_]+\.log", str(path.relative_to(root)))
    }


def upward() -> list[str]:
    """Names that would lead somewhere else."""
    names = ("canary.txt", "Engine/Data/Secrets/cli.token", "Certificates/Code-Signing/borealis-script-ed25519.key")
    return [form.replace("{name}", name) for form in UP for name in names]


def assert_tells_nothing(text: str) -> None:
    """No content of a file that was not asked for by its own name."""
    for word in (CANARY, "root:x:0:", "PRIVATE KEY", "bor_owner_", "[fonts]"):
        assert word not in text


def test_rejects_log_names_that_lead_elsewhere(target: Target, canary: Path) -> None:
    for name in [name for name in upward() if name != "canary.txt"] + ["linked.log", ".", "..", "", "engine.lock"]:
        answer = target.owner.get("/api/server/logs", params={"name": name})
        assert answer.status_code in {200, 400, 404}
        if answer.status_code == 200:
            assert (name, answer.json()["lines"]) == ("", [])
        assert_tells_nothing(answer.text)
    assert "linked.log" not in [file["name"] for file in target.owner.get("/api/server/logs").json()["files"]]


def test_rejects_names_in_addresses_that_lead_elsewhere(target: Target, canary: Path) -> None:
    token = (target.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    places = ["/api/runs/{}", "/api/runs/{}/output", "/api/jobs/{}", "/api/devices/{}", "/api/device/details/{}"]
    places += ["/api/device/activity/{}", "/pages/{}", "/{}", "/assets/{}", "/pages/page.css/{}", "/setup/{}"]
    for place in places:
        for name in upward():
            raw = name.encode("utf-8", "replace").decode("latin-1").replace(" ", "%20").replace("\0", "%00")
            for form in (raw, raw.replace("/", "%2f").replace("\\", "%5c")):
                answer = target.stranger().raw(
                    request("GET", place.format(form), b"", f"Authorization: Bearer {token}"), seconds=5
                )
                assert_tells_nothing(answer.data.decode("latin-1"))
                assert answer.status in {0, 200, 400, 404}, f"{place.format(form)}: {answer.status}"


def test_rejects_file_names_of_jobs_that_lead_elsewhere(target: Target, device: RogueDevice, canary: Path) -> None:
    before = tree(target)
    odd = [".", "..", "a/b", "a\\b", "con", "nul.txt", "x:y", "x ", "x.", "a\nb", "x" * 200]
    for name in [name for name in upward() if set(name) & set("/\\:\0")] + odd:
        files = [{"file_name": name, "data": base64.b64encode(b"x").decode()}]
        body: dict[str, Any] = {"script_content": "true", "script_type": "bash", "guids": [device.guid], "files": files}
        answer = target.owner.post("/api/scripts/quick_run", json=body)
        assert (answer.status_code, answer.json()["error"]) in {(400, "invalid_file"), (400, "invalid_request")}, name
    for field in ("script_path", "assembly_guid"):
        body = {"script_type": "bash", "all": True, field: "../../../etc/passwd"}
        answer = target.owner.post("/api/scripts/quick_run", json=body)
        assert answer.status_code in {400, 404}, answer.text
    assert tree(target) == before


def test_rejects_ids_of_devices_as_paths(target: Target, device: RogueDevice, canary: Path) -> None:
    """Run ids, hostnames, agent ids, role and section names that a device sends."""
    before = tree(target)
    named = f"X_{device.guid}_SYSTEM"
    with device.online() as live:
        for name in upward():
            short = name[:60]
            live.call("connect_agent", {"agent_id": named, "running": [short], "hostname": name})
            live.call(DeviceEvent.QUICK_JOB_RESULT, {"run_id": short, "status": "Success", "stdout": CANARY})
            live.call(DeviceEvent.QUICK_JOB_OUTPUT, {"run_id": short, "seq": 0, "stream": "stdout", "data": "x"})
    for name in upward()[::3]:  # heartbeats are limited for each device
        beat = {"hostname": name, "agent_build_id": name[:60], "roles": {name[:60]: {"state": "ok"}}}
        device.post(Rest.HEARTBEAT, beat, device.bearer)
        device.post(Rest.DETAILS, {"hostname": name, "details": {name[:60]: {"x": name}}}, device.bearer)
    assert tree(target) == before
    shown = target.owner.get(f"/api/devices/{device.guid}").json()["hostname"]
    assert not set(shown) & set("/\\%")


def test_rejects_hostnames_at_enrolment_as_paths(target: Target, canary: Path) -> None:
    before = tree(target)
    for name in (
        "../../x",
        "..\\..\\x",
        "/etc/passwd",
        "{{7*7}}",
        "${7*7}",
        "<script>x</script>",
        "a\r\nSet-Cookie: x=y",
    ):
        found = RogueDevice(target.engine, target.background, hostname=name)
        token = target.owner.post("/api/admin/enrollment-codes", json={}).json()["token"]
        asked = found.knock(token)
        assert asked.status_code in {200, 400}, asked.text
        if asked.status_code == 200:
            body = {"conflict_resolution": "coexist"}
            answer = target.owner.post(f"/api/admin/device-approvals/{found.reference}/approve", json=body)
            if answer.status_code != 200:
                answer = target.owner.post(f"/api/admin/device-approvals/{found.reference}/approve", json={})
            assert answer.status_code == 200, answer.text
            found.take(found.poll())
            shown = target.owner.get(f"/api/devices/{found.guid}").json()["hostname"]
            assert not set(shown) & set("/\\\r\n%")
    assert tree(target) == before


def test_rejects_templates_in_what_users_write(target: Target, device: RogueDevice) -> None:
    """Variables and texts go where they go as they are (Tactical RMM's template injection)."""
    tricks = ["{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{%raw%}", "%(7*7)s", "{0.__class__}", "$(touch x)", "`id`"]
    with device.online() as live:
        live.answers[EngineEvent.QUICK_JOB_RUN] = {"status": "accepted"}
        body: dict[str, Any] = {
            "script_content": " ".join(tricks),
            "script_name": tricks[0],
            "script_type": "bash",
            "guids": [device.guid],
            "variable_values": {f"v{number}": text for number, text in enumerate(tricks)},
        }
        answer = target.owner.post("/api/scripts/quick_run", json=body)
        assert answer.status_code == 200, answer.text
        run = answer.json()["results"][0]["run_id"]
        live.call(DeviceEvent.QUICK_JOB_RESULT, {"run_id": run, "status": "Success", "stdout": " ".join(tricks)})
        sent = next(data for event, data in live.heard if event == EngineEvent.QUICK_JOB_RUN and data["run_id"] == run)
    order = json.loads(base64.b64decode(sent["envelope"]["payload"]))
    assert base64.b64decode(sent["script_content"]).decode() == " ".join(tricks)
    assert [variable["value"] for variable in order["variables"]] == tricks
    shown = target.owner.get(f"/api/runs/{run}").json()
    assert (shown["stdout"], shown["script_name"]) == (" ".join(tricks), tricks[0])
    target.owner.patch(f"/api/devices/{device.guid}", json={"description": tricks[0]})
    assert target.owner.get(f"/api/devices/{device.guid}").json()["description"] == tricks[0]
