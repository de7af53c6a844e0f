"""Passkeys over REST, with an authenticator in software: made, used, refused, and told in the audit log."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.engine_rest import Answer, Caller, Rest, open_rest
from tests.fakes.people import PASSWORD, URL
from tests.fakes.soft_authenticator import PRESENT, SoftAuthenticator, b64, unb64

from borealis_engine.core.errors import Conflict
from borealis_engine.operators import passkey_ceremony as ceremony
from borealis_engine.operators.permissions import OperatorRole, Permission

BASE = "/api/auth/passkeys"


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    """Nobody is set up yet."""
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened


@pytest.fixture
async def ada(rest: Rest) -> Caller:
    """The first operator, signed in."""
    return rest.signed_in(await rest.people.set_up())


def public(rest: Rest) -> Caller:
    """A browser on our page that is not signed in."""
    return Caller(rest, {"Origin": URL})


async def offered(caller: Caller) -> dict[str, Any]:
    answer = await caller.post(f"{BASE}/register/options", {"password": PASSWORD})
    assert answer.status == 200, answer
    options: dict[str, Any] = answer.json()
    return options


async def enrol(caller: Caller, key: SoftAuthenticator | None = None, name: str = "Laptop") -> SoftAuthenticator:
    key = key or SoftAuthenticator(URL)
    made = key.create(await offered(caller))
    answer = await caller.post(f"{BASE}/register/verify", {"credential": made, "name": name})
    assert answer.status == 201, answer
    return key


async def challenge(rest: Rest) -> dict[str, Any]:
    options: dict[str, Any] = (await public(rest).post(f"{BASE}/authenticate/options")).json()
    return options


async def sign_in(rest: Rest, key: SoftAuthenticator) -> Answer:
    credential = key.get(await challenge(rest))
    return await public(rest).post(f"{BASE}/authenticate/verify", {"credential": credential})


async def test_a_passkey_signs_in_without_name_password_or_code(rest: Rest, ada: Caller) -> None:
    await rest.people.add("bob", OperatorRole.VIEWER)
    session = await rest.people.sign_in("bob")
    await rest.people.enable_totp(session)
    key = await enrol(rest.signed_in(session))
    answer = await sign_in(rest, key)
    assert answer.status == 200, answer
    body = answer.json()
    assert (body["status"], body["username"], body["role"]) == ("ok", "bob", "Viewer")
    cookie = answer.header("set-cookie") or ""
    assert "HttpOnly" in cookie
    assert "borealis_session_5000=" in cookie
    (row,) = (await rest.signed_in(session).get(BASE)).json()["passkeys"]
    assert row["last_used_at"] is not None
    entry = (await rest.people.entries("session.open"))[0]
    assert (entry.actor, entry.detail["how"]) == ("bob", "passkey")


async def test_options_ask_for_a_verified_holder_and_tell_nothing_of_accounts(rest: Rest, ada: Caller) -> None:
    making = (await offered(ada))["publicKey"]
    assert making["rp"] == {"id": "engine.example", "name": "Borealis"}
    assert making["attestation"] == "none"
    assert making["authenticatorSelection"]["userVerification"] == "required"
    assert making["authenticatorSelection"]["residentKey"] == "required"
    await enrol(ada)
    assert len((await offered(ada))["publicKey"]["excludeCredentials"]) == 1
    using = (await challenge(rest))["publicKey"]
    assert using["userVerification"] == "required"
    assert using["rpId"] == "engine.example"
    assert not using.get("allowCredentials")


async def test_passkeys_are_listed_renamed_and_deleted_by_their_owner_alone(rest: Rest, ada: Caller) -> None:
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    key = await enrol(ada)
    (row,) = (await ada.get(BASE)).json()["passkeys"]
    assert (row["name"], row["last_used_at"], row["backed_up"]) == ("Laptop", None, False)
    assert (await bob.get(BASE)).json() == {"passkeys": []}
    assert (await bob.call("PATCH", f"{BASE}/{row['id']}", {"name": "x"})).code == "passkey_not_found"
    assert (await bob.delete(f"{BASE}/{row['id']}")).code == "passkey_not_found"
    assert (await ada.call("PATCH", f"{BASE}/{row['id']}", {"name": " "})).code == "invalid_name"
    assert (await ada.call("PATCH", f"{BASE}/{row['id']}", {"name": "Desk"})).json()["name"] == "Desk"
    assert (await ada.delete(f"{BASE}/{row['id']}")).json() == {"status": "ok"}
    assert (await sign_in(rest, key)).code == "invalid_passkey"
    actions = [entry.action for entry in await rest.people.entries("passkey.")]
    assert actions == ["passkey.delete", "passkey.rename", "passkey.create"]
    assert b64(key.credential_id) not in str(await rest.people.entries())


async def test_rejects_making_a_passkey_without_password_or_session(rest: Rest, ada: Caller) -> None:
    answer = await ada.post(f"{BASE}/register/options", {"password": "wrong password here"})
    assert (answer.status, answer.code) == (401, "invalid_credentials")
    program = await rest.token("ada", Permission.SELF)
    for caller in (program, rest.owner()):
        assert (await caller.post(f"{BASE}/register/options", {"password": PASSWORD})).code == "session_required"
        body = {"credential": {}, "name": "x"}
        assert (await caller.post(f"{BASE}/register/verify", body)).code == "session_required"
        assert (await caller.delete(f"{BASE}/x")).code == "session_required"


async def test_rejects_a_passkey_made_in_another_session(rest: Rest, ada: Caller) -> None:
    """Whoever makes somebody's browser send their own answer must not get a passkey into that account."""
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    made = SoftAuthenticator(URL).create(await offered(bob))
    other = rest.signed_in(await rest.people.sign_in("ada"))
    mine = SoftAuthenticator(URL).create(await offered(other))
    for credential in (made, mine, SoftAuthenticator(URL).get(await challenge(rest))):
        answer = await ada.post(f"{BASE}/register/verify", {"credential": credential, "name": "x"})
        assert (answer.status, answer.code) == (400, "invalid_passkey")
    assert (await ada.get(BASE)).json() == {"passkeys": []}


