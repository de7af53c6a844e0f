"""Commands about devices: see them, name them, move them, shut them out."""

from typing import Annotated, Any

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import find_device, find_site
from borealis_cli.options import DeviceName, Json, Yes, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import ago, clean, moment, plural, spell_duration


def list_devices(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="Only devices of this site (name or id).")] = "",
    status: Annotated[str, typer.Option(help="online, offline, active, quarantined or revoked.")] = "",
    as_json: Json = False,
) -> None:
    """List devices: who is there, and what each is."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        site_id = find_site(client, site)["id"] if site else None
        answer = client.get("/api/devices", site_id=site_id, status=status)
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["Device", "State", "Site", "System", "User", "Address", "GUID"],
        [
            [
                device["hostname"] + (" (!)" if device["duplicate_suspected"] else ""),
                _state(device, now),
                device["site_name"],
                device["operating_system"],
                device["last_user"],
                device["internal_ip"] or device["address"],
                device["guid"],
            ]
            for device in answer["devices"]
        ],
        empty="No devices. Let one in: borealis codes create, then borealis approvals.",
    )
    doubled = [device["hostname"] for device in answer["devices"] if device["duplicate_suspected"]]
    if doubled:
        around.note(
            f"(!) Two machines seem to share one identity: {clean(', '.join(doubled))}. See: borealis device NAME"
        )


def show_device(ctx: typer.Context, name: DeviceName, as_json: Json = False) -> None:
    """Show one device with its inventory."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        device = client.get(f"/api/devices/{segment(find_device(client, name)['guid'])}")
    if as_json:
        print_json(around, device)
    else:
        _show(around, device)


def revoke(ctx: typer.Context, name: DeviceName, yes: Yes = False, as_json: Json = False) -> None:
    """End a device's access, now and for good: it comes back by a new enrolment only."""
    _deed(ctx, name, "revoke", "Revoke {} ({})? It is cut off at once, and has to enrol again.", yes, as_json)


def quarantine(ctx: typer.Context, name: DeviceName, as_json: Json = False) -> None:
    """Give a device no more work until it is released; it may go on to report."""
    _deed(ctx, name, "quarantine", "", True, as_json)


def release(ctx: typer.Context, name: DeviceName, as_json: Json = False) -> None:
    """End a device's quarantine."""
    _deed(ctx, name, "release", "", True, as_json)


def rename(
    ctx: typer.Context,
    name: DeviceName,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
    as_json: Json = False,
) -> None:
    """Give a device another name; it stays, whatever the machine calls itself."""
    _change(ctx, name, {"hostname": new_name}, f"Its name is {clean(new_name)} now.", as_json)


def describe(
    ctx: typer.Context,
    name: DeviceName,
    description: Annotated[str, typer.Argument(metavar="TEXT", help="What people should know about it.")],
    as_json: Json = False,
) -> None:
    """Give a device a description."""
    _change(ctx, name, {"description": description}, "Described.", as_json)


def move(
    ctx: typer.Context,
    name: DeviceName,
    site: Annotated[str, typer.Argument(metavar="[SITE]", help="The site's name or id.")] = "",
    out: Annotated[bool, typer.Option("--out", help="Take it out of every site instead.")] = False,
    as_json: Json = False,
) -> None:
    """Put a device into a site, or take it out."""
    if bool(site) == out:
        raise CliError("Name a site, or say --out.", USAGE)
    with engine(ctx) as client:
        site_id = None if out else find_site(client, site)["id"]
    _change(
        ctx, name, {"site_id": site_id}, "It is in no site now." if out else f"It is in {clean(site)} now.", as_json
    )


def settle(ctx: typer.Context, name: DeviceName, as_json: Json = False) -> None:
    """Say that a device suspected to be two machines is one: you looked into it."""
    _change(ctx, name, {"duplicate_suspected": False}, "Noted. It is watched anew.", as_json)


