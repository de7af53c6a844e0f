"""Accounts, personal tokens and the audit log over REST."""

import pytest
from tests.fakes.engine_rest import Caller, Rest
from tests.fakes.people import PASSWORD

from borealis_engine.audit import AuditEntry
from borealis_engine.operators.permissions import OperatorRole, Permission

BOB = {"username": "bob", "password": "correct horse battery", "role": "Operator"}


@pytest.fixture
async def ada(rest: Rest) -> Caller:
    """The first operator, signed in."""
    return rest.signed_in(await rest.people.set_up())


async def test_an_admin_makes_changes_and_removes_accounts(rest: Rest, ada: Caller) -> None:
    site = await rest.people.add_site("Oslo")
    made = await ada.post("/api/users", {**BOB, "display_name": "Bob B.", "sites": [site, site]})
    assert made.status == 201
    bob = made.json()
    assert (bob["username"], bob["display_name"], bob["role"], bob["sites"]) == ("bob", "Bob B.", "Operator", [site])
    assert "password" not in made.body.decode()
    assert (await ada.post("/api/users/BOB/role", {"role": "Viewer"})).json()["role"] == "Viewer"
    assert (await ada.post("/api/users/bob/sites", {"sites": None})).json()["sites"] is None
    assert (await ada.post("/api/users/bob/sites", {"sites": []})).json()["sites"] == []
    assert (await ada.post("/api/users/bob/disabled", {"disabled": True})).json()["disabled"] is True
    assert (await ada.post("/api/users/bob/disabled", {"disabled": False})).json()["disabled"] is False
    reset = await ada.post("/api/users/bob/reset_password", {"password": "another good password"})
    assert reset.status == 200
    await rest.people.sign_in("bob", password="another good password")
    assert [user["username"] for user in (await ada.get("/api/users")).json()["users"]] == ["ada", "bob"]
    assert (await ada.delete("/api/users/bob")).json() == {"status": "ok"}
    assert (await ada.delete("/api/users/bob")).code == "user_not_found"


async def test_a_lost_second_factor_is_taken_away(rest: Rest, ada: Caller) -> None:
    await rest.people.add("bob")
    await rest.people.enable_totp(await rest.people.sign_in("bob"))
    assert (await ada.post("/api/users/bob/mfa", {"enabled": True})).code == "mfa_by_owner_only"
    assert (await ada.post("/api/users/bob/mfa", {"enabled": False})).json()["mfa_enabled"] is False
    await rest.people.sign_in("bob")


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("POST", "/api/users", {**BOB, "username": "ADA"}, 409, "user_exists"),
        ("POST", "/api/users", {**BOB, "sites": [99]}, 404, "site_not_found"),
        ("POST", "/api/users", {**BOB, "password": "short"}, 400, "weak_password"),
        ("POST", "/api/users", {**BOB, "username": "owner"}, 400, "invalid_username"),
        ("POST", "/api/users", {"username": "bob", "role": "Viewer"}, 400, "missing_credentials"),
        ("POST", "/api/users", {**BOB, "password_sha512": "0" * 128}, 400, "password_hash_refused"),
        ("POST", "/api/users/vera/reset_password", {"password_sha512": "0"}, 400, "password_hash_refused"),
        ("POST", "/api/users/ada/role", {"role": "Viewer"}, 409, "last_admin"),
        ("POST", "/api/users/ada/sites", {"sites": []}, 409, "last_admin"),
        ("POST", "/api/users/ada/disabled", {"disabled": True}, 409, "last_admin"),
        ("DELETE", "/api/users/ada", None, 409, "own_account"),
        ("POST", "/api/users/ada/reset_password", {"password": PASSWORD}, 409, "own_account"),
        ("POST", "/api/users/ada/mfa", {}, 409, "own_account"),
        ("POST", "/api/users/nobody/role", {"role": "Viewer"}, 404, "user_not_found"),
    ],
)
async def test_rejects_changes_that_must_not_be(
    rest: Rest, ada: Caller, method: str, target: str, body: object, status: int, code: str
) -> None:
    await rest.people.add("vera", OperatorRole.VIEWER)
    answer = await ada.call(method, target, body)
    assert (answer.status, answer.code) == (status, code), answer
    accounts = {
        account.username: account.role for account in await rest.people.operators.accounts.list(rest.people.owner)
    }
    assert accounts == {"ada": OperatorRole.ADMIN, "vera": OperatorRole.VIEWER}


async def test_rejects_account_changes_by_an_admin_of_some_sites(rest: Rest, ada: Caller) -> None:
    site = await rest.people.add_site("Oslo")
    eve = await rest.person("eve", OperatorRole.ADMIN, sites=frozenset({site}))
    for answer in (
        await eve.get("/api/users"),
        await eve.post("/api/users", BOB),
        await eve.post("/api/users/eve/sites", {"sites": None}),
        await eve.post("/api/users/ada/reset_password", {"password": "another good password"}),
        await eve.delete("/api/users/ada"),
    ):
        assert (answer.status, answer.code) == (403, "forbidden")


