"""Accounts: who may change them, that an Admin is always left, and that changes count at once."""

from collections.abc import Awaitable, Callable

import pytest
from tests.fakes.people import PASSWORD, People

from borealis_engine.core.errors import Conflict, EngineError, Forbidden, Invalid, NotFound, Unauthenticated
from borealis_engine.operators.models import NewSession
from borealis_engine.operators.permissions import OperatorRole, Permission

Step = Callable[[People, NewSession], Awaitable[object]]
LAST_ADMIN_STEPS: list[tuple[str, Step]] = [
    ("delete", lambda p, _: p.operators.accounts.delete(p.owner, "ada", peer="")),
    ("demote", lambda p, _: p.operators.accounts.set_role(p.owner, "ada", OperatorRole.OPERATOR, peer="")),
    ("limit", lambda p, _: p.operators.accounts.set_sites(p.owner, "ada", frozenset(), peer="")),
    ("bar", lambda p, _: p.operators.accounts.set_disabled(p.owner, "ada", True, peer="")),
    ("demote oneself", lambda p, s: p.operators.accounts.set_role(s.principal, "ada", OperatorRole.VIEWER, peer="")),
]


@pytest.mark.parametrize("step", [step for _, step in LAST_ADMIN_STEPS], ids=[name for name, _ in LAST_ADMIN_STEPS])
async def test_rejects_losing_the_last_admin_of_all_sites(people: People, step: Step) -> None:
    session = await people.set_up()
    site = await people.add_site("Oslo")
    await people.add("limited", OperatorRole.ADMIN, sites=frozenset({site}))
    await people.add("barred", OperatorRole.ADMIN)
    await people.operators.accounts.set_disabled(people.owner, "barred", True, peer="")
    with pytest.raises(Conflict, match="last_admin"):
        await step(people, session)
    ada = next(account for account in await people.operators.accounts.list(people.owner) if account.username == "ada")
    assert (ada.role, ada.sites, ada.disabled) == (OperatorRole.ADMIN, None, False)
    await people.operators.accounts.set_disabled(people.owner, "barred", False, peer="")
    await step(people, session)


async def test_rejects_removing_oneself_and_shortcuts_to_ones_own_credentials(people: People) -> None:
    session = await people.set_up()
    await people.add("eve", OperatorRole.ADMIN)
    accounts = people.operators.accounts
    for step in (
        accounts.delete(session.principal, "ADA", peer=""),
        accounts.reset_password(session.principal, "ada", "a new good password", peer=""),
        accounts.reset_second_factor(session.principal, "ada", peer=""),
    ):
        with pytest.raises(Conflict, match="own_account"):
            await step
    await people.sign_in()


async def test_rejects_account_changes_by_a_site_limited_admin(people: People) -> None:
    await people.set_up()
    site = await people.add_site("Oslo")
    await people.add("eve", OperatorRole.ADMIN, sites=frozenset({site}))
    eve = (await people.sign_in("eve")).principal
    accounts = people.operators.accounts
    for step in (
        accounts.list(eve),
        accounts.create(eve, username="x", password=PASSWORD, role=OperatorRole.ADMIN, peer=""),
        accounts.delete(eve, "ada", peer=""),
        accounts.set_role(eve, "eve", OperatorRole.ADMIN, peer=""),
        accounts.set_sites(eve, "eve", None, peer=""),
        accounts.set_disabled(eve, "ada", True, peer=""),
        accounts.reset_password(eve, "ada", "a new good password", peer=""),
        accounts.reset_second_factor(eve, "ada", peer=""),
    ):
        with pytest.raises(Forbidden, match="site_limited"):
            await step


async def test_a_new_role_counts_in_sessions_and_tokens_that_are_open(people: People) -> None:
    await people.set_up()
    await people.add("bob", OperatorRole.OPERATOR)
    session = await people.sign_in("bob")
    made = await people.operators.tokens.create(
        session.principal, name="ci", scopes=frozenset({Permission.RUNS_START}), days=1, peer=""
    )
    token = await people.operators.authenticate_bearer(made.token, peer="", direct=False)
    assert token.may(Permission.RUNS_START)
    await people.operators.accounts.set_role(people.owner, "bob", OperatorRole.VIEWER, peer="")
    signed_in = await people.operators.authenticate_session(session.token)
    assert not signed_in.principal.may(Permission.RUNS_START)
    token = await people.operators.authenticate_bearer(made.token, peer="", direct=False)
    assert not token.may(Permission.RUNS_START)


async def test_an_operator_whose_last_site_is_deleted_sees_nothing_rather_than_all(people: People) -> None:
    await people.set_up()
    site = await people.add_site("Oslo")
    await people.add("bob", sites=frozenset({site}))
    session = await people.sign_in("bob")
    assert session.principal.sees_site(site)
    from sqlalchemy import text

    await people.db.write(lambda connection: connection.execute(text("DELETE FROM sites")))
    people.operators.sites_changed()
    principal = (await people.operators.authenticate_session(session.token)).principal
    assert principal.sites == frozenset()
    assert not principal.sees_site(site)
    assert not principal.sees_site(None)


