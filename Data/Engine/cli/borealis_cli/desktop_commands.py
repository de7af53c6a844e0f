"""Commands about remote desktop (RDP) of a device: open it; is it ready, make it so, take that back."""

from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from borealis_cli import rdp_commands
from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import FAILED, CliError
from borealis_cli.follow import Printer, follow_all
from borealis_cli.lookups import find_device
from borealis_cli.options import DeviceName, Json, Yes, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_facts
from borealis_cli.text import ago, clean
from borealis_wire.events import RunStatus


class _DeviceOrCommand(TyperGroup):
    """``borealis rdp lab-7`` is ``borealis rdp open lab-7``: a first word that is no command is a device."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As ``click`` has it."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["open", *args]
        return super().resolve_command(ctx, args)


rdp: Final = typer.Typer(
    cls=_DeviceOrCommand,
    help="Remote desktop of a device by RDP: open it, who has one open; is it ready, prepare it, undo that.",
    no_args_is_help=True,
)
rdp.command("open")(rdp_commands.open_page)
rdp.command("sessions")(rdp_commands.sessions)


@rdp.command()
def status(
    ctx: typer.Context,
    name: DeviceName,
    now: Annotated[bool, typer.Option("--now", help="Have it look again first.")] = False,
    as_json: Json = False,
) -> None:
    """Tell whether a device is ready for remote desktop, and what is missing."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        place = _place(client, name)
        if now:
            ordered = client.post(f"{place}/look")
            follow_all(client, [ordered["run"]], Printer(around.stderr, around.stderr, prefixed=False))
        answer = client.get(place)
    if as_json:
        print_json(around, answer)
    else:
        _show(around, answer)


@rdp.command()
def prepare(
    ctx: typer.Context,
    name: DeviceName,
    open_network: Annotated[
        bool, typer.Option("--open-network", help="Let other machines connect too, through its firewall.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Install and start what remote desktop needs, and wait for it. Each change can be undone."""
    who = "from its network too" if open_network else "from itself alone"
    question = f"Prepare remote desktop on {{}}? It will be reachable {who}; packages may be installed."
    _order(ctx, name, "prepare", {"open_network": open_network}, question, yes, as_json)


@rdp.command()
def undo(ctx: typer.Context, name: DeviceName, yes: Yes = False, as_json: Json = False) -> None:
    """Restore what was before a device was prepared, and wait for it."""
    question = "Take back everything that was changed for remote desktop on {}? Sessions there end."
    _order(ctx, name, "undo", {}, question, yes, as_json)


def _order(  # noqa: PLR0917
    ctx: typer.Context, name: str, deed: str, body: dict[str, Any], question: str, yes: bool, as_json: bool
) -> None:
    around = surroundings(ctx)
    with engine(ctx) as client:
        device = find_device(client, name)
        around.confirm(question.format(clean(device["hostname"])), yes=yes)
        place = f"/api/devices/{segment(device['guid'])}/remote_desktop"
        ordered = client.post(f"{place}/{deed}", body) if body else client.post(f"{place}/{deed}")
        target = around.stderr if as_json else around.stdout
        (run,) = follow_all(client, [ordered["run"]], Printer(target, around.stderr, prefixed=False))
        answer = client.get(place)
    if as_json:
        print_json(around, answer)
    if run["status"] != RunStatus.SUCCESS.value:
        reason = f": {clean(run['reason'])}" if run.get("reason") else ""
        raise CliError(f"{deed} ended with {run['status']}{reason}", FAILED)


def _place(client: EngineClient, name: str) -> str:
    return f"/api/devices/{segment(find_device(client, name)['guid'])}/remote_desktop"


def _show(around: Surroundings, answer: dict[str, Any]) -> None:
    report = answer["report"]
    if not answer["known"]:
        around.say(f"{clean(answer['hostname'])} has said nothing of remote desktop yet; it does within five minutes.")
        return
    firewall = {True: "open", False: "closed"}.get(report["firewall_open"], "")
    show_facts(
        around.out,
        [
            ("Device", answer["hostname"]),
            ("Remote desktop", "ready" if report["ready"] else "not ready"),
            ("Missing", "; ".join(report["problems"])),
            ("Server", f"{report['server']} {report['version']}".strip() if report["installed"] else "not installed"),
            ("Running", "yes" if report["running"] else "no"),
            ("Reachable from", report["reach"]),
            ("Listens on", f"{', '.join(report['listening'])} port {report['port']}" if report["listening"] else ""),
            ("Encryption", report["encryption"]),
            ("Session", report["session"]),
            ("Firewall", f"{report['firewall']} {firewall}".strip()),
            ("Can be prepared", "yes" if report["can_prepare"] else report["cannot_prepare"]),
            ("Changed by us", "; ".join(report["changes"])),
            ("Looked at", ago(report["looked_at"], around.now())),
        ],
    )
