"""The door of set-up: open once, and not by a side entrance afterwards (threats 2)."""

import pytest
from tests.fakes.engine_rest import Rest
from tests.fakes.people import PASSWORD

BODY = {"username": "ada", "password": PASSWORD, "display_name": "Ada Lovelace"}


async def first_operator(rest: Rest) -> str:
    """Set up; gives the token, used up now."""
    token = (await rest.people.operators.create_setup_link()).partition("#")[2]
    answer = await rest.nobody.post("/api/setup", {**BODY, "token": token})
    assert answer.status == 200, answer.body
    return token


async def test_set_up_signs_in_with_cookie_and_body(rest: Rest) -> None:
    assert (await rest.nobody.get("/api/setup")).json() == {"needed": True}
    token = (await rest.people.operators.create_setup_link()).partition("#")[2]
    answer = await rest.nobody.post("/api/setup", {**BODY, "token": token})
    body = answer.json()
    assert answer.status == 200
    assert (body["status"], body["username"], body["display_name"]) == ("ok", "ada", "Ada Lovelace")
    assert (body["role"], body["sites"], body["via"]) == ("Admin", None, "session")
    cookie = answer.header("set-cookie") or ""
    assert token not in cookie + answer.body.decode()
    value = cookie.partition("borealis_session=")[2].partition(";")[0]
    me = await rest.nobody.get("/api/auth/me", headers={"Cookie": f"borealis_session={value}"})
    assert me.json()["csrf"] == body["csrf"]
    assert value not in answer.body.decode(), "the session is in the cookie alone"
    assert (await rest.nobody.get("/api/setup")).json() == {"needed": False}


TRICKS = [
    ("POST", "/api/setup"),
    ("POST", "/api/setup/"),
    ("POST", "/api/setup//"),
    ("POST", "//api/setup"),
    ("POST", "/api//setup"),
    ("POST", "/api/./setup"),
    ("POST", "/api/x/../setup"),
    ("POST", "/api/%2e/setup"),
    ("POST", "/api/x/%2e%2e/setup"),
    ("POST", "/api/x/.%2E/setup"),
    ("POST", "/api%2fsetup"),
    ("POST", "/api%2Fsetup"),
    ("POST", "/api/setup%2f"),
    ("POST", "/api/setup%00"),
    ("POST", "/api/setup%20"),
    ("POST", "/api/setup%0a"),
    ("POST", "/api/setup;x=1"),
    ("POST", "/api/setup%3bx"),
    ("POST", "/api\\setup"),
    ("POST", "/api%5csetup"),
    ("POST", "/API/SETUP"),
    ("POST", "/api/setup/x"),
    ("POST", "/api/setup?again=1"),
    ("POST", "/api/%73etup"),
    ("POST", "/setup"),
    ("POST", "/setup/"),
    ("POST", "/%73etup"),
    ("PUT", "/api/setup"),
    ("PATCH", "/api/setup"),
    ("DELETE", "/api/setup"),
    ("TRACE", "/api/setup"),
    ("post", "/api/setup"),
    ("POST ", "/api/setup"),
]


@pytest.mark.parametrize(("method", "target"), TRICKS)
async def test_rejects_set_up_again_by_path_tricks(rest: Rest, method: str, target: str) -> None:
    token = await first_operator(rest)
    answer = await rest.call(method, target, {**BODY, "token": token, "username": "eve"})
    assert answer.status in {404, 405, 409}, answer
    assert "set-cookie" not in dict(answer.headers)
    accounts = await rest.people.operators.accounts.list(rest.people.owner)
    assert [account.username for account in accounts] == ["ada"]


OVERRIDES = [
    {"X-HTTP-Method-Override": "POST"},
    {"X-HTTP-Method": "POST"},
    {"X-Method-Override": "POST"},
    {"X-Original-URL": "/api/setup"},
    {"X-Rewrite-URL": "/api/setup"},
    {"X-Forwarded-Prefix": "/api/setup"},
    {"X-Forwarded-Path": "/api/setup"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
]


@pytest.mark.parametrize("headers", OVERRIDES, ids=[next(iter(headers)) for headers in OVERRIDES])
async def test_rejects_set_up_again_by_header_overrides(rest: Rest, headers: dict[str, str]) -> None:
    token = await first_operator(rest)
    body = {**BODY, "token": token, "username": "eve"}
    for method, target in (("GET", "/api/setup"), ("GET", "/health"), ("POST", "/api/setup"), ("POST", "/health")):
        answer = await rest.call(method, target, body, headers=headers)
        assert answer.status in {200, 405, 409}
        assert "set-cookie" not in dict(answer.headers)
    assert (await rest.call("GET", "/api/users", headers=headers)).status == 401
    assert (await rest.nobody.get("/api/setup")).json() == {"needed": False}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"token": "wrong"}, 403, "invalid_setup_token"),
        ({"token": ""}, 400, "invalid_request"),
        ({"token": None}, 400, "invalid_request"),
        ({"token": "x" * 129}, 400, "invalid_request"),
        ({"password": "short"}, 400, "weak_password"),
        ({"username": "owner"}, 400, "invalid_username"),
        ({"username": "../x"}, 400, "invalid_request"),
        ({"username": "ada\n"}, 400, "invalid_username"),
        ({"role": "Admin"}, 400, "invalid_request"),
    ],
)
async def test_rejects_bad_set_up_and_the_link_stays_good(
    rest: Rest, change: dict[str, object], status: int, code: str
) -> None:
    token = (await rest.people.operators.create_setup_link()).partition("#")[2]
    answer = await rest.nobody.post("/api/setup", {**BODY, "token": token, **change})
    assert (answer.status, answer.code) == (status, code)
    assert (await rest.nobody.post("/api/setup", {**BODY, "token": token})).status == 200


async def test_rejects_set_up_from_another_sites_page(rest: Rest) -> None:
    token = (await rest.people.operators.create_setup_link()).partition("#")[2]
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = await rest.nobody.post("/api/setup", {**BODY, "token": token}, headers=headers)
        assert (answer.status, answer.code) == (403, "cross_site")
    assert (await rest.nobody.get("/api/setup")).json() == {"needed": True}


async def test_rejects_guesses_with_a_time_to_wait(rest: Rest) -> None:
    await rest.people.operators.create_setup_link()
    for _ in range(6):
        answer = await rest.nobody.post("/api/setup", {**BODY, "token": "guess"})
        assert answer.code == "invalid_setup_token"
    answer = await rest.nobody.post("/api/setup", {**BODY, "token": "guess"})
    assert (answer.status, answer.code, answer.header("retry-after")) == (429, "rate_limited", "1")
    assert answer.json()["retry_after"] == 1.0
