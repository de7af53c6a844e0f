"""Sessions end when they should, at once, and nobody ends another's."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.fakes.people import PASSWORD, People, open_people

from borealis_engine.core.errors import NotFound, Unauthenticated, Unavailable
from borealis_engine.operators.ground import CACHE_KEYS, CACHE_SECONDS, CredentialCache
from borealis_engine.operators.models import ABSOLUTE_SECONDS, IDLE_SECONDS, NewSession, SignedIn
from borealis_engine.operators.secrets_hash import csrf_of, fingerprint


async def refused(people: People, token: str) -> bool:
    """Whether a session token is no longer good."""
    try:
        await people.operators.authenticate_session(token)
    except Unauthenticated:
        return True
    return False


async def test_the_database_holds_no_token(people: People) -> None:
    session = await people.set_up()
    copied = b"".join(path.read_bytes() for path in people.folder.glob("database.db*"))
    assert fingerprint(session.token).encode() in copied
    assert session.token.encode() not in copied
    assert session.csrf.encode() not in copied


async def test_rejects_a_session_left_alone_for_too_long(people: People) -> None:
    session = await people.set_up()
    people.clock.advance(IDLE_SECONDS - 1)
    assert not await refused(people, session.token)
    people.clock.advance(IDLE_SECONDS - 1)
    assert not await refused(people, session.token), "use keeps it alive"
    people.clock.advance(IDLE_SECONDS)
    assert await refused(people, session.token)


async def test_rejects_a_session_after_its_last_day_however_much_it_is_used(people: People) -> None:
    session = await people.set_up()
    step = 6 * 3600
    for _ in range(int(ABSOLUTE_SECONDS // step) - 1):
        people.clock.advance(step)
        assert not await refused(people, session.token)
    people.clock.advance(step)
    assert await refused(people, session.token)


async def test_logging_out_ends_the_session_at_once_and_only_it(people: People) -> None:
    here, there = await people.set_up(), await people.sign_in()
    assert not await refused(people, here.token), "it is remembered now"
    await people.operators.sessions.logout(here.principal, peer="")
    assert await refused(people, here.token)
    assert not await refused(people, there.token)
    await people.operators.sessions.logout(here.principal, peer="")  # twice is no error


async def test_sessions_are_listed_and_ended_one_by_one_or_all_others(people: People) -> None:
    here = await people.set_up()
    second, third, fourth = [await people.sign_in() for _ in range(3)]
    people.clock.advance(61)
    await people.operators.authenticate_session(here.token)
    rows = await people.operators.sessions.list(here.principal)
    assert rows[0].id == here.principal.credential_id, "newest use first"
    assert len(rows) == 4
    await people.operators.sessions.end(here.principal, second.principal.credential_id, peer="")
    assert await refused(people, second.token)
    assert await people.operators.sessions.end_others(here.principal, peer="") == 2
    assert [await refused(people, session.token) for session in (here, third, fourth)] == [False, True, True]
    assert (await people.entries("session.end_others"))[0].detail == {"ended": 2}


async def test_rejects_ending_the_session_of_somebody_else(people: People) -> None:
    ada = await people.set_up()
    await people.add("bob")
    bob = await people.sign_in("bob")
    with pytest.raises(NotFound, match="session_not_found"):
        await people.operators.sessions.end(bob.principal, ada.principal.credential_id, peer="")
    assert not await refused(people, ada.token)
    assert await people.entries("session.end") == []


async def test_a_barred_account_is_out_at_once_and_its_open_sockets_are_looked_at(people: People) -> None:
    told: list[str] = []
    people.operators.on_rights_changed(lambda: told.append("changed"))
    await people.set_up()
    await people.add("bob")
    bob = await people.sign_in("bob")
    assert not await refused(people, bob.token)
    before = len(told)
    await people.operators.accounts.set_disabled(people.owner, "bob", True, peer="")
    assert len(told) == before + 1
    assert await refused(people, bob.token)


async def test_an_answer_on_its_way_is_not_remembered_after_rights_changed(people: People) -> None:
    session = await people.set_up()
    database_read = people.db.read

    async def read_then_change(work: Callable[[Connection], Any]) -> Any:
        found = await database_read(work)
        people.operators._ground.cache.drop_all()
        return found

    people.db.read = read_then_change  # type: ignore[method-assign]
    await people.operators.authenticate_session(session.token)
    assert people.operators._ground.cache._kept == {}


async def test_survives_a_full_disk_for_who_is_signed_in(people: People) -> None:
    session = await people.set_up()
    people.clock.advance(120)

    async def full(_work: object) -> object:
        raise Unavailable("database_unavailable", "database or disk is full")

    people.db.write = full  # type: ignore[method-assign, assignment]
    assert not await refused(people, session.token)


async def test_expired_sessions_and_tokens_are_removed_in_time(people: People) -> None:
    session = await people.set_up()
    people.clock.advance(ABSOLUTE_SECONDS)
    pruning = asyncio.ensure_future(people.operators.prune_loop())
    while people.clock.sleeping == 0:
        await asyncio.sleep(0.005)
    fresh = await people.sign_in()
    assert [row.id for row in await people.operators.sessions.list(fresh.principal)] == [fresh.principal.credential_id]
    assert await refused(people, session.token)
    pruning.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pruning


async def test_survives_a_database_that_is_away_while_it_tidies_up(people: People) -> None:
    tries = 0

    async def away(_work: object) -> object:
        nonlocal tries
        tries += 1
        raise Unavailable("database_unavailable", "locked")

    people.db.write = away  # type: ignore[method-assign, assignment]
    people.clock.auto = True
    pruning = asyncio.ensure_future(people.operators.prune_loop())
    async with asyncio.timeout(5):
        while tries < 3:
            await asyncio.sleep(0)
    pruning.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pruning


async def test_sessions_survive_a_restart(people: People) -> None:
    session = await people.set_up()
    people.operators.close()
    people.db.close()
    async with open_people(people.folder) as later:
        assert (await later.operators.authenticate_session(session.token)).principal == session.principal


async def test_a_long_or_strange_program_name_is_cut(people: People) -> None:
    await people.set_up()
    session = await people.operators.sign_in.login("ada", PASSWORD, peer="x" * 200, user_agent="µ" * 500)
    assert isinstance(session, NewSession)
    rows = await people.operators.sessions.list(session.principal)
    row = next(row for row in rows if row.id == session.principal.credential_id)
    assert (row.address, row.user_agent) == ("x" * 64, "?" * 256)


def test_the_csrf_value_is_of_one_session_and_does_not_give_it() -> None:
    assert csrf_of("a") != csrf_of("b")
    assert "token" not in csrf_of("token")


def test_the_memory_of_credentials_is_short_and_bounded() -> None:
    cache = CredentialCache()
    signed_in = SignedIn(None, "csrf", expires_at=1000.0)  # type: ignore[arg-type]
    cache.put("a", signed_in, now=0, generation=0)
    assert cache.get("a", now=CACHE_SECONDS - 1, wall=999) is signed_in
    assert cache.get("a", now=CACHE_SECONDS - 1, wall=1000) is None, "expired by the wall clock"
    cache.put("a", signed_in, now=0, generation=0)
    assert cache.get("a", now=CACHE_SECONDS, wall=0) is None
    for number in range(CACHE_KEYS + 10):
        cache.put(str(number), signed_in, now=0, generation=0)
    assert len(cache._kept) == CACHE_KEYS
