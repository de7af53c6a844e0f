"""Commands about sessions by RDP: where they are opened, which there are, and their end."""

from typing import Annotated

import typer

from borealis_cli.client import segment
from borealis_cli.lookups import find_device
from borealis_cli.options import DeviceName, Json, engine, print_json, surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import ago, clean


def open_page(ctx: typer.Context, name: DeviceName, as_json: Json = False) -> None:
    """Tell the address at which a device's remote desktop is opened in the browser.

    For an RDP program of your own: borealis forward DEVICE 3390:127.0.0.1:3389.
    """
    around = surroundings(ctx)
    with engine(ctx) as client:
        device = find_device(client, name)
        unavailable = client.get("/api/rdp/sessions", device=str(device["guid"]))["unavailable"]
        address = f"{client.target.url}/devices/{segment(str(device['guid']))}/rdp"
    if unavailable:
        around.note(f"{clean(str(unavailable))}\n")
    if as_json:
        print_json(around, {"url": address, "unavailable": unavailable})
    else:
        around.say(address)


def sessions(
    ctx: typer.Context,
    device: Annotated[str, typer.Option("--device", help="Only on this device: hostname or GUID.")] = "",
    end: Annotated[str, typer.Option("--end", metavar="ID", help="End this one; what runs there goes on.")] = "",
    as_json: Json = False,
) -> None:
    """List the remote desktops that are open by RDP, or end one."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        if end:
            client.delete(f"/api/rdp/sessions/{segment(end)}")
        guid = str(find_device(client, device)["guid"]) if device else None
        answer = client.get("/api/rdp/sessions", device=guid)
    if as_json:
        print_json(around, answer)
        return
    show_table(
        around.out,
        ["Id", "Device", "Operator", "As", "Since"],
        [
            [one["session_id"], one["hostname"], one["username"], one["user"], ago(one["since"], around.now())]
            for one in answer["sessions"]
        ],
        empty=clean(str(answer["unavailable"])) or "No remote desktop is open by RDP.",
    )