@pytest.mark.parametrize(
    "key",
    [
        SoftAuthenticator("https://evil.example"),
        SoftAuthenticator("http://engine.example:5000"),
        SoftAuthenticator("https://engine.example"),
        SoftAuthenticator(URL, rp_id="evil.example"),
        SoftAuthenticator(URL, flags=PRESENT),
        SoftAuthenticator(URL, flags=0),
    ],
    ids=["origin", "plain http", "port", "host", "not verified", "not present"],
)
async def test_rejects_authenticators_of_other_places_or_unverified_holders(
    rest: Rest, ada: Caller, key: SoftAuthenticator
) -> None:
    made = key.create(await offered(ada))
    answer = await ada.post(f"{BASE}/register/verify", {"credential": made, "name": "x"})
    assert (answer.status, answer.code) == (400, "invalid_passkey")
    good = await enrol(ada)
    good.origin, good.flags, good.rp_id = key.origin, key.flags, key.rp_id
    answer = await sign_in(rest, good)
    assert (answer.status, answer.code) == (401, "invalid_passkey")


async def test_rejects_an_answer_that_comes_twice_late_or_for_another_purpose(rest: Rest, ada: Caller) -> None:
    key = await enrol(ada, SoftAuthenticator(URL, counts=False))
    where = f"{BASE}/authenticate/verify"
    once = {"credential": key.get(await challenge(rest))}
    assert (await public(rest).post(where, once)).status == 200
    assert (await public(rest).post(where, once)).code == "invalid_passkey"
    late = {"credential": key.get(await challenge(rest))}
    rest.people.clock.advance(ceremony.CHALLENGE_SECONDS)
    assert (await public(rest).post(where, late)).code == "invalid_passkey"
    for text in ((await offered(ada))["publicKey"]["challenge"], b64(bytes(64)), "", "?"):
        strange = {"credential": key.get({"publicKey": {"challenge": text}})}
        assert (await public(rest).post(where, strange)).code == "invalid_passkey"
    made = key.create(await offered(ada))
    assert (await ada.post(f"{BASE}/register/verify", {"credential": made, "name": "x"})).code == "passkey_exists"


async def test_rejects_a_counter_that_does_not_grow(rest: Rest, ada: Caller) -> None:
    key = await enrol(ada)
    key.sign_count = 5
    assert (await sign_in(rest, key)).status == 200
    for count in (5, 2, -1):
        key.sign_count = count
        assert (await sign_in(rest, key)).code == "invalid_passkey"
    entry = (await rest.people.entries("session.refuse"))[0]
    assert (entry.actor, entry.detail["step"], entry.detail["cloned_suspected"]) == ("ada", "passkey", True)
    key.sign_count = 6
    assert (await sign_in(rest, key)).status == 200


