"""Commands about desktops: see one, who sees which, end that, and the policy of a site."""

import webbrowser
from typing import Annotated, Any, Final

import typer

from borealis_cli.client import segment
from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import find_device, find_site
from borealis_cli.options import DeviceName, Json, engine, print_json, surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import ago, clean

MIN_ASK: Final = 5
MAX_ASK: Final = 120

desktops = typer.Typer(invoke_without_command=True, help="Desktops that are open: list, end; and their policy.")


def desktop(  # noqa: PLR0917
    ctx: typer.Context,
    name: DeviceName,
    user: Annotated[
        str, typer.Option("--user", "-u", help="Whose desktop, an account there; else of whoever is at the screen.")
    ] = "",
    own: Annotated[bool, typer.Option("--own", help="One of its own, begun for --user.")] = False,
    view_only: Annotated[bool, typer.Option("--view-only", help="Only look: keys and pointer go nowhere.")] = False,
    listen: Annotated[
        int | None,
        typer.Option("--listen", min=0, max=65535, metavar="PORT", help="Let a VNC viewer on this machine in. 0: any."),
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Of a desktop of its own.")] = "1280x800",
) -> None:
    """See the desktop of a device: prints the address of its page, or carries it to a VNC viewer here."""
    around = surroundings(ctx)
    if own and not user:
        raise CliError("A desktop of its own is begun for an account: say which, with --user.", USAGE)
    width, height = _size(size)
    with engine(ctx) as client:
        guid = str(find_device(client, name)["guid"])
        if listen is None:
            address = f"{client.target.url}/devices/{segment(guid)}/desktop"
            around.say(address)
            if browser and not webbrowser.open(address):
                around.note("No browser could be opened here.")
            return
        from borealis_cli.viewing import LocalViewer

        asked = {
            "agent_id": guid,
            "kind": "own" if own else "screen",
            "user": user,
            "view_only": view_only,
            "width": width,
            "height": height,
        }
        raise typer.Exit(LocalViewer(around, client, asked).run(listen))


@desktops.callback()
def desktops_default(ctx: typer.Context, as_json: Json = False) -> None:
    """Desktops that are open: list, end; and their policy. Lists them where nothing else is said."""
    if ctx.invoked_subcommand is None:
        list_desktops(ctx, "", as_json)


@desktops.command("list")
def list_desktops(
    ctx: typer.Context,
    device: Annotated[str, typer.Option("--device", help="Only of this device: hostname or GUID.")] = "",
    as_json: Json = False,
) -> None:
    """List who has a desktop open."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        guid = str(find_device(client, device)["guid"]) if device else None
        answer = client.get("/api/desktop/sessions", device=guid)
    if as_json:
        print_json(around, answer)
        return
    show_table(
        around.out,
        ["Id", "Device", "Operator", "Desktop", "Account", "", "Since"],
        [
            [
                one["id"],
                one["hostname"],
                one["username"],
                one["kind"],
                one["user"],
                "view only" if one["view_only"] else "",
                ago(one["since"], around.now()),
            ]
            for one in answer["sessions"]
        ],
        empty="No desktop is open.",
    )


@desktops.command("end")
def end_desktop(
    ctx: typer.Context, connection: Annotated[str, typer.Argument(metavar="ID", help="As listed.")]
) -> None:
    """End a connection to a desktop, whoever has it open. They are told who did."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        client.delete(f"/api/desktop/sessions/{segment(connection)}")
    around.say("It was ended.")


@desktops.command("policy")
def policy(  # noqa: PLR0917
    ctx: typer.Context,
    site: Annotated[str, typer.Option("--site", help="Of this site, by name or id; else of all without one.")] = "",
    consent: Annotated[str, typer.Option("--consent", metavar="never|ask", help="Is the user asked first?")] = "",
    seconds: Annotated[
        int | None, typer.Option("--seconds", min=MIN_ASK, max=MAX_ASK, help="That a user has for an answer.")
    ] = None,
    view_only: Annotated[bool | None, typer.Option("--view-only/--use", help="Only look, or use it too.")] = None,
    inherit: Annotated[bool, typer.Option("--inherit", help="The site has no policy of its own any more.")] = False,
    as_json: Json = False,
) -> None:
    """Show whether users are asked before somebody sees their desktop, or set it."""
    around = surroundings(ctx)
    if consent not in {"", "never", "ask"}:
        raise CliError("--consent is never or ask.", USAGE)
    if inherit and not site:
        raise CliError("Say which site: --site NAME.", USAGE)
    with engine(ctx) as client:
        site_id = int(find_site(client, site)["id"]) if site else None
        if inherit:
            client.delete(f"/api/desktop/policy/{site_id}")
        answer = client.get("/api/desktop/policy")
        if not inherit and (consent or seconds is not None or view_only is not None):
            held = _held(answer, site_id)
            wanted = {
                "site_id": site_id,
                "consent": consent or held["consent"],
                "ask_seconds": held["ask_seconds"] if seconds is None else seconds,
                "view_only": held["view_only"] if view_only is None else view_only,
            }
            client.request("PUT", "/api/desktop/policy", json=wanted)
            answer = client.get("/api/desktop/policy")
        names = {one["id"]: one["name"] for one in client.get("/api/sites")["sites"]}
    if as_json:
        print_json(around, answer)
        return
    show_table(
        around.out,
        ["Where", "Users are", "Operators may", "Set by"],
        [
            [
                "all sites without their own" if one["site_id"] is None else clean(names.get(one["site_id"], "")),
                f"asked, {one['ask_seconds']} s" if one["consent"] == "ask" else "told, not asked",
                "look" if one["view_only"] else "use it",
                one["updated_by"] or "nobody yet",
            ]
            for one in [answer["default"], *answer["sites"]]
        ],
        empty="",
    )


def _held(answer: dict[str, Any], site_id: int | None) -> dict[str, Any]:
    """What holds for a site now."""
    found: dict[str, Any] = next((one for one in answer["sites"] if one["site_id"] == site_id), answer["default"])
    return found


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 320 <= int(width) <= 7680 and 320 <= int(height) <= 7680):
        raise CliError("A size is width and height in pixels, each from 320 to 7680: --size 1280x800", USAGE)
    return int(width), int(height)
