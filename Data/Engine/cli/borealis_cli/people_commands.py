"""Commands about operators: accounts, for Admins, and one's own personal tokens."""

from typing import Annotated, Any

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import find_site
from borealis_cli.options import Json, Yes, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import ago, clean

ROLES = ("Admin", "Operator", "Viewer")
Username = Annotated[str, typer.Argument(metavar="USER", help="User name.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
users = typer.Typer(invoke_without_command=True, help="Operators: list, create, change, delete.")
tokens = typer.Typer(invoke_without_command=True, help="Your personal tokens: list, delete.")


@users.callback()
def users_default(ctx: typer.Context, as_json: Json = False) -> None:
    """Operators: list, create, change, delete. Lists them where nothing else is said."""
    if ctx.invoked_subcommand is None:
        users_list(ctx, as_json)


@users.command("list")
def users_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List operators, their roles and the sites they are limited to."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/users")
        names = {} if as_json else {site["id"]: site["name"] for site in client.get("/api/sites")["sites"]}
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["User", "Name", "Role", "Sites", "Second factor", "Last sign-in", "State"],
        [
            [
                user["username"],
                user["display_name"],
                user["role"],
                "all"
                if user["sites"] is None
                else ", ".join(str(names.get(one, one)) for one in user["sites"]) or "none",
                "yes" if user["mfa_enabled"] else "no",
                ago(user["last_login"], now),
                "barred" if user["disabled"] else "",
            ]
            for user in answer["users"]
        ],
        empty="No operators. Open the set-up link that the Engine printed.",
    )


@users.command("create")
def users_create(
    ctx: typer.Context,
    username: Username,
    *,
    role: Annotated[str, typer.Option(help="Admin, Operator or Viewer.")],
    display_name: Annotated[str, typer.Option(help="Their name in full.")] = "",
    site: Annotated[list[str] | None, typer.Option(help="Limit them to this site; again for more.")] = None,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Make an account; asks for its password."""
    around = surroundings(ctx)
    wanted = _role(role)
    password = _new_password(around, from_stdin=password_stdin)
    with engine(ctx) as client:
        body: dict[str, Any] = {"username": username, "password": password, "role": wanted}
        body |= {"display_name": display_name} if display_name else {}
        body |= {"sites": _site_ids(client, site)} if site else {}
        answer = client.post("/api/users", body)
    _done(around, answer, f"{clean(answer['username'])} can sign in as {answer['role']}.", as_json)


@users.command("role")
def users_role(
    ctx: typer.Context,
    username: Username,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="Admin, Operator or Viewer.")],
    as_json: Json = False,
) -> None:
    """Give an operator another role; counts at once."""
    _change(ctx, username, "role", {"role": _role(role)}, "Done.", as_json)


@users.command("limit")
def users_limit(
    ctx: typer.Context,
    username: Username,
    site: Annotated[list[str] | None, typer.Option(help="They see this site only; again for more.")] = None,
    all_sites: Annotated[bool, typer.Option("--all-sites", help="They see every site.")] = False,
    as_json: Json = False,
) -> None:
    """Limit an operator to sites, or lift the limit; counts at once."""
    if bool(site) == all_sites:
        raise CliError("Name sites with --site, or say --all-sites.", USAGE)
    with engine(ctx) as client:
        sites = None if all_sites else _site_ids(client, site or [])
    _change(ctx, username, "sites", {"sites": sites}, "Done.", as_json)


@users.command("password")
def users_password(
    ctx: typer.Context, username: Username, password_stdin: PasswordStdin = False, as_json: Json = False
) -> None:
    """Give somebody a new password; ends their sessions and personal tokens."""
    password = _new_password(surroundings(ctx), from_stdin=password_stdin)
    _change(ctx, username, "reset_password", {"password": password}, "Done. Their sessions ended.", as_json)


@users.command("bar")
def users_bar(ctx: typer.Context, username: Username, as_json: Json = False) -> None:
    """Keep somebody from signing in, and end their sessions."""
    _change(ctx, username, "disabled", {"disabled": True}, "Barred. Their sessions ended.", as_json)


@users.command("unbar")
def users_unbar(ctx: typer.Context, username: Username, as_json: Json = False) -> None:
    """Let somebody sign in again."""
    _change(ctx, username, "disabled", {"disabled": False}, "They can sign in again.", as_json)


@users.command("reset-second-factor")
def users_reset_mfa(ctx: typer.Context, username: Username, as_json: Json = False) -> None:
    """Take away the second factor of somebody who lost it; ends their sessions."""
    _change(ctx, username, "mfa", {"enabled": False}, "Taken away. They can set up a new one.", as_json)


@users.command("delete")
def users_delete(ctx: typer.Context, username: Username, yes: Yes = False, as_json: Json = False) -> None:
    """Remove an account with its sessions and tokens."""
    around = surroundings(ctx)
    around.confirm(f"Delete the operator {clean(username)}?", yes=yes)
    with engine(ctx) as client:
        answer = client.delete(f"/api/users/{segment(username)}")
    _done(around, answer, "Deleted.", as_json)


@tokens.callback()
def tokens_default(ctx: typer.Context, as_json: Json = False) -> None:
    """Your personal tokens: list, delete. Lists them where nothing else is said; borealis login makes them."""
    if ctx.invoked_subcommand is None:
        tokens_list(ctx, as_json)


@tokens.command("list")
def tokens_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List your personal tokens."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/tokens")
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["Id", "Name", "May", "Made", "Used", "Expires"],
        [
            [
                token["id"],
                token["name"],
                ", ".join(token["scopes"]),
                ago(token["created_at"], now),
                ago(token["last_used_at"], now),
                ago(token["expires_at"], now),
            ]
            for token in answer["tokens"]
        ],
        empty="You have no personal tokens.",
    )


@tokens.command("delete")
def tokens_delete(
    ctx: typer.Context,
    token_id: Annotated[str, typer.Argument(metavar="ID", help="From: borealis tokens")],
    as_json: Json = False,
) -> None:
    """End one of your personal tokens, at once."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.delete(f"/api/tokens/{segment(token_id)}")
    _done(around, answer, "Ended.", as_json)


def _change(  # noqa: PLR0917
    ctx: typer.Context, username: str, what: str, body: dict[str, Any], sentence: str, as_json: bool
) -> None:
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.post(f"/api/users/{segment(username)}/{what}", body)
    _done(around, answer, sentence, as_json)


def _done(around: Surroundings, answer: dict[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(around, answer)
    else:
        around.say(sentence)


def _role(text: str) -> str:
    for role in ROLES:
        if role.lower() == text.strip().lower():
            return role
    raise CliError(f"A role is {', '.join(ROLES)}.", USAGE)


def _site_ids(client: EngineClient, names: list[str]) -> list[int]:
    return [int(find_site(client, name)["id"]) for name in names]


def _new_password(around: Surroundings, *, from_stdin: bool) -> str:
    if from_stdin:
        return around.stdin.readline().rstrip("\r\n")
    if not around.interactive:
        raise CliError("Nobody is here to type a password: use --password-stdin.", USAGE)
    password = around.read_secret("New password: ")
    if around.read_secret("Once more: ") != password:
        raise CliError("The two differ. Nothing was done.", USAGE)
    return password
