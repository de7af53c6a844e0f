"""Who is let in: default deny, no mixing of credentials, and nothing from another site's page (threats 1, 3, 4)."""

from typing import Any

import pytest
from litestar import get, post
from tests.fakes.engine_rest import HOST, Caller, Rest
from tests.fakes.people import URL

from borealis_engine.api.access import operator
from borealis_engine.api.app import create_api
from borealis_engine.api.auth_middleware import DEVICE_LIMIT
from borealis_engine.core.errors import Unavailable
from borealis_engine.operators.permissions import OperatorRole, Permission

CHANGE = ("/api/sites", {"name": "Oslo"})


@get("/test/without-rule")
async def without_rule() -> dict[str, bool]:
    return {"let_in": True}


@post("/test/without-rule", status_code=200)
async def post_without_rule(data: dict[str, Any]) -> dict[str, Any]:
    return data


@get("/test/fault", opt=operator(Permission.SELF))
async def fault() -> None:
    raise RuntimeError("the secret is 4711")


@get("/test/gone", opt=operator(Permission.SELF))
async def gone() -> None:
    raise Unavailable("database_unavailable", "The database did not answer.")


@pytest.fixture
def extended(rest: Rest) -> Rest:
    """The same Engine with routes that somebody forgot to think about."""
    rest.app = create_api(rest.services, extra=[without_rule, post_without_rule, fault, gone])
    return rest


async def test_rejects_everybody_at_a_route_without_a_rule(extended: Rest) -> None:
    ada = extended.signed_in(await extended.people.set_up())
    device = extended.device(await extended.add_device())
    for caller in (extended.nobody, ada, extended.owner(), device):
        for answer in (await caller.get("/test/without-rule"), await caller.post("/test/without-rule")):
            assert (answer.status, answer.code) == (403, "forbidden")


async def test_a_fault_tells_nothing_of_itself(extended: Rest) -> None:
    ada = extended.signed_in(await extended.people.set_up())
    answer = await ada.get("/test/fault")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert "4711" not in answer.body.decode()
    answer = await ada.get("/test/gone")
    assert (answer.status, answer.code) == (503, "database_unavailable")


