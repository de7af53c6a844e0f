"""Signing in: one answer for every wrong guess, back-off, codes that work once."""

import asyncio
from typing import Any

import argon2
import pytest
from tests.fakes.people import PASSWORD, PEER, People, open_people, quick_hasher

from borealis_engine.core.errors import Conflict, EngineError, Forbidden, RateLimited, Unauthenticated
from borealis_engine.operators.models import NewSession, SecondFactorNeeded
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal
from borealis_engine.operators.sign_in import MAX_PENDING, PENDING_TRIES

WRONG = "wrong password, sorry"


async def guess(people: People, username: str, password: str = WRONG, *, peer: str = PEER) -> EngineError:
    """A sign-in that must fail; gives the error."""
    with pytest.raises(EngineError) as caught:
        await people.operators.sign_in.login(username, password, peer=peer, user_agent="")
    return caught.value


async def wanted(people: People, username: str = "ada", *, peer: str = PEER) -> SecondFactorNeeded:
    """A sign-in whose password was right and that wants a code."""
    outcome = await people.operators.sign_in.login(username, PASSWORD, peer=peer, user_agent="")
    assert isinstance(outcome, SecondFactorNeeded)
    return outcome


async def verify(people: People, pending: SecondFactorNeeded, code: str, *, peer: str = PEER) -> NewSession:
    return await people.operators.sign_in.verify_second_factor(
        pending.pending_token, code, peer=peer, user_agent="test"
    )


async def test_the_right_password_opens_a_session_that_is_recognised(people: People) -> None:
    await people.set_up("Ada")
    session = await people.sign_in("aDA")
    signed_in = await people.operators.authenticate_session(session.token)
    assert (signed_in.principal.username, signed_in.principal.via) == ("Ada", "session")
    assert signed_in.csrf == session.csrf
    assert [entry.actor for entry in await people.entries("session.open")] == ["Ada", "Ada"]


async def test_rejects_unknown_user_wrong_password_and_barred_account_alike(people: People) -> None:
    await people.set_up()
    await people.add("barred")
    await people.operators.accounts.set_disabled(people.owner, "barred", True, peer="")
    answers = [
        await guess(people, "nobody", peer="192.0.2.1"),
        await guess(people, "ada", peer="192.0.2.2"),
        await guess(people, "barred", PASSWORD, peer="192.0.2.3"),
    ]
    assert {(type(answer), answer.code, answer.detail) for answer in answers} == {
        (Unauthenticated, "invalid_credentials", "User name or password is wrong.")
    }


async def test_rejects_unknown_user_wrong_password_and_barred_account_after_the_same_work(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people.set_up()
    await people.add("barred")
    await people.operators.accounts.set_disabled(people.owner, "barred", True, peer="")
    work: list[str] = []

    def counted(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*given: Any, **named: Any) -> Any:
            work.append(name)
            return real(*given, **named)

        monkeypatch.setattr(owner, name, call)

    counted(people.db, "read")
    counted(people.db, "write")
    counted(people.operators._ground.hashing, "_verify")
    done = []
    for username, password in (("warm-up", WRONG), ("nobody", WRONG), ("ada", WRONG), ("barred", PASSWORD)):
        work.clear()
        await guess(people, username, password)
        done.append(list(work))
    assert done[1] == done[2] == done[3] == ["read", "_verify", "write"]


async def test_rejects_without_keeping_what_was_typed_as_an_unknown_name(people: People) -> None:
    await people.set_up()
    await guess(people, "my-password-in-the-wrong-field")
    await guess(people, "ada")
    refused = await people.entries("session.refuse")
    assert [(entry.actor, entry.target) for entry in refused] == [("ada", "ada"), ("(unknown)", "(unknown)")]
    assert all(entry.address == PEER for entry in refused)


@pytest.mark.parametrize("username", ["ada", "nobody"])
async def test_rejects_guesses_after_five_until_the_wait_is_over(people: People, username: str) -> None:
    await people.set_up()
    for number in range(6):
        assert (await guess(people, username, peer=f"192.0.2.{number}")).code == "invalid_credentials"
    held = await guess(people, username, PASSWORD, peer="192.0.2.99")
    assert isinstance(held, RateLimited), "the right password too: the answer must tell nothing"
    assert held.retry_after == 1
    people.clock.advance(1)
    assert (await guess(people, username, peer="192.0.2.98")).code == "invalid_credentials"
    assert (await guess(people, username, peer="192.0.2.97")).code == "rate_limited"


async def test_the_right_password_after_the_wait_forgets_the_failures(people: People) -> None:
    await people.set_up()
    for _ in range(6):
        await guess(people, "ada")
    people.clock.advance(2)
    await people.sign_in()
    for _ in range(5):
        assert (await guess(people, "ada")).code == "invalid_credentials"


async def test_rejects_guesses_sent_all_at_once(people: People) -> None:
    await people.set_up()
    tries = [people.operators.sign_in.login("ada", f"{WRONG} {n}", peer=PEER, user_agent="") for n in range(30)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, Unauthenticated) for outcome in outcomes) == 6
    assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 24


