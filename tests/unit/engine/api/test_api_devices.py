"""Devices and sites over REST: shapes, rights, site limits, and the doors of devices themselves."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.device_api_world import ApiWorld, open_api
from tests.fakes.device_world import HERE, SYSTEM
from tests.fakes.people import PEER

from borealis_engine.operators.permissions import OperatorRole

UPSTREAM = {
    "hostname", "description", "guid", "agent_guid", "agent_id", "status", "site_id", "site_name", "operating_system",
    "device_type", "domain", "internal_ip", "external_ip", "last_reboot", "last_seen", "last_user", "uptime",
    "agent_build_id", "agent_hash", "created_at", "ssl_key_fingerprint", "connection_type", "connection_endpoint",
}  # fmt: skip


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    """A door that answers."""
    async with open_api(tmp_path / "Engine") as opened:
        yield opened


async def test_a_device_is_shown_with_upstreams_fields(api: ApiWorld) -> None:
    site = await api.devices.site("HQ")
    auth = await api.devices.admit("lab", site_id=site)
    await api.devices.beat(auth.guid, uptime=5, last_user="ada", roles={"audit": {"state": "running"}})
    await api.devices.tell(auth.guid, summary={"os": "Debian 12"}, software=[{"name": "bash", "version": "5"}])
    api.devices.devices.session_opened(auth.guid, SYSTEM, HERE)
    admin = await api.operator("root")
    (device,) = (await admin("GET", "/api/devices")).json()["devices"]
    assert set(device) >= UPSTREAM
    assert "details" not in device
    assert (device["hostname"], device["status"], device["site_name"], device["uptime"]) == ("lab", "active", "HQ", 5)
    assert device["presence"]["contexts"] == ["system"]
    assert device["roles"] == {"audit": {"state": "running", "context": "system"}}
    full = (await admin("GET", f"/api/devices/{auth.guid.lower()}")).json()
    assert {**full, "details": None} == {**device, "details": None}
    assert full["details"]["software"] == [{"name": "bash", "version": "5", "source": "local_installed"}]
    assert set(full["details"]) == {"summary", "cpu", "memory", "storage", "network", "software"}


async def test_lists_are_filtered(api: ApiWorld) -> None:
    site = await api.devices.site("HQ")
    first = await api.devices.admit("a", site_id=site)
    await api.devices.admit("b")
    await api.devices.beat(first.guid)
    admin = await api.operator("root")

    async def names(query: str) -> list[str]:
        answer = await admin("GET", f"/api/devices?{query}")
        assert answer.status_code == 200, answer.text
        return [device["hostname"] for device in answer.json()["devices"]]

    assert await names("") == ["a", "b"]
    assert await names(f"site_id={site}") == ["a"]
    assert await names("hostname=B") == ["b"]
    assert await names("status=online") == ["a"]
    assert await names("status=active&hostname=a") == ["a"]
    assert await names("status=revoked") == []


@pytest.mark.parametrize("query", ["status=nonsense", "site_id=x", "site_id=0", "hostname=" + "x" * 300])
async def test_rejects_filters_that_are_none(api: ApiWorld, query: str) -> None:
    admin = await api.operator("root")
    answer = await admin("GET", f"/api/devices?{query}")
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "detail"}


async def test_a_device_is_changed_moved_and_deleted(api: ApiWorld) -> None:
    site = await api.devices.site("HQ")
    guid = (await api.devices.admit("lab")).guid
    admin = await api.operator("root")
    path = f"/api/devices/{guid}"
    changed = (await admin("PATCH", path, {"hostname": "desk", "description": "x", "site_id": site})).json()
    assert (changed["hostname"], changed["description"], changed["site_id"]) == ("desk", "x", site)
    assert (await admin("PATCH", path, {"site_id": None})).json()["site_id"] is None
    assert (await admin("PATCH", path, {})).json()["error"] == "no_fields"
    assert (await admin("PATCH", path, {"duplicate_suspected": True})).status_code == 400
    assert (await admin("PATCH", path, {"status": "active"})).status_code == 400
    assert (await admin("PATCH", path, {"site_id": 99})).json()["error"] == "site_not_found"
    await api.devices.admit("other")
    assert (await admin("PATCH", path, {"hostname": "OTHER"})).status_code == 409
    (entry, *_) = await api.devices.entries("device.rename")
    assert (entry.actor, entry.address) == ("root", PEER)
    assert (await admin("DELETE", path)).json() == {"status": "deleted"}
    assert (await admin("GET", path)).status_code == 404


async def test_revoking_shuts_the_devices_door_at_once(api: ApiWorld) -> None:
    auth = await api.devices.admit("lab")
    device, admin = api.device(auth), await api.operator("root")
    path = f"/api/devices/{auth.guid}"
    assert (await device("POST", "/api/agent/heartbeat", {"guid": auth.guid})).status_code == 200
    assert (await admin("POST", f"{path}/quarantine", {})).json()["status"] == "quarantined"
    assert (await device("POST", "/api/agent/heartbeat", {})).status_code == 200, "it may go on to report"
    assert (await admin("POST", f"{path}/release", {})).json()["status"] == "active"
    assert (await admin("POST", f"{path}/revoke", {})).json()["status"] == "revoked"
    refused = await device("POST", "/api/agent/heartbeat", {})
    assert (refused.status_code, refused.json()["error"]) == (403, "device_revoked")
    assert (await admin("POST", f"{path}/release", {})).status_code == 409


async def test_heartbeat_and_details_answer_as_upstream(api: ApiWorld) -> None:
    auth = await api.devices.admit("lab")
    device = api.device(auth)
    beat = await device("POST", "/api/agent/heartbeat", {"guid": auth.guid, "metrics": {"uptime": 5}, "new": 1})
    assert beat.json() == {"status": "ok", "poll_after_ms": 15000}
    told = await device("POST", "/api/agent/details", {"agent_id": "x", "details": {"cpu": {"name": "y"}}})
    assert told.json() == {"status": "ok"}
    assert (await api.devices.details(auth.guid))["cpu"] == {"name": "y"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("heartbeat", {"guid": "another"}, 403, "guid_mismatch"),
        ("heartbeat", {"metrics": {"uptime": "x"}}, 400, "invalid_request"),
        ("heartbeat", {"hostname": "x" * 254}, 400, "invalid_request"),
        ("heartbeat", [], 400, "invalid_request"),
        ("details", {}, 400, "invalid_payload"),
        ("details", {"details": {"memory": "x"}}, 400, "invalid_payload"),
        ("details", {"details": {"summary": {"agent_guid": "another"}}}, 403, "guid_mismatch"),
    ],
)
async def test_rejects_reports_of_another_form(api: ApiWorld, path: str, body: Any, status: int, code: str) -> None:
    auth = await api.devices.admit("lab")
    before = api.devices.devices.auth_state(auth.guid), await api.devices.details(auth.guid)
    answer = await api.device(auth)("POST", f"/api/agent/{path}", body)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert (api.devices.devices.auth_state(auth.guid), await api.devices.details(auth.guid)) == before


async def test_rejects_a_device_at_operators_doors_and_an_operator_at_devices_doors(api: ApiWorld) -> None:
    auth = await api.devices.admit("lab")
    device, admin = api.device(auth), await api.operator("root")
    assert (await device("GET", "/api/devices")).status_code == 401
    assert (await device("POST", f"/api/devices/{auth.guid}/release", {})).status_code == 401
    assert (await admin("POST", "/api/agent/heartbeat", {})).status_code == 401
    assert (await api.http.get("/api/devices")).status_code == 401


async def test_rejects_changes_by_a_viewer_and_revoking_by_an_operator(api: ApiWorld) -> None:
    guid = (await api.devices.admit("lab")).guid
    viewer, worker = await api.operator("v", OperatorRole.VIEWER), await api.operator("o", OperatorRole.OPERATOR)
    path = f"/api/devices/{guid}"
    assert (await viewer("GET", path)).status_code == 200
    changes = [("PATCH", path, {"description": "x"}), ("POST", "/api/device/description/lab", {"description": "x"})]
    removals: list[tuple[str, str, Any]] = [
        ("DELETE", path, None),
        *(("POST", f"{path}/{deed}", {}) for deed in ("revoke", "quarantine")),
    ]
    site_changes = [
        ("POST", "/api/sites", {"name": "x"}),
        ("PATCH", "/api/sites/1", {"name": "x"}),
        ("DELETE", "/api/sites/1", None),
        ("POST", "/api/sites/delete", {"ids": [1]}),
        ("POST", "/api/sites/assign", {"site_id": 1, "hostnames": ["lab"]}),
        ("POST", "/api/sites/rename", {"id": 1, "new_name": "x"}),
    ]
    for method, address, body in (*changes, *removals, *site_changes):
        assert (await viewer(method, address, body)).status_code == 403, address
    for method, address, body in (*removals, *site_changes):
        assert (await worker(method, address, body)).status_code == 403, address
    assert (await worker("PATCH", path, {"description": "x"})).status_code == 200


async def test_rejects_everything_out_of_an_operators_sites(api: ApiWorld) -> None:
    mine, theirs = await api.devices.site("Mine"), await api.devices.site("Theirs")
    seen = await api.devices.admit("seen", site_id=mine)
    hidden = await api.devices.admit("hidden", site_id=theirs)
    nowhere = await api.devices.admit("nowhere")
    me = await api.operator("lim", sites=frozenset({mine}))
    assert [device["guid"] for device in (await me("GET", "/api/devices")).json()["devices"]] == [seen.guid]
    assert (await me("GET", f"/api/devices?site_id={theirs}")).status_code == 404
    assert (await me("GET", "/api/devices?hostname=hidden")).json() == {"devices": []}
    agents = (await me("GET", "/api/agents")).json()
    assert [agent["agent_guid"] for agent in agents.values()] == [seen.guid]
    assert (await me("GET", "/api/device/details/hidden")).json() == {}
    sites = (await me("GET", "/api/sites")).json()["sites"]
    assert [(site["id"], site["device_count"]) for site in sites] == [(mine, 1)]
    assert (await me("GET", "/api/sites/device_map")).json()["mapping"].keys() == {"seen"}
    for guid in (hidden.guid, nowhere.guid, "NOBODY"):
        for method, suffix, body in (
            ("GET", "", None),
            ("PATCH", "", {"description": "x"}),
            ("DELETE", "", None),
            ("POST", "/revoke", {}),
            ("POST", "/quarantine", {}),
            ("POST", "/release", {}),
        ):
            answer = await me(method, f"/api/devices/{guid}{suffix}", body)
            assert (answer.status_code, answer.json()["error"]) == (404, "device_not_found")
    assert (await me("POST", "/api/device/description/hidden", {"description": "x"})).status_code == 404
    assert (await me("POST", "/api/sites/assign", {"site_id": mine, "hostnames": ["hidden"]})).status_code == 404
    assert (await me("POST", "/api/sites/assign", {"site_id": theirs, "hostnames": ["seen"]})).status_code == 404
    assert (await me("PATCH", f"/api/sites/{theirs}", {"name": "x"})).status_code == 404
    assert (await me("DELETE", f"/api/sites/{theirs}")).status_code == 403
    assert (await me("PATCH", f"/api/devices/{seen.guid}", {"site_id": None})).status_code == 403
    for auth in (hidden, nowhere):
        assert api.devices.devices.auth_state(auth.guid) == auth


async def test_a_deleted_site_is_gone_for_those_who_were_limited_to_it(api: ApiWorld) -> None:
    site = await api.devices.site("HQ")
    await api.devices.admit("lab", site_id=site)
    me, admin = await api.operator("lim", sites=frozenset({site})), await api.operator("root")
    assert len((await me("GET", "/api/devices")).json()["devices"]) == 1
    assert (await admin("DELETE", f"/api/sites/{site}")).json() == {"status": "ok", "deleted": 1}
    assert (await me("GET", "/api/devices")).json() == {"devices": []}
    assert (await me("GET", "/api/sites")).json() == {"sites": []}


async def test_sites_answer_as_upstream(api: ApiWorld) -> None:
    admin = await api.operator("root")
    await api.devices.admit("lab")
    made = await admin("POST", "/api/sites", {"name": "Edge", "description": "Edge location"})
    assert made.status_code == 201
    site = made.json()["id"]
    assert (await admin("POST", "/api/sites", {"name": "edge"})).json()["error"] == "site_exists"
    assigned = await admin("POST", "/api/sites/assign", {"site_id": site, "hostnames": ["LAB"]})
    assert assigned.json() == {"status": "ok", "assigned": 1}
    mapping = (await admin("GET", "/api/sites/device_map?hostnames=lab,other")).json()["mapping"]
    assert mapping == {"lab": {"site_id": site, "site_name": "Edge"}}
    renamed = await admin("POST", "/api/sites/rename", {"id": site, "new_name": "Rim"})
    assert (renamed.json()["name"], renamed.json()["device_count"]) == ("Rim", 1)
    assert (await admin("PATCH", f"/api/sites/{site}", {"description": "y"})).json()["name"] == "Rim"
    assert (await admin("POST", "/api/sites/delete", {"ids": [site]})).json()["deleted"] == 1
    assert (await admin("POST", "/api/sites/delete", {"ids": []})).status_code == 400
    assert (await admin("DELETE", f"/api/sites/{2**63}")).status_code == 400


async def test_upstreams_own_addresses_answer(api: ApiWorld) -> None:
    auth = await api.devices.admit("lab")
    await api.devices.beat(auth.guid)
    admin = await api.operator("root")
    agents = (await admin("GET", "/api/agents")).json()
    agent = agents[f"LAB_{auth.guid}_SYSTEM"]
    assert (agent["status"], agent["collector_active"], agent["service_mode"]) == ("Online", True, "system")
    described = await admin("POST", "/api/device/description/LAB", {"description": "front"})
    assert described.json() == {"status": "ok"}
    full = (await admin("GET", "/api/device/details/lab")).json()
    assert (full["description"], full["guid"]) == ("front", auth.guid)
    assert (await admin("GET", "/api/device/details/nobody")).json() == {}
