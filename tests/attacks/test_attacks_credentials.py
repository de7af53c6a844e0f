"""Threat 4: devices' credentials open no operator's door, nor the reverse; a Viewer changes nothing."""

from typing import Any, Final

import pytest
from tests.attacks.attacker import Declined, RogueDevice
from tests.attacks.people import Person, Target
from tests.attacks.test_attacks_nobody import addresses
from tests.programs.programs import wait_for

from borealis_engine.api.access import Access
from borealis_wire.events import DeviceEvent, EngineEvent, OperatorEvent, Rest, RunContext
from borealis_wire.messages import agent_id

pytestmark = pytest.mark.slow

REAL: Final[dict[str, Any]] = {"script_content": "true", "script_type": "bash", "all": True, "username": "vic"}


@pytest.fixture(scope="module")
def device(target: Target) -> RogueDevice:
    """A device in the attacker's hands."""
    return target.device("credentials-device")


@pytest.fixture(scope="module")
def other(target: Target) -> RogueDevice:
    """A device that is to be attacked by the first."""
    return target.device("credentials-other")


@pytest.fixture(scope="module")
def viewer(target: Target) -> Person:
    """Somebody who may look."""
    return target.person("credentials-viewer", "Viewer")


@pytest.fixture(scope="module")
def admin(target: Target) -> Person:
    """Somebody who may do everything, as an operator."""
    return target.person("credentials-admin", "Admin")


def of_kind(kind: str) -> list[tuple[str, str, Access]]:
    """Method, address and rule of all routes of a kind."""
    return [
        (method, path, rule)
        for path, rule, methods in addresses()
        for method in sorted(methods - {"OPTIONS"})
        if rule.kind == kind
    ]


def launch(target: Target, device: RogueDevice, **options: Any) -> str:
    """A run for a device; gives its id."""
    body = {"script_content": "true", "script_type": "bash", "guids": [device.guid], **options}
    answer = target.owner.post("/api/scripts/quick_run", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["results"][0]["run_id"])


def test_rejects_device_credentials_on_every_operator_route(target: Target, device: RogueDevice) -> None:
    ways = [
        device.bearer,
        {"Authorization": f"Bearer {device.refresh_token}"},
        {"Cookie": f"borealis_session_{target.engine.port}={device.access_token}", "Origin": target.engine.url},
        {"Cookie": f"borealis_session_{target.engine.port}={device.refresh_token}", "Origin": target.engine.url},
        {"Authorization": f"Bearer bor_pat_{device.refresh_token}"},
    ]
    for headers in ways:
        with target.stranger().http(headers) as client:
            for method, path, _ in of_kind("operator"):
                answer = client.request(method, path, json=REAL if method != "GET" else None)
                assert answer.status_code == 401, f"{method} {path}: {answer.text}"