async def test_a_password_reset_ends_sessions_and_tokens(people: People) -> None:
    await people.set_up()
    await people.add("bob")
    session = await people.sign_in("bob")
    made = await people.operators.tokens.create(
        session.principal, name="ci", scopes=frozenset({Permission.SELF}), days=1, peer=""
    )
    await people.operators.accounts.reset_password(people.owner, "bob", "another good password", peer="")
    with pytest.raises(Unauthenticated):
        await people.operators.authenticate_session(session.token)
    with pytest.raises(Unauthenticated):
        await people.operators.authenticate_bearer(made.token, peer="", direct=False)
    await people.sign_in("bob", password="another good password")
    assert (await people.entries("user.reset_password"))[0].detail == {
        "via": "owner",
        "sessions_ended": 1,
        "credentials_ended": 1,
    }


async def test_an_admin_takes_away_a_lost_second_factor(people: People) -> None:
    ada = await people.set_up()
    await people.add("bob")
    await people.enable_totp(await people.sign_in("bob"))
    account = await people.operators.accounts.reset_second_factor(ada.principal, "bob", peer="")
    assert not account.mfa_enabled
    await people.sign_in("bob")


async def test_removing_an_account_takes_everything_it_signed_in_with(people: People) -> None:
    ada = await people.set_up()
    site = await people.add_site("Oslo")
    await people.add("bob", sites=frozenset({site}))
    session = await people.sign_in("bob")
    await people.enable_totp(session)
    await people.operators.tokens.create(
        session.principal, name="ci", scopes=frozenset({Permission.SELF}), days=1, peer=""
    )
    await people.operators.sessions.logout(ada.principal, peer="")
    await people.operators.accounts.delete(people.owner, "bob", peer="")
    for table in ("operator_sessions", "personal_tokens", "recovery_codes", "user_site_assignments"):
        assert await people.rows(table) == 0, table
    assert (await people.entries("user."))[0].action == "user.delete"


@pytest.mark.parametrize(
    "username", ["", "-ada", "a b", "a/b", "../x", "a\n", "a\x00", "ádá", "x" * 65, "owner", "ENGINE", "System", "@"]
)
async def test_rejects_user_names_that_could_be_mistaken(people: People, username: str) -> None:
    with pytest.raises(Invalid, match="invalid_username"):
        await people.add(username)


async def test_rejects_a_name_that_differs_by_case_alone(people: People) -> None:
    await people.set_up()
    with pytest.raises(Conflict, match="user_exists"):
        await people.add("ADA")


async def test_rejects_unknown_users_and_sites_and_changes_nothing(people: People) -> None:
    await people.set_up()
    await people.add("vera", OperatorRole.VIEWER)
    with pytest.raises(NotFound, match="user_not_found"):
        await people.operators.accounts.delete(people.owner, "nobody", peer="")
    with pytest.raises(NotFound, match="site_not_found"):
        await people.add("bob", sites=frozenset({77}))
    with pytest.raises(NotFound, match="site_not_found"):
        await people.operators.accounts.set_sites(people.owner, "vera", frozenset({77}), peer="")
    accounts = {account.username: account.sites for account in await people.operators.accounts.list(people.owner)}
    assert accounts == {"ada": None, "vera": None}
    assert [entry.action for entry in await people.entries("user.")] == ["user.create"]


async def test_every_change_is_written_down(people: People) -> None:
    ada = (await people.set_up()).principal
    await people.add("bob")
    site = await people.add_site("Oslo")
    accounts = people.operators.accounts
    await accounts.set_role(ada, "bob", OperatorRole.VIEWER, peer="192.0.2.9")
    await accounts.set_sites(ada, "bob", frozenset({site}), peer="192.0.2.9")
    await accounts.set_disabled(ada, "bob", True, peer="192.0.2.9")
    await accounts.delete(ada, "bob", peer="192.0.2.9")
    written = [(entry.actor, entry.action, entry.target, entry.detail) for entry in await people.entries("user.")]
    assert written == [
        ("ada", "user.delete", "bob", {"role": "Viewer"}),
        ("ada", "user.disabled", "bob", {"disabled": True}),
        ("ada", "user.sites", "bob", {"from": "all", "to": [site]}),
        ("ada", "user.role", "bob", {"from": "Operator", "to": "Viewer"}),
        ("owner", "user.create", "bob", {"via": "owner", "role": "Operator", "sites": "all"}),
    ]


def test_no_error_of_this_room_is_a_fault() -> None:
    assert issubclass(Conflict, EngineError)
