"""Commands about macros: keys and text that a device types by itself."""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import FAILED, USAGE, CliError
from borealis_cli.follow import Printer, follow_all, wait_for_run
from borealis_cli.lookups import find_device
from borealis_cli.options import DeviceName, Json, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.text import clean, parse_duration
from borealis_wire.events import RunStatus, ScriptType
from borealis_wire.macro import MAX_TEXT, MacroType, OperationMode

macro: Final = typer.Typer(
    help="Macros on a signed-in user's screen: start, change, trigger, stop.", no_args_is_help=True
)
MODES: Final = {
    "once": OperationMode.RUN_ONCE,
    "continuous": OperationMode.CONTINUOUS,
    "trigger-once": OperationMode.TRIGGER_ONCE,
    "trigger-continuous": OperationMode.TRIGGER_CONTINUOUS,
}
_MILLISECONDS: Final = re.compile(r"(\d{1,9})\s*(ms)?")
_RANGE: Final = re.compile(r"(.+?)\s*(?:-|\.\.)\s*(.+)")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="The run that started it; from: borealis activity")]
Key = Annotated[str, typer.Option("--key", metavar="KEY", help="A key to press: x, Enter, F5, Ctrl+Shift+Tab.")]
Text = Annotated[str, typer.Option("--text", metavar="TEXT", help="Text to type.")]
TextFile = Annotated[Path | None, typer.Option("--text-file", metavar="FILE", help="Text to type, from a file.")]
Mode = Annotated[str, typer.Option("--mode", metavar="MODE", help=f"One of {', '.join(MODES)}.")]
Window = Annotated[str, typer.Option("--window", metavar="TITLE", help="Part of the title of one window.")]
Handle = Annotated[
    int, typer.Option("--handle", min=0, metavar="NUMBER", help="The window's number; from: borealis screen --windows")
]
Every = Annotated[str, typer.Option("--every", metavar="TIME", help="From one time to the next: 250ms, 2s, 5m.")]
Random = Annotated[
    str, typer.Option("--random", metavar="TIME-TIME", help="Draw each wait from these, as in 750ms-950ms.")
]


@macro.command()
def start(  # noqa: PLR0917
    ctx: typer.Context,
    name: DeviceName,
    key: Key = "",
    text: Text = "",
    text_file: TextFile = None,
    mode: Mode = "once",
    window: Window = "",
    handle: Handle = 0,
    every: Every = "",
    random: Random = "",
    paused: Annotated[bool, typer.Option("--paused", help="Begin at rest; go on with change --resume.")] = False,
    user: Annotated[str, typer.Option(metavar="NAME", help="On whose screen, of those signed in.")] = "",
    timeout: Annotated[str, typer.Option(metavar="TIME", help="It ends by itself after that: 10m, 8h.")] = "1h",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end, with live output.")] = False,
    as_json: Json = False,
) -> None:
    """Start a macro on a device. Without a window it types wherever the focus is."""
    settings = _settings(key, text, text_file, mode, window, handle, every, random)
    if "macro_type" not in settings:
        raise CliError("Say what to type: --key, --text or --text-file.", USAGE)
    if paused:
        settings["active"] = False
    around = surroundings(ctx)
    with engine(ctx) as client:
        body = {
            "guid": find_device(client, name)["guid"],
            "settings": settings,
            "timeout_seconds": _seconds(timeout),
            **({"run_as_user": user} if user else {}),
        }
        ordered = client.post("/api/macros", body)
        run_id = str(ordered["run"]["run_id"])
        if wait:
            _see_out(around, client, ordered["run"], as_json)
        elif as_json:
            print_json(around, ordered)
        else:
            around.say(f"Macro {run_id} is on its way. Stop it: borealis macro stop {run_id}")


@macro.command()
def change(  # noqa: PLR0917
    ctx: typer.Context,
    run_id: RunId,
    key: Key = "",
    text: Text = "",
    text_file: TextFile = None,
    mode: Mode = "",
    window: Window = "",
    handle: Handle = 0,
    every: Every = "",
    random: Random = "",
    paused: Annotated[bool | None, typer.Option("--pause/--resume", help="Let it rest, or go on.")] = None,
    as_json: Json = False,
) -> None:
    """Change a macro while it runs; what is not named stays. Tells whether the device did."""
    changes = _settings(key, text, text_file, mode, window, handle, every, random)
    if paused is not None:
        changes["active"] = not paused
    if not changes:
        raise CliError("Say what to change; see borealis macro change --help.", USAGE)
    _order(ctx, run_id, changes, as_json)


