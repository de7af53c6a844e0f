"""Commands about the Engine itself: facts, log files, the audit log, its signing key."""

import json
from typing import Annotated

import typer

from borealis_cli.lookups import find_device
from borealis_cli.options import Json, Yes, engine, print_json, surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import clean, moment, spell_duration

server = typer.Typer(invoke_without_command=True, help="The Engine: facts, rotate-key.")


@server.callback()
def server_default(ctx: typer.Context, as_json: Json = False) -> None:
    """The Engine: where it is, its version, and the CA fingerprint that others compare at borealis login."""
    if ctx.invoked_subcommand is not None:
        return
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/server/info")
    if as_json:
        print_json(around, answer)
        return
    show_facts(
        around.out,
        [
            ("Address", answer.get("url")),
            ("Version", answer.get("version")),
            ("Up for", spell_duration(answer.get("uptime") or 0)),
            ("Since", moment(answer.get("started_at"))),
            ("CA fingerprint", answer.get("ca_pin")),
            ("Signing key", answer.get("signing_key_id")),
            ("Database", answer.get("database")),
            *(
                (room, ", ".join(f"{clean(name)} {number}" for name, number in figures.items()))
                for room, figures in (answer.get("figures") or {}).items()
            ),
        ],
    )


@server.command("rotate-key")
def rotate_key(
    ctx: typer.Context,
    revoke_old: Annotated[
        bool, typer.Option("--revoke-old", help="The old key may be in other hands: trust it no more, at once.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put a new script-signing key in force; devices are told by a statement that the old one signs."""
    around = surroundings(ctx)
    around.confirm("Put a new script-signing key in force?", yes=yes)
    with engine(ctx) as client:
        answer = client.post("/api/server/signing-key/rotate", {"revoke_old": revoke_old})
    if as_json:
        print_json(around, answer)
    else:
        around.say(f"The key {answer['key_id']} signs now, in place of {answer['old_key_id']}.")


def logs(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A log file, for example engine; none lists them.")
    ] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=5000, help="How many of its last lines.")] = 200,
    as_json: Json = False,
) -> None:
    """List the Engine's log files, or show the end of one."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        wanted = name if not name or ".log" in name else f"{name}.log"
        answer = client.get("/api/server/logs", name=wanted, lines=lines)
    if as_json:
        print_json(around, answer)
    elif name:
        for line in answer["lines"]:
            around.say(clean(line))
    else:
        show_table(
            around.out,
            ["Log", "Bytes", "Written"],
            [[file["name"], file["size"], moment(file["modified_at"])] for file in answer["files"]],
            empty="No log files.",
        )


def audit(
    ctx: typer.Context,
    *,
    device: Annotated[str, typer.Option("--device", help="Only what concerns this device.")] = "",
    actor: Annotated[str, typer.Option(help="Only what this operator did.")] = "",
    action: Annotated[str, typer.Option(help="Only this action; a dot at the end means all of a kind (user.).")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first.")] = 50,
    before: Annotated[int | None, typer.Option(help="Only entries older than this id.")] = None,
    as_json: Json = False,
) -> None:
    """Show who did what to which thing, when and from where, newest first."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        target = find_device(client, device)["guid"] if device else ""
        answer = client.get("/api/audit", target=target, actor=actor, action=action, limit=limit, before_id=before)
    if as_json:
        print_json(around, answer)
        return
    show_table(
        around.out,
        ["Id", "When", "Who", "From", "What", "To", "Detail"],
        [
            [
                entry["id"],
                moment(entry["at"]),
                entry["actor"],
                entry["address"],
                entry["action"],
                entry["detail"].get("hostname") or entry["detail"].get("name") or entry["target"],
                json.dumps(entry["detail"], ensure_ascii=False) if entry["detail"] else "",
            ]
            for entry in answer["entries"]
        ],
        empty="No entries.",
    )
