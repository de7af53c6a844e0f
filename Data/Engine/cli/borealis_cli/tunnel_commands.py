"""Commands about tunnels to devices: bring one up, see who has one, end it, and which ports it lets through."""

from typing import Annotated, Any, Final

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import find_device
from borealis_cli.options import DeviceName, Json, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import ago, clean, spell_duration

tunnel: Final = typer.Typer(
    help="Tunnels to devices: connect, status, list, disconnect, ports, history.", no_args_is_help=True
)


@tunnel.command()
def connect(ctx: typer.Context, name: DeviceName, as_json: Json = False) -> None:
    """Bring a device's tunnel up, or share the one that is up."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.post("/api/tunnel/connect", {"agent_id": find_device(client, name)["guid"]})
    if as_json:
        print_json(around, answer)
    else:
        _show(around, answer)


@tunnel.command()
def status(
    ctx: typer.Context,
    name: DeviceName,
    bump: Annotated[bool, typer.Option("--bump", help="Say that it is in use: its idle time begins anew.")] = False,
    as_json: Json = False,
) -> None:
    """Tell whether a device's tunnel is up, who holds it, and what went through it."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        guid = find_device(client, name)["guid"]
        answer = client.get("/api/tunnel/status", agent_id=guid, bump=True if bump else None)
    if as_json:
        print_json(around, answer)
    else:
        _show(around, answer)


@tunnel.command("list")
def list_tunnels(ctx: typer.Context, as_json: Json = False) -> None:
    """List the tunnels that are up."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/tunnel/active")
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["Device", "Address", "Held by", "Since", "Last used", "Last handshake"],
        [
            [
                one["hostname"],
                one["virtual_ip"].removesuffix("/32"),
                ", ".join(one["operators"]),
                ago(one["started_at"], now),
                ago(one["last_used"], now),
                ago(one["handshake"], now) if one["handshake"] else "never",
            ]
            for one in answer["tunnels"]
        ],
        empty="No tunnel is up.",
    )


@tunnel.command()
def disconnect(
    ctx: typer.Context,
    name: DeviceName,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="End it also for the others who hold it, at once.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let go of a device's tunnel. It ends when nobody holds it any more."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        guid = segment(find_device(client, name)["guid"])
        answer = client.delete(f"/api/tunnel/disconnect?agent_id={guid}{'&everybody=true' if everybody else ''}")
    if as_json:
        print_json(around, answer)
    elif answer["status"] == "up":
        around.say(f"Others hold it still: {clean(', '.join(answer['operators']))}.")
    else:
        around.say("The tunnel is down.")


@tunnel.command()
def ports(
    ctx: typer.Context,
    name: DeviceName,
    chosen: Annotated[
        str, typer.Option("--set", metavar="PORT,PORT", help="Allow these and no others; none for no port at all.")
    ] = "",
    default: Annotated[bool, typer.Option("--default", help="Allow what the device's system has by default.")] = False,
    as_json: Json = False,
) -> None:
    """Show or set which ports of a device the Engine may reach in its tunnel."""
    around = surroundings(ctx)
    if chosen and default:
        raise CliError("Give --set or --default, not both.", USAGE)
    with engine(ctx) as client:
        place = f"/api/device/vpn_config/{segment(find_device(client, name)['guid'])}"
        if chosen or default:
            body: dict[str, Any] = {"allowed_ports": _ports(chosen) if chosen else None}
            answer = _put(client, place, body)
        else:
            answer = client.get(place)
    if as_json:
        print_json(around, answer)
        return
    allowed = ", ".join(map(str, answer["allowed_ports"])) or "none"
    by = f"set by {answer['updated_by']} {ago(answer['updated_at'], around.now())}"
    show_facts(
        around.out,
        [("Device", answer["hostname"]), ("Allowed ports", allowed), ("", by if answer["custom"] else "the default")],
    )


@tunnel.command()
def history(ctx: typer.Context, name: DeviceName, as_json: Json = False) -> None:
    """List the tunnels that a device has and had."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/tunnel/history", agent_id=find_device(client, name)["guid"])
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["Begun", "By", "Lasted", "Status", "Why it ended"],
        [
            [
                ago(one["started_at"], now),
                one["started_by"],
                spell_duration((one["ended_at"] or now) - one["started_at"]),
                one["status"],
                one["reason"],
            ]
            for one in answer["tunnels"]
        ],
        empty="It has had no tunnel.",
    )


def _put(client: EngineClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return client.request("PUT", path, json=body)


def _ports(text: str) -> list[int]:
    if text == "none":
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= 65535 for part in parts):
        raise CliError("Ports are numbers from 1 to 65535: --set 3389,47002", USAGE)
    return sorted({int(part) for part in parts})


def _show(around: Surroundings, answer: dict[str, Any]) -> None:
    if answer["status"] == "down":
        why = answer["unavailable"] and f"This Engine has no tunnels: {answer['unavailable']}."
        why = why or ("" if answer["agent_socket"] else "The device is not connected now.")
        why = why or ("" if answer["supported"] else "The device's agent offers no tunnel.")
        show_facts(around.out, [("Device", answer["hostname"]), ("Tunnel", "down"), ("", why)])
        return
    now = around.now()
    show_facts(
        around.out,
        [
            ("Device", answer["hostname"]),
            ("Tunnel", "up"),
            ("Address", answer["virtual_ip"].removesuffix("/32")),
            ("Allowed ports", ", ".join(map(str, answer["allowed_ports"])) or "none"),
            ("Held by", ", ".join(answer["operators"])),
            ("Since", ago(answer["started_at"], now)),
            ("Last used", ago(answer["last_used"], now)),
            ("Last handshake", ago(answer["handshake"], now) if answer["handshake"] else "never"),
            ("Sent, received", f"{answer['sent']} B, {answer['received']} B"),
            ("Trouble", answer["detail"]),
        ],
    )
