"""Commands about remote shells: be at one, see who is, and what was recorded."""

import codecs
import os
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from borealis_cli import local_terminal
from borealis_cli.client import segment
from borealis_cli.errors import FAILED, CliError, Refusal, Unreachable
from borealis_cli.local_terminal import END_OF_INPUT, Leave, Typed
from borealis_cli.lookups import find_device
from borealis_cli.options import DeviceName, Json, Yes, engine, print_json, surroundings
from borealis_cli.places import Target
from borealis_cli.socket_line import SocketLine
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import clean

OPEN_SECONDS: Final = 60.0
RETURN_SECONDS: Final = 300.0
"""As long as a device keeps a shell that nobody is connected to."""
RETURN_PAUSE: Final = 1.0
NEW: Final = -1

recordings = typer.Typer(no_args_is_help=True, help="What remote shells printed.")


def shell(
    ctx: typer.Context,
    name: DeviceName,
    user: Annotated[str, typer.Option("--user", "-u", help="The account on the device; else the agent's own.")] = "",
) -> None:
    """Open a shell on a device, in this terminal. Enter ~ . ends it. Exits with the shell's own status."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        guid = str(find_device(client, name)["guid"])
        status = AtShell(around, client.target, guid, user).run()
    raise typer.Exit(status)


class AtShell:
    """One remote shell in this terminal, over as many connections as it takes."""

    def __init__(self, around: Surroundings, target: Target, guid: str, user: str) -> None:
        self._around = around
        self._target = target
        self._guid = guid
        self._user = user
        self._session_id = str(uuid.uuid4())
        self._seen = NEW
        self._closed: dict[str, Any] | None = None
        self._is_over = threading.Event()
        self._resized = threading.Event()
        self._typed = Typed()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def run(self) -> int:
        """Until the shell is over; gives its exit status.

        Raises:
            CliError: it cannot be opened, or the way to it was lost for good.
        """
        with local_terminal.raw(self._around.stdin) as is_raw, local_terminal.resized(self._resized.set):
            self._keys = local_terminal.keys(self._around.stdin, self._is_over.is_set)
            lost_at = 0.0
            while True:
                try:
                    with SocketLine.connect(self._target, self._hear) as line:
                        self._open(line)
                        lost_at = 0.0
                        if (status := self._carry(line, is_raw=is_raw)) is not None:
                            return status
                except Unreachable:
                    if self._seen == NEW:
                        raise
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > RETURN_SECONDS:
                    raise Unreachable("The connection was lost, and the shell did not come back in time.")
                self._around.note("\r\n(the connection was lost; trying again)\r")
                self._around.sleep(RETURN_PAUSE)

    def _open(self, line: SocketLine) -> None:
        columns, rows = local_terminal.size()
        self._closed = None
        self._is_over.clear()
        asked = {
            "agent_id": self._guid,
            "session_id": self._session_id,
            "cols": columns,
            "rows": rows,
            "user": self._user,
            "seen": self._seen,
        }
        try:
            line.call("vpn_shell_open", asked, seconds=OPEN_SECONDS)
        except Refusal as no:
            if self._seen != NEW and no.code in {"not_connected", "shell_connect_failed", "tunnel_down"}:
                raise Unreachable(no.detail) from no
            raise
        self._seen = max(self._seen, 0)

    def _carry(self, line: SocketLine, *, is_raw: bool) -> int | None:
        """Type until the shell is over: its status. None where the connection was lost."""
        try:
            self._type(line, is_raw=is_raw)
        except Leave:
            line.call("vpn_shell_close", {"session_id": self._session_id})
            return FAILED
        except Refusal as no:
            if no.code != "shell_not_found":  # that is told by its end, which is on its way
                raise
        while not self._is_over.wait(local_terminal.WAIT_SECONDS) and not line.closed.is_set():
            self._tell_size(line)
        told = self._closed
        if told is None or told.get("lost"):
            return None
        if told.get("reason"):
            self._around.note(f"\r\n{clean(str(told['reason']))}\r")
        status = told.get("status")
        return status if isinstance(status, int) else FAILED

    def _type(self, line: SocketLine, *, is_raw: bool) -> None:
        for data in self._keys:
            if line.closed.is_set():
                return
            self._tell_size(line)
            text = self._decoder.decode(self._typed.feed(data) if is_raw else data)
            if text:
                line.call("vpn_shell_send", {"session_id": self._session_id, "data": text})
            if self._is_over.is_set():
                return
        if not self._is_over.is_set():
            line.call("vpn_shell_send", {"session_id": self._session_id, "data": END_OF_INPUT.decode()})

    def _tell_size(self, line: SocketLine) -> None:
        if self._resized.is_set():
            self._resized.clear()
            columns, rows = local_terminal.size()
            line.call("vpn_shell_resize", {"session_id": self._session_id, "cols": columns, "rows": rows})

    def _hear(self, event: str, told: dict[str, Any]) -> None:
        if told.get("session_id") != self._session_id:
            return
        if event == "vpn_shell_output":
            self._around.stdout.write(str(told["data"]))
            self._around.stdout.flush()
            self._seen = int(told["seq"])
        elif event == "vpn_shell_closed":
            self._closed = told
            self._is_over.set()


def shells(
    ctx: typer.Context,
    device: Annotated[str, typer.Option("--device", help="Only on this device: hostname or GUID.")] = "",
    end: Annotated[str, typer.Option("--end", metavar="ID", help="End this one, with all that runs in it.")] = "",
    as_json: Json = False,
) -> None:
    """List the remote shells that are open, or end one."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        if end:
            client.delete(f"/api/shells/{segment(end)}")
        guid = str(find_device(client, device)["guid"]) if device else None
        answer = client.get("/api/shells", device=guid)
    if as_json:
        print_json(around, answer)
        return
    show_table(
        around.out,
        ["Id", "Device", "Operator", "As", "Shell", ""],
        [
            [
                one["session_id"],
                one["hostname"],
                one["username"],
                one["user"],
                one["shell"],
                "" if one["connected"] else "away",
            ]
            for one in answer["shells"]
        ],
        empty="No shell is open.",
    )