async def test_rejects_guesses_at_many_names_from_one_address(people: People) -> None:
    codes = [(await guess(people, f"user{number}")).code for number in range(25)]
    assert codes[:21] == ["invalid_credentials"] * 21
    assert set(codes[21:]) == {"rate_limited"}
    assert (await guess(people, "user-from-elsewhere", peer="198.51.100.1")).code == "invalid_credentials"


async def test_an_old_hash_is_renewed_when_its_password_is_seen(people: People) -> None:
    await people.set_up()
    people.operators.close()
    people.db.close()
    stronger = argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)
    async with open_people(people.folder, hasher=stronger) as later:
        session = await later.sign_in()
        await later.operators.authenticate_session(session.token)
        assert not later.operators._ground.hashing.is_outdated(await stored_hash(later))
        await later.enable_totp(session)
    async with open_people(people.folder, hasher=quick_hasher()) as weaker:
        weaker.clock.advance(3600)
        await wanted(weaker)
        assert not weaker.operators._ground.hashing.is_outdated(await stored_hash(weaker))


async def stored_hash(people: People) -> str:
    from borealis_engine.operators import store

    return await people.db.read(lambda connection: store.require_user(connection, "ada").password_hash)


# --- second factor


async def test_a_second_factor_wants_a_code_and_opens_no_session_before(people: People) -> None:
    secret, _ = await people.enable_totp(await people.set_up())
    pending = await wanted(people)
    assert [entry.detail for entry in await people.entries("session.open")] == [{"how": "set-up"}]
    people.clock.advance(30)
    session = await verify(people, pending, people.code(secret))
    assert session.account.mfa_enabled
    assert (await people.entries("session.open"))[0].detail == {"how": "second factor"}


async def test_rejects_a_code_that_was_used_before(people: People) -> None:
    secret, _ = await people.enable_totp(await people.set_up())
    people.clock.advance(30)
    code = people.code(secret)
    await verify(people, await wanted(people), code)
    with pytest.raises(Unauthenticated, match="invalid_code"):
        await verify(people, await wanted(people), code)
    with pytest.raises(Unauthenticated, match="invalid_code"):
        await verify(people, await wanted(people), people.code(secret, steps=-1))
    await verify(people, await wanted(people), people.code(secret, steps=1))


async def test_rejects_the_code_that_confirmed_the_second_factor(people: People) -> None:
    secret, _ = await people.enable_totp(await people.set_up())
    with pytest.raises(Unauthenticated, match="invalid_code"):
        await verify(people, await wanted(people), people.code(secret))


