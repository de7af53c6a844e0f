"""Threat 4: whoever is limited to sites learns and does nothing beyond them: lists, details, sockets, logs, counts."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tests.attacks.attacker import RogueDevice
from tests.attacks.people import Person, Target
from tests.programs.programs import wait_for

from borealis_engine.api.access import OPT_KEY, Access
from borealis_engine.api.app import all_handlers
from borealis_wire.events import DeviceEvent, EngineEvent, OperatorEvent

pytestmark = pytest.mark.slow

SOUTH_HOST: Final = "south-secret-host"


@dataclass
class TwoSites:
    """North, where people are limited to, and South, of which they must not hear."""

    target: Target
    north: int
    south: int
    ours: RogueDevice
    theirs: RogueDevice
    waiting: RogueDevice
    people: dict[str, Person]
    their_run: str
    both_job: str
    their_code: int

    def words(self) -> list[str]:
        """What gives South away."""
        return [
            SOUTH_HOST,
            self.theirs.guid,
            self.theirs.key.public.fingerprint,
            "South Pole",
            self.their_run,
            self.waiting.reference,
            self.waiting.key.public.fingerprint,
            "south-waiting",
            "hello from the south",
        ]


@pytest.fixture(scope="module")
def sites(target: Target) -> TwoSites:
    """Both sites with a device, a run, a code and a knocking device each."""
    north, south = target.site("North Pole"), target.site("South Pole")
    ours, theirs = target.device("north-host", site=north), target.device(SOUTH_HOST, site=south)
    body = {"script_content": "echo hello from the south", "script_type": "bash", "context": "system"}
    owner = target.owner
    with theirs.online() as live:
        live.answers[EngineEvent.QUICK_JOB_RUN] = {"status": "accepted"}
        their_run = owner.post("/api/scripts/quick_run", json={**body, "guids": [theirs.guid]}).json()["results"][0]
        wait_for("the job", lambda: [e for e, _ in live.heard if e == EngineEvent.QUICK_JOB_RUN] or None)
        told = {"run_id": their_run["run_id"], "status": "Success", "stdout": "hello from the south"}
        live.call(DeviceEvent.QUICK_JOB_RESULT, told)
    shared = {**body, "script_content": "echo hello to both", "guids": [ours.guid, theirs.guid]}
    both = owner.post("/api/scripts/quick_run", json=shared).json()
    code = owner.post("/api/admin/enrollment-codes", json={"site_id": south}).json()
    waiting = RogueDevice(target.engine, target.background, hostname="south-waiting")
    assert waiting.knock(code["token"]).status_code == 200
    people = {
        role: target.person(f"north-{role.lower()}", role, sites=[north]) for role in ("Viewer", "Operator", "Admin")
    }
    return TwoSites(
        target, north, south, ours, theirs, waiting, people, their_run["run_id"], both["job_id"], int(code["id"])
    )


def reading_routes(sites: TwoSites) -> list[str]:
    """Every address that an operator reads, with South's names wherever a name is asked for."""
    named: dict[str, Any] = {
        "guid": sites.theirs.guid,
        "hostname": SOUTH_HOST,
        "run_id": sites.their_run,
        "job_id": sites.both_job,
        "activity_id": 1,
        "site_id": sites.south,
    }
    found = []
    for handler in all_handlers():
        rule = handler.opt[OPT_KEY]
        if isinstance(rule, Access) and rule.kind == "operator" and "GET" in handler.http_methods:
            found += [
                re.sub(r"\{([^:}]+)(?::\w+)?\}", lambda part: str(named.get(part.group(1), 1)), path)
                for path in handler.paths
            ]
    assert len(found) > 15
    questions = ("device", "hostname", "status", "site_id", "target", "actor", "name")
    values = (sites.theirs.guid, SOUTH_HOST, "all", str(sites.south), "engine.log", "device_enrollment.log")
    return [
        *found,
        *(f"/api/device/activity/job/{number}" for number in range(1, 20)),
        *(f"{path}?{name}={value}" for path in found for name in questions for value in values),
    ]


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Admin"])
def test_rejects_every_look_at_another_site(sites: TwoSites, role: str) -> None:
    client = sites.people[role].client
    answered = 0
    for path in reading_routes(sites):
        answer = client.get(path)
        # This Engine was started from source, so it has no package for agents; that is nobody's secret.
        absent = path.partition("?")[0] == "/api/updates/package" and answer.json()["error"] == "no_package"
        assert absent or answer.status_code in {200, 400, 403, 404}, f"{path}: {answer.status_code}"
        if answer.status_code == 200:
            answered += 1
            asked = path.partition("?")[0]
            # What somebody asks for may be repeated to them in the error; nothing more.
            for word in sites.words():
                assert word not in answer.text, f"{role} read {word!r} at {asked}"
    assert answered > 10


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Admin"])
def test_counts_are_of_ones_own_sites(sites: TwoSites, role: str) -> None:
    client = sites.people[role].client
    assert [d["guid"] for d in client.get("/api/devices").json()["devices"]] == [sites.ours.guid]
    listed = client.get("/api/sites").json()["sites"]
    assert [(site["id"], site["device_count"]) for site in listed] == [(sites.north, 1)]
    runs = client.get(f"/api/jobs/{sites.both_job}").json()["runs"]
    assert [run["guid"] for run in runs] == [sites.ours.guid]
    assert client.get("/api/admin/device-approvals").json()["approvals"] == []
    assert client.get("/api/server/info").status_code == client.get("/metrics").status_code == 403
    assert client.get("/api/server/logs").status_code == 403


