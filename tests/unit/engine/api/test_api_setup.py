"""The door of set-up: it signs in, and tells what is wrong without using the link up."""

import pytest
from tests.fakes.engine_rest import Rest
from tests.fakes.people import PASSWORD

BODY = {"username": "ada", "password": PASSWORD, "display_name": "Ada Lovelace"}


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
    value = cookie.partition("borealis_session_5000=")[2].partition(";")[0]
    me = await rest.nobody.get("/api/auth/me", headers={"Cookie": f"borealis_session_5000={value}"})
    assert me.json()["csrf"] == body["csrf"]
    assert value not in answer.body.decode(), "the session is in the cookie alone"
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
