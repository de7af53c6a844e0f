"""Personal tokens and the owner's token: no more than their owner may, and no longer than they should."""

import pytest
from tests.fakes.people import People, open_people

from borealis_engine.core.errors import Conflict, Forbidden, NotFound, Unauthenticated, Unavailable
from borealis_engine.operators import personal_tokens
from borealis_engine.operators.models import MAX_TOKEN_DAYS, OWNER_PREFIX, TOKEN_PREFIX, NewToken
from borealis_engine.operators.permissions import PERMISSIONS, OperatorRole, Permission, Principal

READ = frozenset({Permission.DEVICES_READ})


async def make(people: People, principal: Principal, scopes: frozenset[Permission] = READ, days: int = 1) -> NewToken:
    return await people.operators.tokens.create(principal, name="ci", scopes=scopes, days=days, peer="")


async def who(people: People, token: str, *, direct: bool = False) -> Principal:
    return await people.operators.authenticate_bearer(token, peer="192.0.2.7", direct=direct)


async def test_a_token_may_what_its_scopes_say_and_nothing_else(people: People) -> None:
    session = await people.set_up()
    made = await make(people, session.principal)
    principal = await who(people, made.token)
    assert made.token.startswith(TOKEN_PREFIX)
    assert [permission for permission in Permission if principal.may(permission)] == [Permission.DEVICES_READ]
    assert (principal.username, principal.via, principal.credential_id) == ("ada", "token", made.row.id)


async def test_the_database_holds_no_token_text(people: People) -> None:
    made = await make(people, (await people.set_up()).principal)
    copied = b"".join(path.read_bytes() for path in people.folder.glob("database.db*"))
    assert made.row.id.encode() in copied
    assert made.token.encode() not in copied


async def test_rejects_scopes_beyond_ones_own_rights(people: People) -> None:
    await people.set_up()
    await people.add("vera", OperatorRole.VIEWER)
    vera = (await people.sign_in("vera")).principal
    with pytest.raises(Forbidden, match=r"scope_exceeds_rights.*runs\.start"):
        await make(people, vera, frozenset({Permission.RUNS_START, Permission.RUNS_READ}))
    assert await people.operators.tokens.list(vera) == []


async def test_rejects_tokens_made_by_tokens(people: People) -> None:
    session = await people.set_up()
    made = await make(people, session.principal, frozenset(Permission))
    principal = await who(people, made.token)
    for caller in (principal, people.owner):
        with pytest.raises(Forbidden, match="session_required"):
            await make(people, caller)


async def test_a_token_is_limited_to_the_sites_of_its_owner_as_they_are_now(people: People) -> None:
    await people.set_up()
    oslo, bergen = await people.add_site("Oslo"), await people.add_site("Bergen")
    await people.add("bob", sites=frozenset({oslo}))
    made = await make(people, (await people.sign_in("bob")).principal)
    assert (await who(people, made.token)).sites == frozenset({oslo})
    await people.operators.accounts.set_sites(people.owner, "bob", frozenset({bergen}), peer="")
    assert (await who(people, made.token)).sites == frozenset({bergen})


async def test_rejects_expired_deleted_unknown_and_barred(people: People) -> None:
    await people.set_up()
    await people.add("bob")
    bob = (await people.sign_in("bob")).principal
    expiring, deleted, barred = [await make(people, bob, days=days) for days in (1, 9, 9)]
    await who(people, deleted.token)
    await people.operators.tokens.delete(bob, deleted.row.id, peer="")
    people.clock.advance(86400)
    for token in (expiring.token, deleted.token, TOKEN_PREFIX + "x" * 43, TOKEN_PREFIX, "", "Bearer", "\x00\ud800"):
        with pytest.raises(Unauthenticated, match="unauthorized"):
            await who(people, token)
    await who(people, barred.token)
    await people.operators.accounts.set_disabled(people.owner, "bob", True, peer="")
    with pytest.raises(Unauthenticated):
        await who(people, barred.token)


async def test_rejects_deleting_the_token_of_somebody_else(people: People) -> None:
    ada = (await people.set_up()).principal
    await people.add("bob", OperatorRole.ADMIN)
    made = await make(people, ada)
    with pytest.raises(NotFound, match="token_not_found"):
        await people.operators.tokens.delete((await people.sign_in("bob")).principal, made.row.id, peer="")
    await who(people, made.token)