@recordings.command("list")
def list_recordings(
    ctx: typer.Context,
    device: Annotated[str, typer.Option("--device", help="Only of this device: hostname or GUID.")] = "",
    username: Annotated[str, typer.Option("--user", help="Only of this operator.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List recordings of shells, newest first."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        guid = str(find_device(client, device)["guid"]) if device else None
        answer = client.get("/api/recordings", device=guid, username=username, limit=limit)
    if as_json:
        print_json(around, answer)
        return
    show_table(
        around.out,
        ["Id", "Began", "Device", "Operator", "As", "Seconds", "Status"],
        [
            [
                one["recording_id"],
                time.strftime("%Y-%m-%d %H:%M", time.localtime(one["started_at"])),
                one["hostname"],
                one["username"],
                one["account"],
                round(one["seconds"]),
                "goes on" if one["ended_at"] is None else one["status"],
            ]
            for one in answer["recordings"]
        ],
        empty="Nothing was recorded.",
    )


@recordings.command("save")
def save_recording(
    ctx: typer.Context,
    recording_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - for stdout.")] = "",
) -> None:
    """Save a recording as a file, which asciinema plays too. Who asked is on record."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        data = client.get_for_bytes(f"/api/recordings/{segment(recording_id)}/cast")
    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(output or f"{Path(recording_id).name}.cast")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}.") from error
    around.say(f"{clean(str(path))}: {len(data)} bytes.")


@recordings.command("delete")
def delete_recording(
    ctx: typer.Context,
    recording_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.")],
    yes: Yes = False,
) -> None:
    """Throw a recording away."""
    around = surroundings(ctx)
    around.confirm(f"Throw recording {clean(recording_id)} away?", yes=yes)
    with engine(ctx) as client:
        client.delete(f"/api/recordings/{segment(recording_id)}")
    around.say("It is gone.")