def test_rejects_operator_credentials_on_every_device_route_and_on_enrolment(
    target: Target, device: RogueDevice, admin: Person
) -> None:
    made = admin.client.post("/api/tokens", json={"name": "all", "scopes": ["devices.read", "runs.start", "self"]})
    owner = (target.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    session = {name: admin.client.headers[name] for name in ("Cookie", "Origin", "X-Borealis-CSRF")}
    ways = [
        session,
        {"Authorization": f"Bearer {made.json()['token']}"},
        {"Authorization": f"Bearer {owner}"},
        {"Authorization": f"Bearer {admin.cookie}"},
    ]
    for headers in ways:
        with target.stranger().http(headers) as client:
            for method, path, _ in of_kind("device"):
                answer = client.request(method, path, json={"guid": device.guid})
                assert answer.status_code == 401, f"{method} {path}: {answer.text}"
            answer = client.post(Rest.TOKEN_REFRESH, json={"guid": device.guid, "refresh_token": admin.cookie})
            assert answer.status_code == 401, answer.text


def test_rejects_events_of_operators_from_devices_and_the_reverse(
    target: Target, device: RogueDevice, admin: Person
) -> None:
    run = launch(target, device)
    told = {"run_id": run, "status": "Success", "agent_id": device.guid, "seq": 0, "stream": "stdout", "data": "x"}
    with device.online() as live:
        for event in (OperatorEvent.WATCH_RUN, OperatorEvent.UNWATCH_RUN):
            assert live.call(event, {"run_id": run})["error"] == "forbidden"
        for event in (*EngineEvent, OperatorEvent.DEVICE_CHANGED, OperatorEvent.APPROVALS_CHANGED, "join", "x"):
            assert live.call(event, told)["error"] == "unknown_event"
        assert not [name for name, _ in live.heard if name in set(OperatorEvent) - {"quick_job_output"}]
    with admin.socket() as browser:
        for name in set(DeviceEvent) - {"quick_job_output"}:
            assert browser.call(name, told)["error"] == "forbidden"
        assert browser.call(DeviceEvent.QUICK_JOB_OUTPUT, told)["error"] in {"forbidden", "unknown_event"}
    assert target.owner.get(f"/api/runs/{run}").json()["stdout"] == ""


def test_rejects_a_device_that_speaks_for_another(target: Target, device: RogueDevice, other: RogueDevice) -> None:
    pending = launch(target, other)
    with other.online() as live:
        live.answers[EngineEvent.QUICK_JOB_RUN] = {"status": "accepted"}
        running = launch(target, other)
        wait_for("the run", lambda: _status(target, running) == "Running" or None, seconds=5)
        forged = {"status": "Success", "stdout": "forged", "exit_code": 0, "context": {"guid": other.guid}}
        with device.online() as thief:
            for run in (pending, running):
                answer = thief.call(DeviceEvent.QUICK_JOB_RESULT, {**forged, "run_id": run})
                assert answer["ignored"] == "unknown_run"
                answer = device.post(Rest.SCRIPT_RESULT, {**forged, "run_id": run, "guid": other.guid}, device.bearer)
                assert answer.json().get("ignored") == "unknown_run", answer.text
                thief.call(
                    DeviceEvent.QUICK_JOB_OUTPUT, {"run_id": run, "seq": 0, "stream": "stdout", "data": "forged"}
                )
        answer = device.post(Rest.SCRIPT_REQUEST, {"guid": other.guid}, device.bearer)
        assert (answer.status_code, answer.json()["error"]) == (403, "guid_mismatch")
        before = target.owner.get(f"/api/devices/{other.guid}").json()
        beat = {"guid": other.guid, "hostname": "taken-over", "metrics": {"last_user": "mallory"}}
        device.post(Rest.HEARTBEAT, beat, device.bearer)
        named = agent_id("credentials-other", other.guid, "SYSTEM")
        device.post(Rest.DETAILS, {"agent_id": named, "details": {"summary": {"x": 1}}}, device.bearer)
        after = target.owner.get(f"/api/devices/{other.guid}").json()
        assert {**after, "last_seen": 0, "last_seen_iso": ""} == {**before, "last_seen": 0, "last_seen_iso": ""}
        page = target.owner.get(f"/api/runs/{running}/output").json()
        assert (page["chunks"], page["status"]) == ([], "Running")
        live.call(DeviceEvent.QUICK_JOB_RESULT, {"run_id": running, "status": "Success", "stdout": "mine"})
    assert target.owner.get(f"/api/runs/{running}").json()["stdout"] == "mine"


def _status(target: Target, run: str) -> str:
    return str(target.owner.get(f"/api/runs/{run}").json()["status"])


def test_rejects_the_claim_to_be_another_device_or_context(
    target: Target, device: RogueDevice, other: RogueDevice
) -> None:
    for claim in (
        agent_id("credentials-other", other.guid, "SYSTEM"),
        agent_id("credentials-device", device.guid, "CURRENTUSER"),
        f"{device.guid}_{other.guid}_SYSTEM",
    ):
        with device.online(register=False) as live:
            assert live.call("connect_agent", {"agent_id": claim})["error"] == "agent_id_mismatch"
            wait_for("the impostor to be cut", lambda live=live: live.closed or None, seconds=5)  # type: ignore[misc]
    with pytest.raises(Declined, match="context_mismatch"):
        device.socket({**device.bearer, "X-Borealis-Agent-Context": "CURRENTUSER"})


def test_rejects_the_interactive_context_any_system_work(target: Target, device: RogueDevice) -> None:
    """The signed-in user's agent has the device's GUID and key, and none of SYSTEM's jobs."""
    run = launch(target, device)
    user = device.refresh(context=RunContext.INTERACTIVE).json()
    device.refresh_token = user["refresh_token"]
    bearer = {"Authorization": f"Bearer {user['access_token']}"}
    answer = device.post(Rest.SCRIPT_REQUEST, {"guid": device.guid}, bearer)
    assert (answer.status_code, answer.json()["status"], answer.json().get("jobs")) == (200, "idle", None)
    forged = {"run_id": run, "status": "Success", "stdout": "forged"}
    assert device.post(Rest.SCRIPT_RESULT, forged, bearer).json().get("ignored")
    system = device.post(Rest.SCRIPT_REQUEST, {"guid": device.guid}, device.bearer).json()
    assert run in [job["run_id"] for job in system["jobs"]]
    assert _status(target, run) == "Pending"


def test_rejects_every_change_by_a_viewer(target: Target, device: RogueDevice, viewer: Person) -> None:
    changes = [
        ("POST", "/api/scripts/quick_run", {"script_content": "true", "script_type": "bash", "all": True}),
        ("POST", f"/api/runs/{launch(target, device)}/cancel", {}),
        ("PATCH", f"/api/devices/{device.guid}", {"description": "mine"}),
        ("DELETE", f"/api/devices/{device.guid}", None),
        *(("POST", f"/api/devices/{device.guid}/{deed}", {}) for deed in ("revoke", "quarantine", "release")),
        ("POST", "/api/device/description/credentials-device", {"description": "mine"}),
        ("DELETE", "/api/device/activity/credentials-device", None),
        ("POST", "/api/admin/enrollment-codes", {}),
        ("DELETE", "/api/admin/enrollment-codes/1", None),
        *(("POST", f"/api/admin/device-approvals/1/{deed}", {}) for deed in ("approve", "deny")),
        ("POST", "/api/sites", {"name": "mine"}),
        ("POST", "/api/users", {"username": "mine", "password": "a long sentence", "role": "Admin"}),
        ("POST", f"/api/users/{viewer.name}/role", {"role": "Admin"}),
        ("POST", f"/api/users/{viewer.name}/sites", {"sites": None}),
        ("POST", "/api/users/ada/reset_password", {"password": "a long sentence"}),
        ("POST", "/api/server/signing-key/rotate", {}),
    ]
    for method, path, body in changes:
        answer = viewer.client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden"), f"{method} {path}: {answer.text}"
    answer = viewer.client.post("/api/tokens", json={"name": "more", "scopes": ["runs.start"]})
    assert (answer.status_code, answer.json()["error"]) == (403, "scope_exceeds_rights")
    assert target.owner.get(f"/api/devices/{device.guid}").json()["description"] == ""


def test_rejects_a_demoted_and_a_barred_operator_at_once(target: Target) -> None:
    person = target.person("credentials-demoted", "Admin")
    with person.socket() as browser:
        assert person.client.get("/api/users").status_code == 200
        target.owner.post(f"/api/users/{person.name}/role", json={"role": "Viewer"})
        assert person.client.get("/api/users").status_code == 403
        target.owner.post(f"/api/users/{person.name}/disabled", json={"disabled": True})
        assert person.client.get("/api/devices").status_code == 401
        wait_for("the socket to be cut", lambda: browser.closed or None, seconds=5)
    with pytest.raises(Declined):
        person.socket()


def test_rejects_pages_of_other_sites_on_rest_and_socket(target: Target, admin: Person) -> None:
    """A browser sends the cookie along; that is all another site's page has (threat 3)."""
    cookie = admin.client.headers["Cookie"]
    for lure in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{target.engine.url}.evil.example"},
        {"Origin": target.engine.url.replace("https", "http")},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ):
        with target.stranger().http({"Cookie": cookie, **lure}) as client:
            answer = client.post("/api/sites", json={"name": "planted"})
            assert (answer.status_code, answer.json()["error"]) == (403, "cross_site"), lure
        with pytest.raises(Declined, match="cross_site"):
            target.stranger().socket({"Cookie": cookie, **lure})
    with target.stranger().http({"Cookie": cookie, "Origin": target.engine.url}) as client:
        answer = client.post("/api/sites", json={"name": "planted"})
        assert (answer.status_code, answer.json()["error"]) == (403, "csrf_failed")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            body = b'{"name":"planted"}'
            answer = client.post(
                "/api/sites",
                content=body,
                headers={"Content-Type": kind, "X-Borealis-CSRF": admin.client.headers["X-Borealis-CSRF"]},
            )
            assert answer.status_code == 415, kind
    assert "planted" not in target.owner.get("/api/sites").text
