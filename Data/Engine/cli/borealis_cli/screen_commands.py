"""Commands about the screen of a device's signed-in user: take a picture, list what there is to see."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from borealis_cli.client import segment
from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import find_device
from borealis_cli.options import DeviceName, Json, engine, print_json, surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import clean

FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def screenshot(  # noqa: PLR0917
    ctx: typer.Context,
    name: DeviceName,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; its ending says the format. - for stdout.")
    ] = "",
    monitor: Annotated[int, typer.Option(min=0, max=64, help="From 1; 0 for all of them together.")] = 1,
    region: Annotated[str, typer.Option(metavar="X,Y,W,H", help="Only this part of it, in pixels.")] = "",
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG and WebP.")] = 80,
    user: Annotated[str, typer.Option(metavar="NAME", help="Whose screen, of those signed in.")] = "",
    timeout: Annotated[float, typer.Option(min=1, max=60, help="Seconds to wait for the device.")] = 15,
) -> None:
    """Take a picture of the signed-in user's screen. Who took it is on record."""
    around = surroundings(ctx)
    kind = "png" if output in {"", "-"} else FORMATS.get(Path(output).suffix.lower(), "")
    if not kind:
        raise CliError(f"Name the file with one of these endings: {', '.join(FORMATS)}", USAGE)
    asked: dict[str, Any] = {"monitor": monitor, "format": kind, "quality": quality, "timeout_seconds": timeout}
    if region:
        asked["region"] = _region(region)
    if user:
        asked["user"] = user
    with engine(ctx) as client:
        device = find_device(client, name)
        data = client.post_for_bytes(f"/api/devices/{segment(device['guid'])}/screenshot", asked)
    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(output or f"{_plain(str(device['hostname']))}.png")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}.") from error
    around.say(f"{clean(str(path))}: {len(data)} bytes.")


def screen(
    ctx: typer.Context,
    name: DeviceName,
    windows: Annotated[bool, typer.Option("--windows", help="Ask the device for monitors and windows too.")] = False,
    user: Annotated[str, typer.Option(metavar="NAME", help="Whose monitors and windows, of those signed in.")] = "",
    as_json: Json = False,
) -> None:
    """Tell whether a device has a screen to look at, and who watches it."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        place = f"/api/devices/{segment(find_device(client, name)['guid'])}/screen"
        state = client.get(place)
        found = client.post(f"{place}/list", {"user": user} if user else None) if windows else None
    if as_json:
        print_json(around, state if found is None else {**state, "list": found})
        return
    watchers = ", ".join(_watcher(one) for one in state["watchers"])
    show_facts(
        around.out,
        [
            ("Device", state["hostname"]),
            ("Can be looked at", "yes" if state["reachable"] else "no: nobody is signed in, or it is not connected"),
            ("Signed in", ", ".join(state.get("users", [])) or "nobody"),
            ("Watched by", watchers or "nobody"),
        ],
    )
    if found is None:
        return
    around.say("")
    show_table(
        around.out,
        ["Monitor", "Left", "Top", "Width", "Height"],
        [[one["number"] or "all", one["x"], one["y"], one["width"], one["height"]] for one in found["monitors"]],
        empty="There is no monitor.",
    )
    around.say("")
    show_table(
        around.out,
        ["Window", "Number", "Program", "Left", "Top", "Width", "Height", ""],
        [
            [
                one["title"],
                one["id"],
                one["program"],
                one["x"],
                one["y"],
                one["width"],
                one["height"],
                "active" if one["active"] else "",
            ]
            for one in found["windows"]
        ],
        empty=found["note"] or "There is no window.",
    )


def _watcher(one: dict[str, Any]) -> str:
    return f"{one['username']} (monitor {one['monitor']}{' of ' + one['user'] if one.get('user') else ''})"


def _region(text: str) -> dict[str, int]:
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdigit() for part in parts):
        raise CliError("A region is four whole numbers: --region X,Y,W,H", USAGE)
    return dict(zip(("x", "y", "width", "height"), map(int, parts), strict=True))


def _plain(hostname: str) -> str:
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in hostname)[:64] or "screenshot"