async def test_only_one_of_two_callers_with_the_same_code_gets_in(people: People) -> None:
    secret, _ = await people.enable_totp(await people.set_up())
    people.clock.advance(30)
    pendings = [await wanted(people), await wanted(people)]
    outcomes = await asyncio.gather(
        *(verify(people, pending, people.code(secret)) for pending in pendings), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NewSession", "Unauthenticated"]


async def test_a_recovery_code_works_once(people: People) -> None:
    _, codes = await people.enable_totp(await people.set_up())
    assert len(set(codes)) == 8
    await verify(people, await wanted(people), codes[3].lower())
    with pytest.raises(Unauthenticated, match="invalid_code"):
        await verify(people, await wanted(people), codes[3])
    await verify(people, await wanted(people), codes[4])
    assert [entry.detail for entry in await people.entries("user.recovery_use")] == [{"left": 6}, {"left": 7}]


async def test_rejects_recovery_codes_of_somebody_else(people: People) -> None:
    _, codes = await people.enable_totp(await people.set_up())
    await people.add("bob")
    await people.enable_totp(await people.sign_in("bob"))
    with pytest.raises(Unauthenticated, match="invalid_code"):
        await verify(people, await wanted(people, "bob"), codes[0])


async def test_rejects_a_pending_sign_in_after_its_time_or_its_tries(people: People) -> None:
    secret, _ = await people.enable_totp(await people.set_up())
    late = await wanted(people)
    people.clock.advance(300)
    with pytest.raises(Unauthenticated, match="mfa_pending"):
        await verify(people, late, people.code(secret))
    tired = await wanted(people)
    for number in range(PENDING_TRIES):
        people.clock.advance(2)
        with pytest.raises(Unauthenticated, match="invalid_code"):
            await verify(people, tired, "000000", peer=f"192.0.2.{number}")
    with pytest.raises(Unauthenticated, match="mfa_pending"):
        await verify(people, tired, people.code(secret), peer="192.0.2.90")


async def test_rejects_code_guesses_over_many_sign_ins(people: People) -> None:
    """Who knows the password gets no unlimited number of codes out of signing in again and again."""
    await people.enable_totp(await people.set_up())
    tried = 0
    for number in range(12):
        peer = f"192.0.2.{number}"
        try:
            pending = await wanted(people, peer=peer)
            await verify(people, pending, "000000", peer=peer)
        except RateLimited:
            continue
        except Unauthenticated:
            tried += 1
    assert tried <= 6


async def test_rejects_pending_sign_ins_beyond_a_bound_oldest_first(people: People) -> None:
    secret, _ = await people.enable_totp(await people.set_up())
    service = people.operators.sign_in
    first = await wanted(people)
    template = next(iter(service._pending.values()))
    for _ in range(MAX_PENDING):
        service._remember(template)
    assert len(service._pending) == MAX_PENDING
    people.clock.advance(30)
    with pytest.raises(Unauthenticated, match="mfa_pending"):
        await verify(people, first, people.code(secret))


async def test_rejects_half_finished_sign_ins_when_the_password_was_reset(people: People) -> None:
    await people.set_up()
    await people.add("bob")
    secret, _ = await people.enable_totp(await people.sign_in("bob"))
    pending = await wanted(people, "bob")
    await people.operators.accounts.reset_password(people.owner, "bob", "another good password", peer="")
    people.clock.advance(30)
    with pytest.raises(Unauthenticated, match="mfa_pending"):
        await verify(people, pending, people.code(secret))


async def test_survives_a_lost_key_of_the_second_factors_by_recovery_code(people: People) -> None:
    secret, codes = await people.enable_totp(await people.set_up())
    people.operators.second_factor.unlock(b"x" * 32)
    people.clock.advance(30)
    with pytest.raises(EngineError, match="mfa_unavailable"):
        await verify(people, await wanted(people), people.code(secret))
    await verify(people, await wanted(people), codes[0])


# --- what is confirmed with a password


async def test_changing_the_password_ends_the_other_sessions(people: People) -> None:
    await people.set_up()
    here, there = await people.sign_in(), await people.sign_in()
    await people.operators.sign_in.change_password(here.principal, PASSWORD, "a new good password", peer=PEER)
    await people.operators.authenticate_session(here.token)
    with pytest.raises(Unauthenticated):
        await people.operators.authenticate_session(there.token)
    assert (await guess(people, "ada", PASSWORD)).code == "invalid_credentials"
    await people.sign_in(password="a new good password")


async def test_rejects_a_password_change_without_the_current_one(people: People) -> None:
    session = await people.set_up()
    change = people.operators.sign_in.change_password
    with pytest.raises(Unauthenticated, match="invalid_credentials"):
        await change(session.principal, WRONG, "a new good password", peer=PEER)
    with pytest.raises(EngineError, match="weak_password"):
        await change(session.principal, PASSWORD, "short", peer=PEER)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await change(session.principal, WRONG, "a new good password", peer=PEER)
    with pytest.raises(RateLimited):
        await change(session.principal, PASSWORD, "a new good password", peer=PEER)


async def test_rejects_a_password_change_that_an_admins_reset_overtook(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people.set_up()
    await people.add("bob")
    session = await people.sign_in("bob")
    hashing = people.operators._ground.hashing
    real_hash = hashing.hash

    async def hash_after_a_reset(password: str) -> str:
        monkeypatch.setattr(hashing, "hash", real_hash)
        await people.operators.accounts.reset_password(people.owner, "bob", "given by an Admin", peer="")
        return await real_hash(password)

    monkeypatch.setattr(hashing, "hash", hash_after_a_reset)
    with pytest.raises(Unauthenticated, match="changed meanwhile"):
        await people.operators.sign_in.change_password(session.principal, PASSWORD, "chosen by a thief", peer=PEER)
    await people.sign_in("bob", password="given by an Admin")


async def test_the_second_factor_is_turned_off_with_password_and_code(people: People) -> None:
    session = await people.set_up()
    secret, codes = await people.enable_totp(session)
    remove = people.operators.sign_in.remove_second_factor
    with pytest.raises(Unauthenticated, match="invalid_credentials"):
        await remove(session.principal, WRONG, codes[0], peer=PEER)
    with pytest.raises(Unauthenticated, match="invalid_code"):
        await remove(session.principal, PASSWORD, "000000", peer=PEER)
    people.clock.advance(30)
    await remove(session.principal, PASSWORD, people.code(secret), peer=PEER)
    await people.sign_in()
    with pytest.raises(Conflict, match="mfa_not_enabled"):
        await remove(session.principal, PASSWORD, codes[0], peer=PEER)


async def test_rejects_a_second_second_factor_and_an_unoffered_one(people: People) -> None:
    session = await people.set_up()
    with pytest.raises(Conflict, match="mfa_not_offered"):
        await people.operators.second_factor.confirm(session.principal, "000000", peer=PEER)
    with pytest.raises(Unauthenticated, match="invalid_credentials"):
        await people.operators.sign_in.offer_second_factor(session.principal, WRONG, peer=PEER)
    await people.operators.sign_in.offer_second_factor(session.principal, PASSWORD, peer=PEER)
    with pytest.raises(Unauthenticated, match="invalid_code"):
        await people.operators.second_factor.confirm(session.principal, "000000", peer=PEER)
    await people.sign_in()  # an offer alone asks for no code
    await people.enable_totp(session)
    with pytest.raises(Conflict, match="mfa_enabled"):
        await people.operators.sign_in.offer_second_factor(session.principal, PASSWORD, peer=PEER)


async def test_turning_the_second_factor_on_ends_the_other_sessions(people: People) -> None:
    here = await people.set_up()
    there = await people.sign_in()
    await people.enable_totp(here)
    await people.operators.authenticate_session(here.token)
    with pytest.raises(Unauthenticated):
        await people.operators.authenticate_session(there.token)


async def test_rejects_tokens_where_a_person_has_to_be(people: People) -> None:
    session = await people.set_up()
    by_token = Principal(
        session.account.id, "ada", OperatorRole.ADMIN, scopes=frozenset(Permission), via="token", credential_id="t"
    )
    service = people.operators.sign_in
    for principal in (by_token, people.owner):
        for work in (
            service.change_password(principal, PASSWORD, "a new good password", peer=PEER),
            service.offer_second_factor(principal, PASSWORD, peer=PEER),
            service.remove_second_factor(principal, PASSWORD, "000000", peer=PEER),
            people.operators.second_factor.confirm(principal, "000000", peer=PEER),
            people.operators.sessions.logout(principal, peer=PEER),
            people.operators.sessions.end_others(principal, peer=PEER),
        ):
            with pytest.raises(Forbidden, match="session_required"):
                await work


async def test_outcomes_are_counted(people: People) -> None:
    await people.set_up()
    await people.sign_in()
    for _ in range(7):
        await guess(people, "ada")
    text = people.metrics.render().decode()
    assert 'borealis_sign_ins_total{outcome="opened"} 1.0' in text
    assert 'borealis_sign_ins_total{outcome="refused"} 6.0' in text
    assert 'borealis_sign_ins_total{outcome="held_back"} 1.0' in text
