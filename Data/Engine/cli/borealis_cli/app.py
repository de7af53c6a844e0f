"""All commands in one program, and the one place where errors become a sentence and an exit status."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer
from typer.main import get_command

from borealis_cli import (
    credential_commands,
    desktop_commands,
    device_commands,
    enrolment_commands,
    file_commands,
    forward_commands,
    machine_commands,
    macro_commands,
    people_commands,
    run_commands,
    screen_commands,
    server_commands,
    session_commands,
    shell_commands,
    site_commands,
    tunnel_commands,
    update_commands,
    viewer_commands,
)
from borealis_cli.errors import EXIT_STATUSES, INTERRUPTED, USAGE, CliError
from borealis_cli.options import surroundings
from borealis_cli.surroundings import Surroundings

PROGRAM: Final = "borealis"
HELP: Final = (
    "Borealis from the command line.\n\nOn the Engine's own machine its owner is let in; elsewhere sign in first: "
    f"borealis login https://ENGINE:PORT\n\n{EXIT_STATUSES}"
)
_DEVICES: Final = "Devices"
_RUNS: Final = "Scripts"
_ENROLMENT: Final = "Letting devices in"
_PEOPLE: Final = "People and sites"
_ENGINE: Final = "The Engine"


def build() -> typer.Typer:
    """The program."""
    app = typer.Typer(
        name=PROGRAM,
        help=HELP,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    devices, runs, enrolment = device_commands, run_commands, enrolment_commands
    panels: tuple[tuple[str, dict[str, Callable[..., None]]], ...] = (
        (
            _DEVICES,
            {
                "devices": devices.list_devices,
                "device": devices.show_device,
                "screen": screen_commands.screen,
                "screenshot": screen_commands.screenshot,
                "desktop": viewer_commands.desktop,
                "shell": shell_commands.shell,
                "shells": shell_commands.shells,
                "forward": forward_commands.forward,
                "ls": file_commands.ls,
                "cp": file_commands.cp,
                "rename": devices.rename,
                "describe": devices.describe,
                "move": devices.move,
                "quarantine": devices.quarantine,
                "release": devices.release,
                "revoke": devices.revoke,
                "settle": devices.settle,
                "delete": devices.delete,
                "update": update_commands.update,
                "updates": update_commands.updates,
            },
        ),
        (_RUNS, {"run": runs.run, "activity": runs.activity, "cancel": runs.cancel}),
        (
            _ENROLMENT,
            {"approvals": enrolment.approvals, "approve": enrolment.approve, "deny": enrolment.deny},
        ),
        (_ENGINE, {"logs": server_commands.logs, "audit": server_commands.audit}),
        (
            _PEOPLE,
            {
                "login": session_commands.login,
                "logout": session_commands.logout,
                "whoami": session_commands.whoami,
            },
        ),
    )
    for panel, commands in panels:
        for name, command in commands.items():
            app.command(name, rich_help_panel=panel)(command)
    app.add_typer(viewer_commands.desktops, name="desktops", rich_help_panel=_DEVICES)
    app.add_typer(desktop_commands.rdp, name="rdp", rich_help_panel=_DEVICES)
    app.add_typer(macro_commands.macro, name="macro", rich_help_panel=_DEVICES)
    app.add_typer(machine_commands.machines, name="machines", rich_help_panel=_DEVICES)
    app.add_typer(credential_commands.credentials, name="credentials", rich_help_panel=_DEVICES)
    app.add_typer(tunnel_commands.tunnel, name="tunnel", rich_help_panel=_DEVICES)
    app.add_typer(forward_commands.forwards, name="forwards", rich_help_panel=_DEVICES)
    app.add_typer(shell_commands.recordings, name="recordings", rich_help_panel=_DEVICES)
    app.add_typer(enrolment_commands.codes, name="codes", rich_help_panel=_ENROLMENT)
    app.add_typer(site_commands.sites, name="sites", rich_help_panel=_PEOPLE)
    app.add_typer(people_commands.users, name="users", rich_help_panel=_PEOPLE)
    app.add_typer(people_commands.tokens, name="tokens", rich_help_panel=_PEOPLE)
    app.add_typer(server_commands.server, name="server", rich_help_panel=_ENGINE)
    return app


def main(arguments: Sequence[str], around: Surroundings) -> int:
    """Run one command; gives the exit status (``errors.EXIT_STATUSES``)."""
    command = get_command(build())
    try:
        status = command.main(list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=around)
        around.stdout.flush()
    except CliError as error:
        return _end(around, error.sentence, error.status)
    except typer.TyperException as error:
        sentence = error.format_message()  # none where help was printed instead, because no command was given
        return _end(around, sentence, USAGE) if sentence else USAGE
    except (KeyboardInterrupt, typer.Abort):
        return _end(around, "Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        _silence(around)
        return 1
    return status if isinstance(status, int) else 0


def _options(
    ctx: typer.Context,
    login: Annotated[
        bool, typer.Option("--login", help="Use the stored login, not this machine's own Engine.")
    ] = False,
) -> None:
    surroundings(ctx).prefer_login = login


def _end(around: Surroundings, sentence: str, status: int) -> int:
    around.stderr.write(f"{PROGRAM}: {sentence}\n")
    return status


def _silence(around: Surroundings) -> None:
    """Whoever read us has gone; the interpreter's last flush must not complain about it."""
    if around.stdout is sys.stdout:
        sys.stdout = None