async def test_rejects_tokens_beyond_a_hundred(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_tokens, "MAX_TOKENS", 2)
    ada = (await people.set_up()).principal
    await make(people, ada)
    await make(people, ada)
    with pytest.raises(Conflict, match="too_many_tokens"):
        await make(people, ada)


async def test_its_last_use_is_shown_and_its_life_is_bounded(people: People) -> None:
    ada = (await people.set_up()).principal
    made = await make(people, ada, days=10**6)
    assert made.row.expires_at == people.clock.now() + MAX_TOKEN_DAYS * 86400
    assert made.row.last_used_at is None
    people.clock.advance(5)
    await who(people, made.token)
    (row,) = await people.operators.tokens.list(ada)
    assert row.last_used_at == people.clock.now()


async def test_survives_a_full_disk_for_who_has_a_token(people: People) -> None:
    made = await make(people, (await people.set_up()).principal)

    async def full(_work: object) -> object:
        raise Unavailable("database_unavailable", "database or disk is full")

    people.db.write = full  # type: ignore[method-assign, assignment]
    assert (await who(people, made.token)).username == "ada"


async def test_a_scope_that_no_version_knows_any_more_is_left_out(people: People) -> None:
    from sqlalchemy import text

    made = await make(people, (await people.set_up()).principal)
    update = text("""UPDATE personal_tokens SET scopes = '["devices.read", "gone.away"]'""")
    await people.db.write(lambda connection: connection.execute(update))
    assert (await who(people, made.token)).scopes == READ


# --- the owner's token


async def test_the_owner_is_let_in_by_a_file_that_only_they_can_read(people: People) -> None:
    path = people.operators.ensure_owner_token()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    token = path.read_text()
    assert token.startswith(OWNER_PREFIX)
    owner = await who(people, token, direct=True)
    assert (owner.username, owner.role, owner.sites, owner.via) == ("owner", OperatorRole.ADMIN, None, "owner")
    assert owner.operator_id is None


async def test_rejects_the_owner_token_from_elsewhere_or_of_an_earlier_start(people: People) -> None:
    token = people.operators.ensure_owner_token().read_text()
    with pytest.raises(Unauthenticated):
        await who(people, token, direct=False)
    people.operators.ensure_owner_token()
    with pytest.raises(Unauthenticated):
        await who(people, token, direct=True)


@pytest.mark.parametrize("guess", [OWNER_PREFIX, OWNER_PREFIX + "x", OWNER_PREFIX + "\ud800"])
async def test_rejects_guesses_at_an_owner_token_that_was_never_made(people: People, guess: str) -> None:
    with pytest.raises(Unauthenticated):
        await who(people, guess, direct=True)


async def test_rejects_the_owner_where_an_account_is_needed(people: People) -> None:
    for work in (people.operators.tokens.list(people.owner), people.operators.sessions.list(people.owner)):
        with pytest.raises(Forbidden, match="no_account"):
            await work


# --- the table


def test_a_viewer_changes_nothing_but_their_own_account() -> None:
    changing = {Permission.DEVICES_EDIT, Permission.DEVICES_REVOKE, Permission.ENROLMENT_DECIDE, Permission.RUNS_START}
    changing |= {Permission.SITES_EDIT, Permission.OPERATORS_MANAGE, Permission.SERVER_MANAGE}
    assert not PERMISSIONS[OperatorRole.VIEWER] & changing
    assert PERMISSIONS[OperatorRole.VIEWER] < PERMISSIONS[OperatorRole.OPERATOR] < PERMISSIONS[OperatorRole.ADMIN]


def test_rejects_affairs_of_the_whole_engine_for_an_admin_of_some_sites() -> None:
    whole = {Permission.OPERATORS_MANAGE, Permission.SERVER_READ, Permission.SERVER_MANAGE}
    everywhere, somewhere = (Principal(1, "ada", OperatorRole.ADMIN, sites) for sites in (None, frozenset({1})))
    assert {permission for permission in Permission if everywhere.may(permission)} == set(Permission)
    assert {permission for permission in Permission if somewhere.may(permission)} == set(Permission) - whole


async def test_personal_tokens_survive_a_restart(people: People) -> None:
    made = await make(people, (await people.set_up()).principal)
    people.operators.close()
    people.db.close()
    async with open_people(people.folder) as later:
        assert (await who(later, made.token)).username == "ada"