# --- cross-site


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"http://{HOST}"},
        {"Origin": "https://engine.example"},
        {"Origin": "https://engine.example:5000.evil.example"},
        {"Origin": "https://evil.example/https://engine.example:5000"},
        {"Origin": "https://engine.example:5000@evil.example"},
        {"Origin": "https://["},
        {"Origin": URL, "Sec-Fetch-Site": "cross-site"},
        {"Origin": URL, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
async def test_rejects_changes_that_another_sites_page_sends(rest: Rest, headers: dict[str, str]) -> None:
    ada = rest.signed_in(await rest.people.set_up()).without("Origin")
    answer = await ada.post(*CHANGE, headers=headers)
    assert (answer.status, answer.code) == (403, "cross_site")
    assert (await ada.get("/api/sites")).json()["sites"] == []


@pytest.mark.parametrize("sent", [None, "", "x", "ö", "of another session"])
async def test_rejects_changes_without_the_csrf_value_of_the_session(rest: Rest, sent: str | None) -> None:
    ada = rest.signed_in(await rest.people.set_up()).without("X-Borealis-CSRF")
    if sent == "of another session":
        sent = (await rest.people.sign_in()).csrf
    answer = await ada.post(*CHANGE, headers={} if sent is None else {"X-Borealis-CSRF": sent})
    assert (answer.status, answer.code) == (403, "csrf_failed")


@pytest.mark.parametrize("headers", [{"Origin": URL}, {"Origin": URL.upper().replace("HTTPS", "https")}])
async def test_our_own_page_may_change_things(rest: Rest, headers: dict[str, str]) -> None:
    ada = rest.signed_in(await rest.people.set_up()).without("Origin")
    assert (await ada.post(*CHANGE, headers=headers)).status == 201


async def test_a_browser_that_sends_no_origin_but_says_same_origin_may(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up()).without("Origin")
    assert (await ada.post(*CHANGE, headers={"Sec-Fetch-Site": "same-origin"})).status == 201


async def test_programs_need_neither_origin_nor_csrf(rest: Rest) -> None:
    await rest.people.set_up()
    program = await rest.token("ada", Permission.SITES_EDIT)
    assert (await program.post(*CHANGE)).status == 201


# --- credentials


@pytest.mark.parametrize(
    "headers",
    [
        [("cookie", "borealis_session_5000={token}; borealis_session_5000={token}")],
        [("cookie", "borealis_session_5000={token}"), ("cookie", "borealis_session_5000=other")],
        [("cookie", "borealis_session_5000=")],
        [("cookie", "BOREALIS_SESSION={token}")],
        [("cookie", "x=borealis_session_5000={token}")],
        [("cookie", 'borealis_session_5000="{token}"')],
        [("authorization", "Bearer {token}")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer  ")],
        [("authorization", "Basic {token}")],
        [("x-borealis-session", "{token}")],
        [],
    ],
)
async def test_rejects_session_tokens_anywhere_but_in_their_cookie(rest: Rest, headers: list[tuple[str, str]]) -> None:
    token = (await rest.people.set_up()).token
    filled = [(name, value.replace("{token}", token)) for name, value in headers]
    answer = await rest.call("GET", "/api/auth/me", headers=filled)
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.header("www-authenticate") == "Bearer"
    assert (await rest.call("GET", f"/api/auth/me?borealis_session_5000={token}&token={token}")).status == 401


async def test_rejects_two_tokens_in_one_request(rest: Rest) -> None:
    await rest.people.set_up()
    token = (await rest.token("ada", Permission.SELF)).headers["Authorization"]
    answer = await rest.call("GET", "/api/auth/me", headers=[("authorization", token), ("authorization", token)])
    assert answer.status == 401


async def test_rejects_a_wrong_token_beside_a_good_cookie(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    answer = await ada.get("/api/auth/me", headers={"Authorization": "Bearer bor_pat_wrong"})
    assert answer.status == 401


async def test_rejects_device_tokens_on_operator_routes_and_the_reverse(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    device = await rest.add_device()
    machine = rest.device(device)
    assert (await machine.get("/api/devices")).status == 401
    program = await rest.token("ada", *Permission)
    for caller in (ada, program, rest.owner(), rest.nobody):
        answer = await caller.post("/api/agent/heartbeat", {"guid": device.guid})
        assert answer.status == 401, answer
    assert (await machine.post("/api/agent/script/request", {"guid": device.guid})).status == 200


async def test_rejects_the_owner_token_from_elsewhere_and_through_proxies(rest: Rest) -> None:
    owner = rest.owner()
    assert (await owner.get("/api/auth/me")).status == 200
    assert (await owner.get("/api/auth/me", peer="::1")).status == 200
    assert (await owner.get("/api/auth/me", peer="192.0.2.1")).status == 401
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert (await owner.get("/api/auth/me", headers={name: "127.0.0.1"})).status == 401


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [("revoke", 403, "device_revoked"), ("delete", 404, "device_not_found"), ("quarantine", 200, "")],
)
async def test_rejects_devices_at_once_when_their_standing_changes(
    rest: Rest, change: str, status: int, code: str
) -> None:
    device = await rest.add_device()
    machine, owner = rest.device(device), rest.owner()
    assert (await machine.post("/api/agent/script/request", {"guid": device.guid})).status == 200
    if change == "delete":
        changed = await owner.delete(f"/api/devices/{device.guid}")
    else:
        changed = await owner.post(f"/api/devices/{device.guid}/{change}")
    assert changed.status == 200, changed
    answer = await machine.post("/api/agent/script/request", {"guid": device.guid})
    assert answer.status == status
    assert not code or answer.code == code


async def test_rejects_devices_that_call_too_often(rest: Rest) -> None:
    machine = rest.device(await rest.add_device())
    statuses = [(await machine.post("/api/agent/script/request", {})).status for _ in range(DEVICE_LIMIT + 3)]
    assert statuses == [200] * DEVICE_LIMIT + [429] * 3
    answer = await machine.post("/api/agent/script/result", {"run_id": "x", "status": "Success"})
    assert answer.status == 200, "results have a limit of their own"
    rest.people.clock.advance(60)
    assert (await machine.post("/api/agent/script/request", {})).status == 200


async def test_rejects_an_expired_device_token(rest: Rest) -> None:
    machine = rest.device(await rest.add_device())
    rest.people.clock.advance(900)
    answer = await machine.post("/api/agent/script/request", {})
    assert (answer.status, answer.code) == (401, "token_expired")


# --- methods and headers


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "HEAD", "TRACE", "CONNECT", "PROPFIND", "get"])
async def test_rejects_other_methods_and_names_those_there_are(rest: Rest, method: str) -> None:
    answer = await rest.call(method, "/api/sites")
    assert answer.status == 405
    assert answer.header("allow") == "GET, POST"
    if method != "HEAD":
        assert answer.code == "method_not_allowed"


async def test_every_answer_has_the_headers_that_keep_pages_apart(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    answers = [
        await ada.get("/api/auth/me"),
        await rest.nobody.get("/api/auth/me"),
        await rest.nobody.get("/api/there-is/nothing/here"),
        await rest.nobody.get("/api//setup"),
        await rest.nobody.post("/api/auth/login", b"{"),
        await rest.call("OPTIONS", "/api/auth/me"),
        await rest.nobody.get("/"),
    ]
    for answer in answers:
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("referrer-policy") == "no-referrer"
        assert answer.header("cross-origin-resource-policy") == "same-origin"
        assert answer.header("strict-transport-security") == "max-age=31536000"
        assert "default-src 'none'" in (answer.header("content-security-policy") or "")
        assert "unsafe" not in (answer.header("content-security-policy") or "")
        assert answer.header("access-control-allow-origin") is None
        assert answer.header("server") is None


async def test_rejects_a_strange_host(rest: Rest) -> None:
    for host in ("evil example", "a/b", "engine.example:5000/x"):
        answer = await rest.call("GET", "/api/setup", headers={"Host": host})
        assert answer.status == 400, host


# --- what comes from where


async def test_addresses_come_from_the_socket_unless_a_trusted_proxy_says_otherwise(rest: Rest) -> None:
    await rest.people.set_up()
    forged = {"X-Forwarded-For": "203.0.113.9"}
    body = {"username": "ada", "password": "wrong password, sorry"}
    await rest.nobody.post("/api/auth/login", body, headers=forged)
    assert (await rest.people.entries("session.refuse"))[0].address == "192.0.2.7"
    for number in range(30):
        await rest.nobody.post(
            "/api/auth/login", {**body, "username": f"u{number}"}, headers={"X-Forwarded-For": f"203.0.113.{number}"}
        )
    answer = await rest.nobody.post("/api/auth/login", {**body, "username": "other"}, headers=forged)
    assert answer.status == 429, "another forged address each time must not get around the limit"


async def test_rights_are_asked_before_the_body_is_read(rest: Rest) -> None:
    await rest.people.set_up()
    vera: Caller = await rest.person("vera", OperatorRole.VIEWER)
    answer = await vera.post("/api/sites", b"{not json")
    assert (answer.status, answer.code) == (403, "forbidden")
    answer = await rest.nobody.post("/api/sites", b"x" * 10**6)
    assert answer.status == 401
