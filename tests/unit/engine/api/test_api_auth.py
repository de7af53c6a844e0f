"""The door of signing in: cookie, codes, sessions, and who may change what."""

import pytest
from tests.fakes.engine_rest import Answer, Caller, Rest
from tests.fakes.people import PASSWORD

from borealis_engine.operators.permissions import OperatorRole, Permission


async def login(rest: Rest, username: str = "ada", password: str = PASSWORD, **more: object) -> Answer:
    return await rest.nobody.post("/api/auth/login", {"username": username, "password": password}, **more)


def session_of(answer: Answer) -> str:
    return (answer.header("set-cookie") or "").partition("borealis_session_5000=")[2].partition(";")[0]


async def test_signing_in_gives_a_cookie_that_scripts_and_other_sites_cannot_use(rest: Rest) -> None:
    await rest.people.set_up()
    answer = await login(rest)
    assert answer.status == 200
    parts = {part.strip().lower() for part in (answer.header("set-cookie") or "").split(";")[1:]}
    assert parts == {"httponly", "secure", "samesite=strict", "path=/", "max-age=604800"}
    body = answer.json()
    assert set(body) == {
        "status", "username", "display_name", "role", "sites", "permissions", "mfa_enabled", "csrf", "via",
    }  # fmt: skip
    assert session_of(answer) not in answer.body.decode()
    assert answer.header("cache-control") == "no-store"


async def test_rejects_unknown_user_and_wrong_password_with_the_same_bytes(rest: Rest) -> None:
    await rest.people.set_up()
    answers = [
        await login(rest, "nobody", peer="192.0.2.1"),
        await login(rest, "ada", "wrong password, sorry", peer="192.0.2.2"),
    ]
    assert {answer.status for answer in answers} == {401}
    assert answers[0].body == answers[1].body
    assert answers[0].headers == answers[1].headers


async def test_rejects_guesses_after_a_while_and_says_how_long_to_wait(rest: Rest) -> None:
    await rest.people.set_up()
    statuses = [(await login(rest, "ada", f"wrong password {n}")).status for n in range(8)]
    assert statuses == [401] * 6 + [429] * 2
    held = await login(rest)
    assert held.header("retry-after") == "1"
    rest.people.clock.advance(1)
    assert (await login(rest)).status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"username": "ada", "password_sha512": "0" * 128}, "password_hash_refused"),
        ({"username": "ada", "password": PASSWORD, "password_sha512": "0" * 128}, "password_hash_refused"),
        ({"username": "ada", "password": PASSWORD, "password_sha512": ""}, "password_hash_refused"),
        ({"username": "ada"}, "missing_credentials"),
        ({"username": "ada", "password": ""}, "missing_credentials"),
        ({"username": "", "password": PASSWORD}, "invalid_request"),
        ({"password": PASSWORD}, "invalid_request"),
        ({"username": ["ada"], "password": PASSWORD}, "invalid_request"),
        ({"username": "ada", "password": PASSWORD, "remember": True}, "invalid_request"),
        ({"username": "ada", "password": "x" * 1025}, "invalid_request"),
        ([], "invalid_request"),
        (None, "invalid_request"),
    ],
)
async def test_rejects_sign_ins_of_another_form(rest: Rest, body: object, code: str) -> None:
    await rest.people.set_up()
    answer = await rest.call("POST", "/api/auth/login", b"null" if body is None else body)
    assert (answer.status, answer.code) == (400, code)
    assert PASSWORD not in answer.body.decode()