# --- personal tokens


async def test_a_token_is_shown_once_and_works_within_its_scopes(rest: Rest, ada: Caller) -> None:
    made = await ada.post("/api/tokens", {"name": "ci", "scopes": ["devices.read", "self"], "expires_in_days": 1})
    body = made.json()
    assert made.status == 201
    assert body["expires_at"] == rest.people.clock.now() + 86400
    program = Caller(rest, {"Authorization": f"Bearer {body['token']}"})
    assert (await program.get("/api/devices")).status == 200
    refused = await program.post("/api/sites", {"name": "Oslo"})
    assert (refused.status, refused.code) == (403, "forbidden")
    (listed,) = (await program.get("/api/tokens")).json()["tokens"]
    assert listed == {**{name: body[name] for name in body if name != "token"}, "last_used_at": rest.people.clock.now()}
    assert (await ada.delete(f"/api/tokens/{body['id']}")).json() == {"status": "ok"}
    assert (await program.get("/api/devices")).status == 401
    assert (await ada.delete(f"/api/tokens/{body['id']}")).code == "token_not_found"


@pytest.mark.parametrize(
    "change",
    [{"scopes": []}, {"scopes": ["everything"]}, {"scopes": "self"}, {"name": ""}, {"name": "x" * 129},
     {"expires_in_days": 0}, {"expires_in_days": 367}, {"expires_in_days": None}, {"user": "bob"}],
)  # fmt: skip
async def test_rejects_tokens_of_another_form(ada: Caller, change: dict[str, object]) -> None:
    answer = await ada.post("/api/tokens", {"name": "ci", "scopes": ["self"], **change})
    assert (answer.status, answer.code) == (400, "invalid_request"), answer


async def test_rejects_a_token_for_rights_one_does_not_have(rest: Rest, ada: Caller) -> None:
    vera = await rest.person("vera", OperatorRole.VIEWER)
    answer = await vera.post("/api/tokens", {"name": "ci", "scopes": ["runs.start"]})
    assert (answer.status, answer.code) == (403, "scope_exceeds_rights")


async def test_rejects_deleting_tokens_of_others(rest: Rest, ada: Caller) -> None:
    made = (await ada.post("/api/tokens", {"name": "ci", "scopes": ["self"]})).json()
    eve = await rest.person("eve", OperatorRole.ADMIN)
    assert (await eve.delete(f"/api/tokens/{made['id']}")).code == "token_not_found"
    assert (await eve.get("/api/tokens")).json() == {"tokens": []}
    assert len((await ada.get("/api/tokens")).json()["tokens"]) == 1


# --- audit


async def test_the_audit_log_is_read_page_by_page(rest: Rest, ada: Caller) -> None:
    for number in range(5):
        await rest.people.audit.record(AuditEntry("bob", "test.deed", "thing", str(number)))
    first = (await ada.get("/api/audit?limit=2&action=test.")).json()
    assert [entry["target"] for entry in first["entries"]] == ["4", "3"]
    second = (await ada.get(f"/api/audit?limit=2&action=test.&before_id={first['next']}")).json()
    assert [entry["target"] for entry in second["entries"]] == ["2", "1"]
    last = (await ada.get(f"/api/audit?limit=2&action=test.&before_id={second['next']}")).json()
    assert ([entry["target"] for entry in last["entries"]], last["next"]) == (["0"], None)
    assert (await ada.get("/api/audit?actor=bob&target=3")).json()["entries"][0]["action"] == "test.deed"
    assert (await ada.get("/api/audit?actor=nobody")).json() == {"entries": [], "next": None}


async def test_rejects_audit_entries_of_other_sites_and_of_none(rest: Rest, ada: Caller) -> None:
    oslo, bergen = await rest.people.add_site("Oslo"), await rest.people.add_site("Bergen")
    for site in (oslo, bergen, None):
        await rest.people.audit.record(AuditEntry("bob", "test.deed", "site", str(site), site_id=site))
    eve = await rest.person("eve", OperatorRole.ADMIN, sites=frozenset({oslo}))
    entries = (await eve.get("/api/audit?limit=500")).json()["entries"]
    assert [entry["target"] for entry in entries] == [str(oslo)]


async def test_rejects_reading_the_audit_log_without_the_right(rest: Rest, ada: Caller) -> None:
    for role in (OperatorRole.OPERATOR, OperatorRole.VIEWER):
        person = await rest.person(role.value.lower(), role)
        assert (await person.get("/api/audit")).status == 403
    program = await rest.token("ada", Permission.SELF)
    assert (await program.get("/api/audit")).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_rejects_every_way_to_change_the_audit_log(ada: Caller, method: str) -> None:
    assert (await ada.call(method, "/api/audit", {})).status == 405
    assert (await ada.call(method, "/api/audit/1", {})).status in {404, 405}
