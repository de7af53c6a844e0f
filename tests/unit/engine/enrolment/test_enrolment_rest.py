"""Enrolment over the REST door: shapes, codes, and what the door itself refuses."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Answer, Rest, open_rest
from tests.fakes.enrolling_device import EnrollingDevice
from tests.fakes.enrolment_world import REFRESH_URL

from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_wire.messages import EnrolPending

REQUEST, POLL, REFRESH = "/api/agent/enroll/request", "/api/agent/enroll/poll", "/api/agent/token/refresh"
CODES, APPROVALS = "/api/admin/enrollment-codes", "/api/admin/device-approvals"


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened


async def new_code(rest: Rest, **options: Any) -> dict[str, Any]:
    answer = await rest.owner().post(CODES, options)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()
    return made


def to_json(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def ask(rest: Rest, device: EnrollingDevice, code: str) -> Answer:
    answer = await rest.nobody.post(REQUEST, to_json(device.request(code)))
    if answer.status == 200:
        device.pending = EnrolPending(**answer.json())
    return answer


async def poll(rest: Rest, device: EnrollingDevice, **more: Any) -> Answer:
    message = device.poll(rest.services.certificates.leaf_sha256)
    return await rest.nobody.post(POLL, {**to_json(message), **more})


async def test_enrolment_from_code_to_refresh(rest: Rest) -> None:
    made = await new_code(rest, max_uses=3, expires_in_seconds=600)
    assert set(made) >= {"id", "code", "token", "expires_at", "max_uses", "use_count", "last_used_at"}
    assert (made["max_uses"], made["use_count"]) == (3, 0)
    device = EnrollingDevice()
    pending = (await ask(rest, device, made["code"])).json()
    assert set(pending) >= {
        "status",
        "approval_reference",
        "server_nonce",
        "poll_after_ms",
        "server_certificate",
        "signing_key",
    }
    assert (await poll(rest, device)).json() == {"status": "pending", "poll_after_ms": 5000}

    (item,) = (await rest.owner().get(APPROVALS)).json()["approvals"]
    assert item["approval_reference"] == pending["approval_reference"]
    assert item["ssl_key_fingerprint_claimed"] == device.fingerprint
    assert (item["channel"], item["hostname_conflict"], item["conflict_requires_prompt"]) == ("bound", None, False)
    path = f"{APPROVALS}/{item['approval_reference']}/approve"
    assert (await rest.owner().post(path, {})).json() == {"status": "approved"}

    tokens = (await poll(rest, device)).json()
    assert set(tokens) == {
        "status",
        "guid",
        "access_token",
        "expires_in",
        "refresh_token",
        "token_type",
        "server_certificate",
        "signing_key",
        "signing_keys",
    }
    assert (await poll(rest, device)).json() == {"status": "approved", "detail": "finalized"}

    headers = {"DPoP": device.dpop(url=REFRESH_URL, now=rest.services.clock.now(), jti="1")}
    body = {"guid": tokens["guid"], "refresh_token": tokens["refresh_token"]}
    refreshed = await rest.nobody.post(REFRESH, body, headers=headers)
    assert refreshed.status == 200, refreshed.body
    assert set(refreshed.json()) == {"access_token", "expires_in", "token_type", "refresh_token"}
    report = await rest.nobody.call(
        "POST",
        "/api/agent/script/request",
        {"guid": tokens["guid"]},
        headers={"Authorization": f"Bearer {refreshed.json()['access_token']}"},
    )
    assert report.json()["status"] == "idle"


async def test_an_unknown_reference_has_both_shapes(rest: Rest) -> None:
    device = EnrollingDevice()
    await ask(rest, device, (await new_code(rest))["code"])
    answer = await poll(rest, device, approval_reference="nothing")
    assert answer.status == 404
    assert (answer.json()["status"], answer.json()["error"]) == ("unknown", "unknown_reference")
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (REQUEST, {}, "hostname_required"),
        (REQUEST, {"hostname": "A"}, "enrollment_code_required"),
        (REQUEST, {"hostname": 7}, "invalid_request"),
        (REQUEST, {"hostname": "A" * 254}, "invalid_request"),
        (REQUEST, [], "invalid_request"),
        (REQUEST, b"\xff", "invalid_json"),
        (REQUEST, b'{"hostname":"A","hostname":"B"}', "invalid_json"),
        (REQUEST, b"[" * 5000, "invalid_json"),
        (POLL, {}, "approval_reference_required"),
        (POLL, {"approval_reference": None}, "invalid_request"),
        (REFRESH, {}, "invalid_request"),
        (REFRESH, {"guid": "x", "refresh_token": "x" * 257}, "invalid_request"),
        (REFRESH, {"guid": "x", "refresh_token": {"a": 1}}, "invalid_request"),
    ],
)
async def test_rejects_bodies_of_another_form(rest: Rest, path: str, body: Any, code: str) -> None:
    answer = await rest.nobody.post(path, body)
    assert (answer.status, answer.code) == (400, code)
    assert set(answer.json()) == {"error", "detail"}


@pytest.mark.parametrize("path", [REQUEST, POLL, REFRESH])
async def test_rejects_large_bodies_of_strangers(rest: Rest, path: str) -> None:
    answer = await rest.nobody.post(path, {"hostname": "A" * 17_000})
    assert (answer.status, answer.code) == (413, "too_large")


async def test_rejects_two_proofs_of_possession(rest: Rest) -> None:
    headers = [("DPoP", "a"), ("DPoP", "b"), ("content-type", "application/json")]
    answer = await rest.call("POST", REFRESH, {"guid": "x", "refresh_token": "y"}, headers=headers)
    assert (answer.status, answer.code) == (400, "dpop_invalid")


async def test_a_limited_caller_is_told_how_long_to_wait(rest: Rest) -> None:
    for _ in range(40):
        await rest.nobody.post(REQUEST, {})
    answer = await rest.nobody.post(REQUEST, {})
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert 0 < answer.json()["retry_after"] <= 60
    assert int(answer.header("retry-after") or "") >= 1


async def test_rejects_approving_a_second_device_of_a_name_without_a_word(rest: Rest) -> None:
    await rest.add_device("LAB-PC")
    device = EnrollingDevice()
    await ask(rest, device, (await new_code(rest))["code"])
    (item,) = (await rest.owner().get(APPROVALS)).json()["approvals"]
    assert item["hostname_conflict"]["kind"] == "hostname"
    assert (item["alternate_hostname"], item["conflict_requires_prompt"]) == ("LAB-PC-1", True)
    path = f"{APPROVALS}/{item['id']}/approve"
    answer = await rest.owner().post(path, {})
    assert (answer.status, answer.code) == (409, "conflict_resolution_required")
    assert "LAB-PC" in answer.json()["detail"]
    for body in ({"conflict_resolution": "delete"}, {"guid": 7}, {"yes": True}, {"accept_unbound": "true"}):
        assert (await rest.owner().post(path, body)).status == 400
    answer = await rest.owner().post(path, {"conflict_resolution": "coexist"})
    assert answer.json() == {"status": "approved", "conflict_resolution": "coexist"}


async def test_a_denied_device(rest: Rest) -> None:
    device = EnrollingDevice()
    await ask(rest, device, (await new_code(rest))["code"])
    assert device.pending is not None
    answer = await rest.owner().post(f"{APPROVALS}/{device.pending.approval_reference}/deny", {})
    assert (answer.status, answer.json()) == (200, {"status": "denied"})
    assert (await poll(rest, device)).json() == {"status": "denied", "reason": "operator_denied"}


async def test_codes_are_listed_without_what_they_open(rest: Rest) -> None:
    made = await new_code(rest, ttl_hours=24, allowed_uses=5)
    (code,) = (await rest.owner().get(f"{CODES}?status=active")).json()["codes"]
    assert code["code"] == made["code"][:4] + "-****" * 7
    assert (code["max_uses"], code["expires_at"] - code["created_at"]) == (5, 86_400)
    answer = await rest.owner().delete(f"{CODES}/{made['id']}")
    assert (answer.status, answer.json()) == (200, {"status": "deleted"})
    assert (await rest.owner().delete(f"{CODES}/{made['id']}")).code == "not_found"


@pytest.mark.parametrize(
    "body",
    [
        {"ttl_hours": 0},
        {"ttl_hours": "1"},
        {"ttl_hours": 1, "expires_in_seconds": 3600},
        {"expires_in_seconds": 10**12},
        {"max_uses": 0},
        {"max_uses": 1.5},
        {"uses": 1},
        {"site_id": -1},
    ],
)
async def test_rejects_codes_that_make_no_sense(rest: Rest, body: dict[str, Any]) -> None:
    assert (await rest.owner().post(CODES, body)).status == 400
    assert (await rest.owner().get(CODES)).json() == {"codes": []}


async def test_rejects_whoever_may_not_decide(rest: Rest) -> None:
    await rest.people.set_up()
    viewer = await rest.person("vera", OperatorRole.VIEWER)
    operator = await rest.person("olaf", OperatorRole.OPERATOR)
    program = await rest.token("olaf", Permission.DEVICES_READ)
    device = rest.device(await rest.add_device())
    assert (await viewer.get(CODES)).status == 200
    assert (await operator.post(CODES)).status == 201
    for caller, status in ((viewer, 403), (program, 403), (device, 401), (rest.nobody, 401)):
        for path in (CODES, f"{APPROVALS}/1/approve", f"{APPROVALS}/1/deny"):
            assert (await caller.post(path)).status == status, path
        assert (await caller.delete(f"{CODES}/1")).status == status


async def test_rejects_sites_out_of_reach(rest: Rest) -> None:
    await rest.people.set_up()
    north = (await rest.owner().post("/api/sites", {"name": "North"})).json()["id"]
    south = (await rest.owner().post("/api/sites", {"name": "South"})).json()["id"]
    caller = await rest.person("nora", OperatorRole.OPERATOR, sites=frozenset({north}))
    assert (await caller.post(CODES, {"site": "South"})).code == "site_not_found"
    assert (await caller.post(CODES)).json()["site_id"] == north
    device = EnrollingDevice()
    await ask(rest, device, (await new_code(rest, site_id=south))["code"])
    assert (await caller.get(APPROVALS)).json() == {"approvals": []}
    assert (await caller.post(f"{APPROVALS}/1/approve")).code == "not_found"


async def test_the_api_document_knows_both_answers_of_a_poll(rest: Rest) -> None:
    document = (await rest.nobody.get("/api/openapi.json")).json()
    operation = document["paths"][POLL]["post"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert {item["$ref"].rpartition("/")[2] for item in schema["anyOf"]} == {"EnrolStatus", "EnrolApproved"}
    assert operation["security"] == []
    refresh = document["paths"][REFRESH]["post"]
    assert {parameter["name"] for parameter in refresh["parameters"]} == {"DPoP", "X-Borealis-Agent-Context"}