async def test_rejects_a_sign_in_that_another_sites_page_sends(rest: Rest) -> None:
    await rest.people.set_up()
    answer = await login(rest, headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.code) == (403, "cross_site")
    form = await rest.nobody.post(
        "/api/auth/login", b"username=ada&password=x", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (form.status, form.code) == (415, "unsupported_media_type")
    plain = await rest.nobody.post("/api/auth/login", b"{}", headers={"Content-Type": "text/plain"})
    assert plain.status == 415


async def test_signing_in_with_a_second_factor_takes_two_steps(rest: Rest) -> None:
    secret, codes = await rest.people.enable_totp(await rest.people.set_up())
    first = await login(rest)
    assert "set-cookie" not in dict(first.headers)
    body = first.json()
    assert (body["status"], body["stage"], body["username"]) == ("mfa_required", "verify", "ada")
    rest.people.clock.advance(30)
    wrong = await rest.nobody.post("/api/auth/mfa/verify", {"pending_token": body["pending_token"], "code": "000000"})
    assert (wrong.status, wrong.code) == (401, "invalid_code")
    code = rest.people.code(secret)
    right = await rest.nobody.post(
        "/api/auth/mfa/verify", {"pending_token": body["pending_token"], "code": f"{code[:3]} {code[3:]}"}
    )
    assert (right.status, right.json()["mfa_enabled"]) == (200, True)
    again = await rest.nobody.post("/api/auth/mfa/verify", {"pending_token": body["pending_token"], "code": code})
    assert (again.status, again.code) == (401, "mfa_pending")
    pending = (await login(rest)).json()["pending_token"]
    replay = await rest.nobody.post("/api/auth/mfa/verify", {"pending_token": pending, "code": code})
    assert (replay.status, replay.code) == (401, "invalid_code")
    recovered = await rest.nobody.post("/api/auth/mfa/verify", {"pending_token": pending, "code": codes[0]})
    assert recovered.status == 200
    pending = (await login(rest)).json()["pending_token"]
    spent = await rest.nobody.post("/api/auth/mfa/verify", {"pending_token": pending, "code": codes[0]})
    assert (spent.status, spent.code) == (401, "invalid_code")


async def test_a_second_factor_is_set_up_confirmed_and_turned_off(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    assert (await ada.post("/api/auth/mfa/setup", {"password": "wrong"})).code == "invalid_credentials"
    offer = (await ada.post("/api/auth/mfa/setup", {"password": PASSWORD})).json()
    assert offer["otpauth_url"].startswith("otpauth://totp/Borealis:ada?")
    assert (await ada.post("/api/auth/mfa/confirm", {"code": "000000"})).code == "invalid_code"
    confirmed = await ada.post("/api/auth/mfa/confirm", {"code": rest.people.code(offer["secret"])})
    assert (confirmed.status, len(confirmed.json()["recovery_codes"])) == (200, 8)
    assert (await ada.get("/api/auth/me")).json()["mfa_enabled"] is True
    assert (await ada.post("/api/auth/mfa/setup", {"password": PASSWORD})).code == "mfa_enabled"
    rest.people.clock.advance(30)
    off = {"password": PASSWORD, "code": rest.people.code(offer["secret"])}
    assert (await ada.post("/api/auth/mfa/disable", off)).json() == {"status": "ok"}
    assert (await ada.get("/api/auth/me")).json()["mfa_enabled"] is False
    assert (await ada.post("/api/auth/mfa/disable", off)).code == "mfa_not_enabled"


async def test_me_tells_who_is_calling_and_what_they_may_do(rest: Rest) -> None:
    await rest.people.set_up()
    site = await rest.people.add_site("Oslo")
    vera = await rest.person("Vera", OperatorRole.VIEWER, sites=frozenset({site}))
    body = (await vera.get("/api/auth/me")).json()
    assert (body["username"], body["role"], body["sites"], body["via"]) == ("Vera", "Viewer", [site], "session")
    assert body["permissions"] == ["devices.read", "enrolment.read", "runs.read", "scripts.read", "sites.read", "self"]
    assert body["csrf"] == vera.headers["X-Borealis-CSRF"]
    program = await rest.token("ada", Permission.SELF)
    body = (await program.get("/api/auth/me")).json()
    assert (body["username"], body["permissions"], body["csrf"], body["via"]) == ("ada", ["self"], "", "token")
    body = (await rest.owner().get("/api/auth/me")).json()
    assert (body["username"], body["role"], body["sites"], body["via"]) == ("owner", "Admin", None, "owner")


async def test_signing_out_ends_the_session_and_makes_the_browser_forget(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    answer = await ada.post("/api/auth/logout")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert "max-age=0" in (answer.header("set-cookie") or "").lower()
    assert (await ada.get("/api/auth/me")).status == 401
    assert (await ada.post("/api/auth/logout")).status == 401


async def test_sessions_are_listed_and_ended(rest: Rest) -> None:
    here = rest.signed_in(await rest.people.set_up())
    await rest.people.sign_in()
    await rest.people.sign_in()
    sessions = (await here.get("/api/auth/sessions")).json()["sessions"]
    assert [session["current"] for session in sessions].count(True) == 1
    other = next(session["id"] for session in sessions if not session["current"])
    assert (await here.delete(f"/api/auth/sessions/{other}")).json() == {"status": "ok"}
    assert (await here.delete(f"/api/auth/sessions/{other}")).code == "session_not_found"
    assert (await here.delete("/api/auth/sessions")).json() == {"status": "ok", "ended": 1}
    (left,) = (await here.get("/api/auth/sessions")).json()["sessions"]
    assert left["current"] is True


async def test_the_password_is_changed_with_the_current_one(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    body = {"current_password": PASSWORD, "new_password": "a new good password"}
    assert (await ada.post("/api/auth/password", {**body, "current_password": "x"})).code == "invalid_credentials"
    assert (await ada.post("/api/auth/password", {**body, "new_password": "short"})).code == "weak_password"
    assert (await ada.post("/api/auth/password", body)).json() == {"status": "ok"}
    assert (await login(rest)).status == 401
    assert (await login(rest, password="a new good password")).status == 200


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/api/auth/logout", None),
        ("POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": "a new good password"}),
        ("POST", "/api/auth/mfa/setup", {"password": PASSWORD}),
        ("POST", "/api/auth/mfa/confirm", {"code": "000000"}),
        ("POST", "/api/auth/mfa/disable", {"password": PASSWORD, "code": "000000"}),
        ("DELETE", "/api/auth/sessions", None),
        ("POST", "/api/tokens", {"name": "x", "scopes": ["self"]}),
    ],
)
async def test_rejects_programs_where_a_person_has_to_be(
    rest: Rest, method: str, target: str, body: dict[str, object] | None
) -> None:
    await rest.people.set_up()
    callers: list[Caller] = [await rest.token("ada", *Permission), rest.owner()]
    for caller in callers:
        answer = await caller.call(method, target, body)
        assert (answer.status, answer.code) == (403, "session_required"), answer.body


async def test_rejects_secrets_in_answers_log_and_audit(rest: Rest, caplog: pytest.LogCaptureFixture) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    await login(rest, "ada", "a wrong secret phrase")
    await login(rest, "typed-password-as-name", "x")
    made = (await ada.post("/api/tokens", {"name": "ci", "scopes": ["self"]})).json()
    await ada.post("/api/auth/password", {"current_password": PASSWORD, "new_password": "a new good password"})
    written = (await ada.get("/api/audit?limit=500")).body.decode() + caplog.text
    listed = (await ada.get("/api/tokens")).body.decode()
    for secret in (PASSWORD, "a wrong secret phrase", "typed-password-as-name", "a new good password", made["token"]):
        assert secret not in written
        assert secret not in listed
