"""Commands about letting devices in: codes to hand out, approvals to decide."""

from typing import Annotated, Any

import typer

from borealis_cli.client import segment
from borealis_cli.errors import USAGE, CliError, Refusal
from borealis_cli.lookups import find_site
from borealis_cli.options import Json, engine, print_json, surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import ago, clean, parse_duration, plural, spell_duration

Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The approval reference, from: borealis approvals")]
codes = typer.Typer(invoke_without_command=True, help="Enrolment codes: list, create, delete.")


def approvals(
    ctx: typer.Context,
    status: Annotated[str, typer.Option(help="pending, approved, denied, expired, completed or all.")] = "pending",
    as_json: Json = False,
) -> None:
    """List devices that ask to be let in. Compare the fingerprint with what the device's console shows."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/admin/device-approvals", status=status)
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    for approval in answer["approvals"]:
        show_facts(
            around.out,
            [
                ("Reference", approval["approval_reference"]),
                ("Device", approval["hostname_claimed"]),
                ("Fingerprint", approval["ssl_key_fingerprint_claimed"]),
                ("Asks from", approval.get("peer_address")),
                ("Site", approval.get("site_name")),
                ("Since", ago(approval["created_at"], now)),
                ("Status", approval["status"]),
                ("Channel", _channel(approval)),
                ("Conflict", _conflict(approval)),
            ],
        )
        around.say("")
    if not answer["approvals"]:
        around.say("No device waits for a decision." if status == "pending" else "There is none.")
    elif any(approval["status"] == "pending" for approval in answer["approvals"]):
        around.note("Let one in: borealis approve REFERENCE. Refuse it: borealis deny REFERENCE.")


def approve(
    ctx: typer.Context,
    reference: Reference,
    *,
    merge: Annotated[str, typer.Option(metavar="GUID", help="It is this known device: take its place.")] = "",
    coexist: Annotated[bool, typer.Option("--coexist", help="It is another device: keep both.")] = False,
    accept_unbound: Annotated[
        bool,
        typer.Option("--accept-unbound", help="Accept an agent that does not prove which Engine it talks to."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Let a device in."""
    if merge and coexist:
        raise CliError("Say either --merge GUID or --coexist.", USAGE)
    body: dict[str, Any] = {"accept_unbound": accept_unbound}
    if merge:
        body |= {"guid": merge, "conflict_resolution": "merge"}
    elif coexist:
        body["conflict_resolution"] = "coexist"
    around = surroundings(ctx)
    with engine(ctx) as client:
        try:
            answer = client.post(f"/api/admin/device-approvals/{segment(reference)}/approve", body)
        except Refusal as refusal:
            if refusal.code == "conflict_resolution_required":
                raise CliError(
                    f"{refusal.detail.split(' Approve again')[0]} Approve with --merge GUID (it is that device) or "
                    f"--coexist (it is another one), or refuse it: borealis deny {clean(reference)} ({refusal.code})"
                ) from refusal
            raise
    if as_json:
        print_json(around, answer)
    else:
        around.say("Approved. The device comes in within some seconds.")


def deny(ctx: typer.Context, reference: Reference, as_json: Json = False) -> None:
    """Refuse a device."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.post(f"/api/admin/device-approvals/{segment(reference)}/deny")
    if as_json:
        print_json(around, answer)
    else:
        around.say("Denied.")


def list_codes(ctx: typer.Context, status: str, as_json: bool) -> None:
    """Codes as a table or as JSON."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/admin/enrollment-codes", status=status)
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["Id", "Code", "Status", "Used", "Expires", "Site", "Made by"],
        [
            [
                code["id"],
                code["code"],
                code.get("status"),
                f"{code['use_count']} of {code['max_uses']}",
                ago(code["expires_at"], now),
                code.get("site_id"),
                code.get("created_by_username"),
            ]
            for code in answer["codes"]
        ],
        empty="No codes. Make one: borealis codes create",
    )


@codes.callback()
def codes_default(
    ctx: typer.Context,
    as_json: Json = False,
) -> None:
    """Enrolment codes: list, create, delete. Lists them where nothing else is said."""
    if ctx.invoked_subcommand is None:
        list_codes(ctx, "", as_json)


@codes.command("list")
def codes_list(
    ctx: typer.Context,
    status: Annotated[str, typer.Option(help="active, expired or used.")] = "",
    as_json: Json = False,
) -> None:
    """List codes. A code itself is shown once, when it is made."""
    list_codes(ctx, status, as_json)


@codes.command("create")
def codes_create(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="Devices go into this site (name or id).")] = "",
    uses: Annotated[int | None, typer.Option(min=1, help="How many devices may use it.")] = None,
    expires: Annotated[str, typer.Option(metavar="1h|1d", help="How long it is good.")] = "",
    as_json: Json = False,
) -> None:
    """Make a code, and the enrolment token to hand out: it says where the Engine is and whom to trust."""
    body: dict[str, Any] = {}
    if uses is not None:
        body["max_uses"] = uses
    if expires:
        try:
            body["expires_in_seconds"] = parse_duration(expires)
        except ValueError as error:
            raise CliError(f"--expires: {error}.", USAGE) from error
    around = surroundings(ctx)
    with engine(ctx) as client:
        if site:
            body["site_id"] = find_site(client, site)["id"]
        answer = client.post("/api/admin/enrollment-codes", body)
    if as_json:
        print_json(around, answer)
        return
    around.say(clean(answer["token"]))
    lifetime = spell_duration(answer["expires_at"] - around.now())
    around.note(
        f"Good for {plural(answer['max_uses'], 'device')}, for {lifetime}. It is not shown again. On the device:"
    )
    around.note("  ./Borealis.sh agent --enrollment-code TOKEN")


@codes.command("delete")
def codes_delete(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="From: borealis codes")],
    as_json: Json = False,
) -> None:
    """Delete a code: nobody can ask with it any more."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.delete(f"/api/admin/enrollment-codes/{number}")
    if as_json:
        print_json(around, answer)
    else:
        around.say("Deleted.")


def _channel(approval: dict[str, Any]) -> str:
    return {
        "bound": "bound: it talks to this Engine directly",
        "unbound": "NOT bound: it did not prove which Engine it talks to; --accept-unbound lets it in all the same",
    }.get(str(approval.get("channel")), str(approval.get("channel") or ""))


def _conflict(approval: dict[str, Any]) -> str:
    conflict = approval.get("hostname_conflict")
    if not conflict:
        return ""
    kinds = {
        "hostname": "a device of this name, with another key, is known",
        "duplicate_identity": "this key is in use by another machine now: perhaps a copied disk",
        "withdrawn_device": "the device with this key was revoked or quarantined",
        "same_key": "the device is known and comes back; it keeps its GUID",
    }
    text = kinds.get(str(conflict.get("kind")), "a device of this name is known")
    return f"{text} ({conflict['guid']})" if conflict.get("guid") else text