def delete(ctx: typer.Context, name: DeviceName, yes: Yes = False, as_json: Json = False) -> None:
    """Forget a device, its key and its inventory. Its runs and the audit log stay."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        device = find_device(client, name)
        around.confirm(f"Delete {clean(device['hostname'])} ({device['guid']})? It has to enrol again.", yes=yes)
        answer = client.delete(f"/api/devices/{segment(device['guid'])}")
    _done(around, answer, f"{clean(device['hostname'])} is forgotten.", as_json)


def _deed(ctx: typer.Context, name: str, deed: str, question: str, yes: bool, as_json: bool) -> None:  # noqa: PLR0917
    around = surroundings(ctx)
    with engine(ctx) as client:
        device = find_device(client, name)
        if question:
            around.confirm(question.format(clean(device["hostname"]), device["guid"]), yes=yes)
        answer = client.post(f"/api/devices/{segment(device['guid'])}/{deed}")
    _done(around, answer, f"{clean(answer['hostname'])} is {answer['status']}.", as_json)


def _change(ctx: typer.Context, name: str, body: dict[str, Any], sentence: str, as_json: bool) -> None:
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = _patch(client, name, body)
    _done(around, answer, sentence, as_json)


def _patch(client: EngineClient, name: str, body: dict[str, Any]) -> dict[str, Any]:
    return client.patch(f"/api/devices/{segment(find_device(client, name)['guid'])}", body)


def _done(around: Surroundings, answer: dict[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(around, answer)
    else:
        around.say(sentence)


def _state(device: dict[str, Any], now: float) -> str:
    presence = device["presence"]
    if device["status"] != "active":
        return str(device["status"])
    if not device["has_agent"]:
        return "no agent"
    if presence["online"]:
        return "online" if presence["contexts"] else "online, no session"
    return f"offline, seen {ago(presence['last_seen'], now)}"


def _show(around: Surroundings, device: dict[str, Any]) -> None:
    now = around.now()
    contexts = ", ".join(device["presence"]["contexts"])
    if device["duplicate_suspected"]:
        around.note(
            f"Two machines seem to share this identity: {clean(device['duplicate_reason'])} Enrol the copy anew "
            "(delete its Certificates/Agent/Identity), or, if it is one machine: borealis settle DEVICE"
        )
    show_facts(
        around.out,
        [
            ("Device", device["hostname"]),
            ("GUID", device["guid"]),
            ("Description", device["description"]),
            ("State", _state(device, now)),
            ("Sessions", contexts or "none"),
            ("Signed in", ", ".join(map(_signed_in, device["presence"].get("users", []))) or "nobody with an agent"),
            ("Last seen", f"{moment(device['presence']['last_seen'])} ({ago(device['presence']['last_seen'], now)})"),
            ("Site", device["site_name"] or "none"),
            ("Fingerprint", device["ssl_key_fingerprint"]),
            ("Calls from", device["address"]),
            ("Internal address", device["internal_ip"]),
            ("External address", device["external_ip"]),
            ("Domain", device["domain"]),
            ("System", device["operating_system"]),
            ("Type", device["device_type"]),
            ("User", device["last_user"]),
            ("Up for", spell_duration(device["uptime"]) if device["uptime"] else ""),
            ("Last start", device["last_reboot"]),
            ("CPU", _percent(device["cpu_percent"])),
            ("Memory in use", _percent(device["memory_percent"])),
            ("Agent build", device["agent_build_id"]),
            ("Enrolled", moment(device["created_at"])),
            *_inventory(device["details"]),
        ],
    )
    if device["roles"]:
        around.say("")
        show_table(
            around.out,
            ["Role", "Context", "State", "Reason"],
            [
                [name, health.get("context"), health.get("state"), health.get("reason")]
                for name, health in sorted(device["roles"].items())
            ],
            empty="",
        )


def _signed_in(one: dict[str, Any]) -> str:
    name = one["user"] or "somebody whom the agent does not name"
    return f"{name} (at the machine's own screen)" if one["active"] else str(name)


def _inventory(details: dict[str, Any]) -> list[tuple[str, Any]]:
    cpu = details.get("cpu") or {}
    disks = [
        f"{disk.get('drive')} {disk.get('usage')} %" for disk in details.get("storage") or [] if isinstance(disk, dict)
    ]
    software = details.get("software") or []
    return [
        ("Processor", cpu.get("name") if isinstance(cpu, dict) else ""),
        ("Disks in use", ", ".join(disks[:8])),
        ("Software", plural(len(software), "package") + ", listed by --json" if software else ""),
    ]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:g} %"