@pytest.mark.parametrize("role", ["Operator", "Admin"])
def test_rejects_every_deed_in_another_site(sites: TwoSites, role: str) -> None:
    target, client = sites.target, sites.people[role].client
    script = {"script_content": "true", "script_type": "bash"}
    deeds: list[tuple[str, str, Any]] = [
        ("POST", "/api/scripts/quick_run", {**script, "guids": [sites.theirs.guid]}),
        ("POST", "/api/scripts/quick_run", {**script, "hostnames": [SOUTH_HOST]}),
        ("POST", "/api/scripts/quick_run", {**script, "guids": [sites.ours.guid, sites.theirs.guid]}),
        ("POST", "/api/scripts/quick_run", {**script, "sites": [sites.south]}),
        ("POST", "/api/scripts/quick_run", {**script, "sites": ["South Pole"]}),
        ("POST", f"/api/runs/{sites.their_run}/cancel", {}),
        ("PATCH", f"/api/devices/{sites.theirs.guid}", {"description": "mine"}),
        ("PATCH", f"/api/devices/{sites.ours.guid}", {"site_id": sites.south}),
        ("PATCH", f"/api/devices/{sites.ours.guid}", {"site_id": None}),
        ("DELETE", f"/api/devices/{sites.theirs.guid}", None),
        *(("POST", f"/api/devices/{sites.theirs.guid}/{deed}", {}) for deed in ("revoke", "quarantine", "release")),
        ("POST", f"/api/device/description/{SOUTH_HOST}", {"description": "mine"}),
        ("POST", "/api/admin/enrollment-codes", {"site_id": sites.south}),
        ("POST", "/api/admin/enrollment-codes", {"site": "South Pole"}),
        ("DELETE", f"/api/admin/enrollment-codes/{sites.their_code}", None),
        ("POST", f"/api/admin/device-approvals/{sites.waiting.reference}/approve", {}),
        ("POST", f"/api/admin/device-approvals/{sites.waiting.reference}/deny", {}),
        ("PATCH", f"/api/sites/{sites.south}", {"name": "mine"}),
        ("DELETE", f"/api/sites/{sites.south}", None),
        ("POST", "/api/sites/delete", {"ids": [sites.south]}),
        ("POST", "/api/sites/rename", {"id": sites.south, "new_name": "mine"}),
        ("POST", "/api/sites/assign", {"site_id": sites.north, "hostnames": [SOUTH_HOST]}),
        ("POST", "/api/sites/assign", {"site_id": sites.south, "hostnames": ["north-host"]}),
        ("POST", "/api/users", {"username": "m", "password": "a long sentence", "role": "Admin"}),
        ("POST", f"/api/users/north-{role.lower()}/sites", {"sites": None}),
        ("POST", "/api/server/signing-key/rotate", {"revoke_old": True}),
    ]
    before = _state(sites)
    for method, path, body in deeds:
        answer = client.request(method, path, json=body)
        assert answer.status_code in {403, 404}, f"{method} {path}: {answer.status_code} {answer.text}"
        for word in set(sites.words()) - {part for part in sites.words() if part in path + json.dumps(body)}:
            assert word not in answer.text
    assert _state(sites) == before
    launched = client.post("/api/scripts/quick_run", json={**script, "all": True}).json()["results"]
    assert [run["guid"] for run in launched] == [sites.ours.guid], "all means all that one sees"
    client.delete(f"/api/device/activity/{SOUTH_HOST}")
    assert target.owner.get(f"/api/runs/{sites.their_run}").status_code == 200


def _state(sites: TwoSites) -> list[Any]:
    owner = sites.target.owner
    device = owner.get(f"/api/devices/{sites.theirs.guid}").json()
    kept = {name: device[name] for name in ("status", "site_id", "description", "hostname")}
    ours = owner.get(f"/api/devices/{sites.ours.guid}").json()["site_id"]
    paths = ("/api/sites", "/api/users", "/api/admin/enrollment-codes", "/api/admin/device-approvals", "/api/runs")
    found: list[Any] = [owner.get(path).json() for path in paths]
    for user in found[1]["users"]:
        user.pop("last_login")
    return [kept, ours, owner.get("/api/server/info").json()["signing_key_id"], *found]


def test_rejects_events_of_another_site_on_the_socket(sites: TwoSites) -> None:
    owner = sites.target.owner
    script = {"script_content": "true", "script_type": "bash"}
    with sites.people["Viewer"].socket() as browser, sites.theirs.online() as live:
        live.answers[EngineEvent.QUICK_JOB_RUN] = {"status": "accepted"}
        assert browser.call(OperatorEvent.WATCH_RUN, {"run_id": sites.their_run})["error"] == "run_not_found"
        launched = owner.post("/api/scripts/quick_run", json={**script, "guids": [sites.theirs.guid]}).json()
        run = launched["results"][0]["run_id"]
        assert browser.call(OperatorEvent.WATCH_RUN, {"run_id": run})["error"] == "run_not_found"
        live.call(DeviceEvent.QUICK_JOB_OUTPUT, {"run_id": run, "seq": 0, "stream": "stdout", "data": "hello"})
        live.call(DeviceEvent.QUICK_JOB_RESULT, {"run_id": run, "status": "Success"})
        owner.patch(f"/api/devices/{sites.theirs.guid}", json={"description": "changed"})
        owner.patch(f"/api/devices/{sites.theirs.guid}", json={"description": ""})
        # What is ours comes after all of that, and comes alone.
        owner.patch(f"/api/devices/{sites.ours.guid}", json={"description": "changed"})
        wait_for("what is ours", lambda: browser.heard or None, seconds=5)
        assert sites.ours.guid in json.dumps(browser.heard)
        for word in (*sites.words(), run):
            assert word not in json.dumps(browser.heard)
