"""Commands about forwards: carry some, see which are open, end one."""

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Annotated, Final

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import FAILED
from borealis_cli.lookups import find_device
from borealis_cli.options import DeviceName, Json, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import ago, clean

if TYPE_CHECKING:
    from borealis_cli.forwarding import Wanted

STATUS_SECONDS: Final = 1.0

forwards = typer.Typer(no_args_is_help=True, help="Forwarded ports that are open.")


def forward(
    ctx: typer.Context,
    name: DeviceName,
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="[BIND:]PORT:HOST:PORT...",
            help="Listen on PORT here (0: any), and connect to HOST:PORT as seen from the device.",
        ),
    ],
) -> None:
    """Reach ports of a device, or of what it reaches, on this machine. Ctrl-C ends it."""
    from borealis_cli.forwarding import read_wanted

    around = surroundings(ctx)
    wanted = [read_wanted(spec) for spec in specs]
    with engine(ctx) as client:
        device = find_device(client, name)
        status = _Forwarding(around, client, str(device["guid"]), clean(str(device["hostname"]))).run(wanted)
    raise typer.Exit(status)


class _Forwarding:
    """The forwards of one command."""

    def __init__(self, around: Surroundings, client: EngineClient, guid: str, hostname: str) -> None:
        from borealis_cli.forwarding import Figures

        self._around = around
        self._client = client
        self._guid = guid
        self._hostname = hostname
        self._figures = Figures()
        self._has_status = False

    def run(self, wanted: "list[Wanted]") -> int:
        """Until all are over, or somebody ends it; gives the exit status."""
        try:
            reasons = asyncio.run(self._all(wanted))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        except (KeyboardInterrupt, asyncio.CancelledError):
            reasons = []
        finally:
            self._end_status()
        for reason in dict.fromkeys(reasons):
            self._around.note(reason)
        figures = self._figures
        self._around.note(f"{figures.opened} connections, {figures.sent} B sent, {figures.received} B received.")
        return FAILED if reasons else 0

    async def _all(self, wanted: "list[Wanted]") -> list[str]:
        from borealis_cli.forwarding import LocalForward

        this = asyncio.current_task()
        assert this is not None
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)

        def opened(which: "Wanted", port: int) -> None:
            self._end_status()
            here = f"[{which.bind}]:{port}" if ":" in which.bind else f"{which.bind}:{port}"
            there = f"[{which.host}]:{which.target}" if ":" in which.host else f"{which.host}:{which.target}"
            self._around.say(f"{here} leads to {there} as seen from {self._hostname}. Ctrl-C ends it.")
            self._around.stdout.flush()

        async with asyncio.TaskGroup() as group:
            status = group.create_task(self._show()) if self._around.interactive else None
            running = [
                group.create_task(
                    LocalForward(
                        self._client,
                        self._guid,
                        one,
                        self._figures,
                        say=self._say,
                        on_open=opened,
                    ).run()
                )
                for one in wanted
            ]
            await asyncio.wait(running)
            if status is not None:
                status.cancel()
        return [one.result() for one in running]

    async def _show(self) -> None:
        while True:
            figures = self._figures
            line = f"{figures.connections} connections, {figures.sent} B sent, {figures.received} B received"
            self._around.stderr.write(f"\r\x1b[K{line}")
            self._around.stderr.flush()
            self._has_status = True
            await asyncio.sleep(STATUS_SECONDS)

    def _say(self, sentence: str) -> None:
        self._end_status()
        self._around.note(sentence)

    def _end_status(self) -> None:
        if self._has_status:
            self._around.stderr.write("\r\x1b[K")
            self._has_status = False


def _first(error: BaseException) -> BaseException:
    """What failed, without the groups around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@forwards.command("list")
def list_forwards(
    ctx: typer.Context,
    device: Annotated[str, typer.Option("--device", help="Only to this device: hostname or GUID.")] = "",
    as_json: Json = False,
) -> None:
    """List the forwards that are open, also of others."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        guid = str(find_device(client, device)["guid"]) if device else None
        answer = client.get("/api/forward/sessions", device=guid)
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["Id", "Device", "Operator", "Target", "Begun", "Connections", "Sent", "Received"],
        [
            [
                one["session_id"],
                one["hostname"],
                one["username"],
                f"{one['host']} port {one['port']}",
                ago(one["since"], now),
                f"{one['connections']} of {one['opened']}",
                f"{one['sent']} B",
                f"{one['received']} B",
            ]
            for one in answer["forwards"]
        ],
        empty="Nothing is forwarded.",
    )


@forwards.command("end")
def end_forward(
    ctx: typer.Context,
    session_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.")],
) -> None:
    """End a forward with all its connections, whoever has it open."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        client.delete(f"/api/forward/sessions/{segment(session_id)}")
    around.say("It is over.")
