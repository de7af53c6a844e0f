"""Set-up: one link, one first operator, once."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.fakes.people import PASSWORD, PEER, URL, People, open_people

from borealis_engine.core.errors import Conflict, EngineError, Fatal, Forbidden, Invalid, RateLimited
from borealis_engine.operators.models import SETUP_LINK_SECONDS, NewSession
from borealis_engine.operators.permissions import OperatorRole
from borealis_engine.operators.service import load_or_create_key


async def complete(people: People, token: str, username: str = "ada", *, peer: str = PEER) -> NewSession:
    return await people.operators.first.complete(
        token, username=username, password=PASSWORD, display_name="", peer=peer, user_agent=""
    )


async def fresh_token(people: People) -> str:
    link = await people.operators.create_setup_link()
    address, _, token = link.partition("#")
    assert address == f"{URL}/setup", "the secret is in the part that browsers do not send"
    return token


async def test_the_link_makes_the_first_admin_and_signs_them_in(people: People) -> None:
    assert await people.operators.needs_setup()
    session = await complete(people, await fresh_token(people))
    assert (session.account.role, session.account.sites) == (OperatorRole.ADMIN, None)
    assert not await people.operators.needs_setup()
    await people.operators.authenticate_session(session.token)
    assert [entry.action for entry in await people.entries()] == ["session.open", "setup.complete", "setup.link"]


async def test_rejects_a_second_set_up_even_where_every_account_is_gone(people: People) -> None:
    token = await fresh_token(people)
    await complete(people, token)
    for again in (token, "", "x"):
        with pytest.raises(Conflict, match="setup_done"):
            await complete(people, again, "eve")
    await people.db.write(lambda connection: connection.execute(text("DELETE FROM users")))
    with pytest.raises(Conflict, match="setup_done"):
        await people.operators.create_setup_link()
    with pytest.raises(Conflict, match="setup_done"):
        await complete(people, token, "eve")
    assert not await people.operators.needs_setup()


async def test_rejects_set_up_where_an_operator_exists(people: People) -> None:
    token = await fresh_token(people)
    await people.add("bob", OperatorRole.VIEWER)
    with pytest.raises(Conflict, match="setup_done"):
        await complete(people, token)


async def test_rejects_all_but_one_of_many_at_the_same_moment(people: People) -> None:
    token = await fresh_token(people)
    outcomes = await asyncio.gather(
        *(complete(people, token, f"user{n}", peer=f"192.0.2.{n}") for n in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, NewSession) for outcome in outcomes) == 1
    assert all(isinstance(outcome, NewSession | Conflict) for outcome in outcomes)
    assert len(await people.operators.accounts.list(people.owner)) == 1


async def test_rejects_the_database_itself_a_second_set_up(people: People) -> None:
    await complete(people, await fresh_token(people))
    insert = text("INSERT INTO setup_state (id, completed_at) VALUES (1, 0)")
    with pytest.raises(Exception, match="UNIQUE"):
        await people.db.write(lambda connection: connection.execute(insert))


async def test_rejects_wrong_old_and_expired_links(people: People) -> None:
    old = await fresh_token(people)
    new = await fresh_token(people)
    for number, token in enumerate((old, new + "x", "", "\ud800")):
        with pytest.raises(Forbidden, match="invalid_setup_token"):
            await complete(people, token, peer=f"192.0.2.{number}")
    people.clock.advance(SETUP_LINK_SECONDS)
    with pytest.raises(Forbidden, match="invalid_setup_token"):
        await complete(people, new)
    assert await people.operators.needs_setup()


async def test_rejects_link_guesses_after_five(people: People) -> None:
    token = await fresh_token(people)
    for _ in range(6):
        with pytest.raises(Forbidden):
            await complete(people, "guess")
    with pytest.raises(RateLimited, match="set-up links"):
        await complete(people, token)
    await complete(people, token, peer="198.51.100.1")


async def test_rejects_link_guesses_without_work_for_the_password_threads(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def must_not(_password: str) -> str:
        raise AssertionError("hashed a password for a stranger")

    await fresh_token(people)
    monkeypatch.setattr(people.operators._ground.hashing, "hash", must_not)
    with pytest.raises(Forbidden):
        await complete(people, "guess")


async def test_a_weak_password_or_bad_name_leaves_the_link_good(people: People) -> None:
    token = await fresh_token(people)
    with pytest.raises(Invalid, match="weak_password"):
        await people.operators.first.complete(
            token, username="ada", password="short", display_name="", peer=PEER, user_agent=""
        )
    for username in ("", "owner", "a b"):
        with pytest.raises(Invalid, match="invalid_username"):
            await complete(people, token, username)
    await complete(people, token)


async def test_the_database_holds_no_link(people: People) -> None:
    token = await fresh_token(people)
    copied = b"".join(path.read_bytes() for path in people.folder.glob("database.db*"))
    assert token.encode() not in copied


# --- the key that seals second factors


async def test_second_factors_survive_a_restart(people: People) -> None:
    secret, _ = await people.enable_totp(await people.set_up())
    people.operators.close()
    people.db.close()
    async with open_people(people.folder) as later:
        later.clock.advance(60)
        outcome = await later.operators.sign_in.login("ada", PASSWORD, peer=PEER, user_agent="")
        assert not isinstance(outcome, NewSession)
        await later.operators.sign_in.verify_second_factor(
            outcome.pending_token, later.code(secret), peer=PEER, user_agent=""
        )


def test_the_key_is_made_once_and_private(people: People) -> None:
    path = people.folder / "Data" / "Secrets" / "totp.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key(path, people.randomness) == path.read_bytes()


def test_survives_a_torn_key_by_saying_so(tmp_path: Path, people: People) -> None:
    path = tmp_path / "totp.key"
    path.write_bytes(b"torn")
    with pytest.raises(Fatal, match="totp_key_damaged"):
        load_or_create_key(path, people.randomness)
    assert path.read_bytes() == b"torn", "never replaced silently"


async def test_rejects_second_factors_before_the_start(people: People) -> None:
    session = await people.set_up()
    people.operators.second_factor._box = None
    with pytest.raises(EngineError, match="starting"):
        await people.operators.second_factor.offer(session.principal)
