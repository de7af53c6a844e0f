"""Commands about who one is: login, logout, whoami."""

import platform
from typing import Annotated

import typer

from borealis_cli.errors import USAGE, CliError, Refusal, Unreachable
from borealis_cli.options import Json, Yes, engine, print_json, surroundings
from borealis_cli.places import forget_login, load_login, store_login
from borealis_cli.sign_in import DEFAULT_DAYS, Wanted, check_pin, check_url, end_token, sign_in, trusted_certificate
from borealis_cli.tables import show_facts
from borealis_cli.text import clean, moment


def login(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="https://HOST:PORT of the Engine.")],
    *,
    username: Annotated[str, typer.Option("--user", "-u", help="User name; asked for if absent.")] = "",
    ca_pin: Annotated[str, typer.Option(help="The CA fingerprint, from `borealis server` beside the Engine.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long the login holds.")] = DEFAULT_DAYS,
    scope: Annotated[list[str] | None, typer.Option(help="Only this right; again for more. All if absent.")] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Sign in to an Engine on another machine; keeps a personal token, not the password."""
    around = surroundings(ctx)
    address, pin = check_url(url), check_pin(ca_pin)
    if not around.interactive and not (username and password_stdin):
        raise CliError("Nobody is here to ask: say --user NAME and --password-stdin.", USAGE)
    seen = trusted_certificate(around, address, pin, yes=yes)
    name = username or around.read_line("User name: ").strip()
    password = around.stdin.readline().rstrip("\r\n") if password_stdin else around.read_secret("Password: ")
    label = f"borealis on {platform.node()}"[:128]
    made = sign_in(around, address, seen, Wanted(name, password, days, tuple(scope or ()), label))
    try:
        path = store_login(made, around.environ, around.home)
    except OSError as error:
        raise CliError(f"The login could not be stored: {error}. Its token ends by itself in {days} days.") from error
    if as_json:
        facts = {"url": made.url, "username": made.username, "ca_pin": made.ca_pin, "expires_at": made.expires_at}
        print_json(around, facts)
    else:
        around.say(
            f"Signed in to {made.url} as {clean(made.username)}, until {moment(made.expires_at)}. Kept in {path}."
        )


def logout(ctx: typer.Context) -> None:
    """End the stored login, here and at the Engine."""
    around = surroundings(ctx)
    stored = load_login(around.environ, around.home)
    if stored is None:
        around.say("No login is stored.")
        return
    try:
        end_token(stored, around.transport)
    except Unreachable as error:
        around.note(f"{error} The token was removed here, and holds there until {moment(stored.expires_at)}.")
    except Refusal as refusal:
        if refusal.http_status not in {401, 404}:
            around.note(f"{refusal} The token was removed here, and holds there until {moment(stored.expires_at)}.")
    forget_login(around.environ, around.home)
    around.say("Signed out.")


def whoami(ctx: typer.Context, as_json: Json = False) -> None:
    """Show which Engine commands go to, as whom, and what one may do there."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/auth/me")
        url = client.target.url
    if as_json:
        print_json(around, answer)
        return
    sites = answer.get("sites")
    show_facts(
        around.out,
        [
            ("Engine", url),
            ("User", answer.get("username")),
            ("Role", answer.get("role")),
            ("Sites", "all" if sites is None else ", ".join(map(str, sites)) or "none"),
            ("May", ", ".join(answer.get("permissions") or [])),
            ("By", answer.get("via")),
        ],
    )