async def test_rejects_other_keys_owners_and_barred_accounts(rest: Rest, ada: Caller) -> None:
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    key = await enrol(bob)
    thief = SoftAuthenticator(URL, credential_id=key.credential_id, handle=key.handle, rp_id=key.rp_id, sign_count=9)
    assert (await sign_in(rest, thief)).code == "invalid_passkey"
    handle, key.handle = key.handle, b"somebody else"
    assert (await sign_in(rest, key)).code == "invalid_passkey"
    key.handle = handle
    assert (await sign_in(rest, key)).status == 200
    await ada.post("/api/users/bob/disabled", {"disabled": True})
    assert (await sign_in(rest, key)).code == "invalid_passkey"


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/api/users/bob/reset_password", {"password": "another good password"}),
        ("/api/users/bob/mfa", {"enabled": False}),
    ],
)
async def test_an_admins_reset_takes_passkeys_away(rest: Rest, ada: Caller, target: str, body: dict[str, Any]) -> None:
    key = await enrol(await rest.person("bob", OperatorRole.OPERATOR))
    assert (await ada.post(target, body)).status == 200
    assert (await sign_in(rest, key)).code == "invalid_passkey"
    assert await rest.people.rows("user_passkeys") == 0


async def test_rejects_guessing_from_one_address_and_no_other(rest: Rest, ada: Caller) -> None:
    key = await enrol(ada)
    statuses = [
        (await public(rest).post(f"{BASE}/authenticate/verify", {"credential": {"id": str(n)}})).status
        for n in range(24)
    ]
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429
    assert (await sign_in(rest, key)).status == 429
    elsewhere = Caller(rest, {"Origin": URL}, "198.51.100.9")
    credential = key.get(await challenge(rest))
    assert (await elsewhere.post(f"{BASE}/authenticate/verify", {"credential": credential})).status == 200


async def test_rejects_sign_in_from_another_sites_page(rest: Rest, ada: Caller) -> None:
    key = await enrol(ada)
    evil = Caller(rest, {"Origin": "https://evil.example"})
    credential = key.get(await challenge(rest))
    assert (await evil.post(f"{BASE}/authenticate/verify", {"credential": credential})).code == "cross_site"


async def test_rejects_more_passkeys_than_fit(rest: Rest, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borealis_engine.operators.passkeys.MAX_PASSKEYS", 1)
    options = await offered(ada)
    await enrol(ada)
    late = {"credential": SoftAuthenticator(URL).create(options), "name": "x"}
    assert (await ada.post(f"{BASE}/register/verify", late)).code == "too_many_passkeys"
    assert (await ada.post(f"{BASE}/register/options", {"password": PASSWORD})).code == "too_many_passkeys"


@pytest.mark.parametrize(
    ("url", "host", "origin"),
    [
        ("https://Engine.Example:5000", "engine.example", "https://engine.example:5000"),
        ("https://engine.example:443", "engine.example", "https://engine.example"),
        ("https://localhost:5000", "localhost", "https://localhost:5000"),
    ],
)
def test_the_relying_party_is_the_host_of_the_public_url(url: str, host: str, origin: str) -> None:
    party = ceremony.relying_party(url, "Borealis")
    assert (party.id, party.origin) == (host, origin)


@pytest.mark.parametrize("url", ["https://192.0.2.1:5000", "https://[2001:db8::1]", "https://"])
def test_rejects_addresses_as_relying_party(url: str) -> None:
    with pytest.raises(Conflict, match="passkeys_unavailable"):
        ceremony.relying_party(url, "Borealis")


_PARTY = ceremony.relying_party(URL, "Borealis")
_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=6
)
_checks: list[Callable[[dict[str, Any]], object]] = [
    lambda given: ceremony.challenge_of(given, b"k" * 32, "sign in", 0.0),
    lambda given: ceremony.check_registration(_PARTY, given, b"c"),
    lambda given: ceremony.check_authentication(_PARTY, given, b"c", public_key=b"", sign_count=0),
]


@settings(max_examples=60)
@given(
    st.sampled_from(_checks),
    st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "authenticatorData"]),
    _values,
    st.binary(max_size=60),
)
def test_any_answer_of_a_stranger_ends_as_a_refusal(
    check: Callable[[dict[str, Any]], object], member: str, value: Any, noise: bytes
) -> None:
    data = b64(json.dumps({"type": "webauthn.get", "challenge": b64(noise), "origin": URL}).encode())
    response: dict[str, Any] = {
        "clientDataJSON": data,
        "attestationObject": b64(noise),
        "authenticatorData": b64(noise),
        "signature": b64(noise),
    }
    given: dict[str, Any] = {"id": b64(b"x"), "rawId": b64(b"x"), "type": "public-key", "response": response}
    (response if member in response else given)[member] = value
    with pytest.raises(ceremony.PasskeyRefused):
        check(given)
    assert unb64(b64(noise)) == noise
