"""Commands about stored credentials. Secrets come from files, from standard input or from the keyboard, never as words
of the command line, which others can read in the list of processes."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import find_credential, find_site
from borealis_cli.options import Json, Yes, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import ago, clean

KINDS: Final = ("ssh", "windows")
Name = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="Name or id.")]
User = Annotated[str, typer.Option("--user", "-u", help="Whom it signs in as.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="ssh: the private key is in this file.")]
AskPassphrase = Annotated[bool, typer.Option("--ask-passphrase", help="ssh: ask for the passphrase of the key.")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="ssh: its first line is the passphrase.")
]
PasswordFile = Annotated[Path | None, typer.Option("--password-file", help="Its first line is the password.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Transport = Annotated[str, typer.Option("--transport", help="windows: ntlm (unless said) or basic.")]
Become = Annotated[str, typer.Option("--become", help="How rights are raised there: sudo, su, doas or runas.")]
BecomeUser = Annotated[str, typer.Option("--become-user", help="To whom; the method's own if absent.")]
AskBecome = Annotated[bool, typer.Option("--ask-become-password", help="Ask for the password of become.")]
BecomeFile = Annotated[Path | None, typer.Option("--become-password-file", help="Its first line is become's password.")]
credentials = typer.Typer(
    invoke_without_command=True, help="Credentials for machines without an agent: list, add, replace, delete."
)


@credentials.callback()
def credentials_default(ctx: typer.Context, as_json: Json = False) -> None:
    """Credentials for machines without an agent. Lists them where nothing else is said."""
    if ctx.invoked_subcommand is None:
        credentials_list(ctx, as_json)


@credentials.command("list")
def credentials_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List credentials that you may use. No secret is ever shown."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/credentials")
        names = {} if as_json else {site["id"]: site["name"] for site in client.get("/api/sites")["sites"]}
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["Id", "Name", "Kind", "User", "By", "Become", "Sites", "Last used"],
        [
            [
                one["id"],
                one["name"],
                one["kind"],
                one["username"],
                one["key_fingerprint"] or one["secret_kind"],
                one["become_method"],
                "all" if one["site_id"] is None else names.get(one["site_id"], one["site_id"]),
                ago(one["used_at"], now),
            ]
            for one in answer["credentials"]
        ],
        empty="No credentials. Keep one: borealis credentials add NAME --user USER --key-file FILE",
    )


@credentials.command("add")
def credentials_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    *,
    user: User,
    kind: Annotated[str, typer.Option("--kind", help=f"{' or '.join(KINDS)}.")] = "ssh",
    key_file: KeyFile = None,
    ask_passphrase: AskPassphrase = False,
    passphrase_file: PassphraseFile = None,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    transport: Transport = "",
    become: Become = "",
    become_user: BecomeUser = "",
    ask_become_password: AskBecome = False,
    become_password_file: BecomeFile = None,
    site: Annotated[str, typer.Option(help="Only for machines of this site (name or id).")] = "",
    description: Annotated[str, typer.Option(help="What people should know about it.")] = "",
    as_json: Json = False,
) -> None:
    """Keep a credential on the Engine, sealed. Asks for the password where no key and no file is named."""
    around = surroundings(ctx)
    if kind not in KINDS:
        raise CliError(f"--kind is {' or '.join(KINDS)}.", USAGE)
    secret = {
        **_way_in(around, key_file, password_file, from_stdin=password_stdin),
        **_optional(around, "passphrase", "Passphrase of the key: ", passphrase_file, ask=ask_passphrase),
        "username": user,
        "transport": transport,
        **_become(around, become, become_user, become_password_file, ask=ask_become_password),
    }
    body: dict[str, Any] = {"name": name, "kind": kind, "description": description, "secret": secret}
    with engine(ctx) as client:
        if site:
            body["site_id"] = find_site(client, site)["id"]
        answer = client.post("/api/credentials", body)
    _told(around, answer, f"Credential {clean(answer['name'])} has the id {answer['id']}.", as_json=as_json)


@credentials.command("replace")
def credentials_replace(
    ctx: typer.Context,
    credential: Name,
    *,
    user: User = "",
    key_file: KeyFile = None,
    ask_passphrase: AskPassphrase = False,
    passphrase_file: PassphraseFile = None,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    transport: Transport = "",
    become: Become = "",
    become_user: BecomeUser = "",
    ask_become_password: AskBecome = False,
    become_password_file: BecomeFile = None,
    as_json: Json = False,
) -> None:
    """Replace the whole secret of a credential. Runs that begin later use the new one."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        found = find_credential(client, credential)
        secret = {
            **_way_in(around, key_file, password_file, from_stdin=password_stdin),
            **_optional(around, "passphrase", "Passphrase of the key: ", passphrase_file, ask=ask_passphrase),
            "username": user or found["username"],
            "transport": transport or found["transport"],
            **_become(around, become, become_user, become_password_file, ask=ask_become_password),
        }
        answer = client.patch(f"/api/credentials/{found['id']}", {"secret": secret})
    _told(around, answer, "Replaced.", as_json=as_json)


@credentials.command("delete")
def credentials_delete(ctx: typer.Context, credential: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Forget a credential; refused while runs under way use it."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        found = find_credential(client, credential)
        around.confirm(f"Delete the credential {clean(found['name'])}?", yes=yes)
        answer = client.delete(f"/api/credentials/{found['id']}")
    _told(around, answer, "Deleted.", as_json=as_json)


def _way_in(around: Surroundings, key: Path | None, password: Path | None, *, from_stdin: bool) -> dict[str, str]:
    if sum([key is not None, password is not None, from_stdin]) > 1:
        raise CliError("Give one of --key-file, --password-file and --password-stdin.", USAGE)
    if key is not None:
        return {"private_key": _text(key)}
    if password is not None:
        return {"password": _line(password)}
    if from_stdin:
        return {"password": around.stdin.readline().rstrip("\r\n")}
    return {"password": _typed(around, "Password: ")}


def _become(around: Surroundings, method: str, user: str, file: Path | None, *, ask: bool) -> dict[str, Any]:
    told = _optional(around, "password", "Password of become: ", file, ask=ask)
    if not method:
        if user or told:
            raise CliError("Say how rights are raised: --become sudo, su, doas or runas.", USAGE)
        return {}
    return {"become": {"method": method, "username": user, **told}}


def _optional(around: Surroundings, name: str, question: str, file: Path | None, *, ask: bool) -> dict[str, str]:
    if file is not None:
        return {name: _line(file)}
    return {name: _typed(around, question)} if ask else {}


def _typed(around: Surroundings, question: str) -> str:
    if not around.interactive:
        raise CliError("Nobody is here to type a secret: name a file, or use --password-stdin.", USAGE)
    return around.read_secret(question)


def _line(path: Path) -> str:
    lines = _text(path).splitlines()
    if not lines or not lines[0]:
        raise CliError(f"{clean(str(path))} is empty.", USAGE)
    return lines[0]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise CliError(f"{clean(str(path))} cannot be read: {error.strerror}.", USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{clean(str(path))} is not text.", USAGE) from error


def _told(around: Surroundings, answer: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(around, answer)
    else:
        around.say(sentence)