@macro.command()
def trigger(
    ctx: typer.Context,
    run_id: RunId,
    off: Annotated[bool, typer.Option("--off", help="Let go of it again (trigger-continuous).")] = False,
    as_json: Json = False,
) -> None:
    """Set off a macro that waits for its trigger."""
    _order(ctx, run_id, {"trigger": 0 if off else 1}, as_json)


@macro.command()
def stop(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """End a macro, and wait until it has ended."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        if client.get(f"/api/runs/{segment(run_id)}")["script_type"] != ScriptType.MACRO.value:
            raise CliError("That run is no macro. End any other by: borealis cancel RUN_ID", USAGE)
        client.post(f"/api/runs/{segment(run_id)}/cancel")
        run = wait_for_run(client, run_id)
    if as_json:
        print_json(around, run)
    else:
        around.say(f"It ended: {run['status']}.")


def _settings(  # noqa: PLR0917
    key: str, text: str, text_file: Path | None, mode: str, window: str, handle: int, every: str, random: str
) -> dict[str, Any]:
    """Those that were named, in the form of the REST API."""
    if (bool(key) + bool(text) + (text_file is not None)) > 1:
        raise CliError("Say one of --key, --text and --text-file.", USAGE)
    if every and random:
        raise CliError("Say --every or --random, one of the two.", USAGE)
    if window and handle:
        raise CliError("Say --window or --handle, one of the two.", USAGE)
    found: dict[str, Any] = {}
    if key:
        found |= {"macro_type": MacroType.KEYPRESS.value, "key": key}
    elif text or text_file is not None:
        found |= {"macro_type": MacroType.TEXT.value, "text": text or _read(text_file)}
    if mode:
        if mode not in MODES:
            raise CliError(f"--mode is one of {', '.join(MODES)}.", USAGE)
        found["operation_mode"] = MODES[mode].value
    if window:
        found["window_title"] = window
    if handle:
        found["window_handle"] = handle
    if every:
        found |= {"interval_ms": _milliseconds(every), "randomize_interval": False}
    if random:
        bounds = _RANGE.fullmatch(random.strip())
        if bounds is None:
            raise CliError("--random is two times, as in 750ms-950ms.", USAGE)
        least, most = (_milliseconds(one) for one in bounds.groups())
        found |= {"randomize_interval": True, "random_min": least, "random_max": most}
    return found


def _read(path: Path | None) -> str:
    assert path is not None
    try:
        with path.open("rb") as file:
            data = file.read(4 * MAX_TEXT + 1)
        text = data.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise CliError(f"{clean(path)} cannot be read: {error.strerror or error}.", USAGE) from error
    except ValueError as error:
        raise CliError(
            f"{clean(path)} is not UTF-8 text, or too long: {MAX_TEXT} characters at most.", USAGE
        ) from error
    if not 1 <= len(text) <= MAX_TEXT:
        raise CliError(f"{clean(path)} does not have 1 to {MAX_TEXT} characters.", USAGE)
    return text


def _milliseconds(text: str) -> int:
    found = _MILLISECONDS.fullmatch(text.strip().lower())
    return int(found.group(1)) if found else 1000 * _seconds(text)


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise CliError(f"{error}.", USAGE) from error


def _order(ctx: typer.Context, run_id: str, changes: dict[str, Any], as_json: bool) -> None:
    around = surroundings(ctx)
    with engine(ctx) as client:
        ordered = client.post(f"/api/runs/{segment(run_id)}/macro", changes)
        _see_out(around, client, ordered["run"], as_json)


def _see_out(around: Surroundings, client: EngineClient, started: dict[str, Any], as_json: bool) -> None:
    try:
        if as_json:
            run = wait_for_run(client, str(started["run_id"]))
        else:
            (run,) = follow_all(client, [started], Printer(around.stdout, around.stderr, prefixed=False))
    except KeyboardInterrupt:
        around.note(f"It goes on without you. Stop it: borealis macro stop {started['run_id']}")
        raise
    if as_json:
        print_json(around, run)
    if run["status"] != RunStatus.SUCCESS.value:
        reason = f": {clean(run['reason'])}" if run.get("reason") else ""
        raise CliError(f"It ended with {run['status']}{reason}", FAILED)
