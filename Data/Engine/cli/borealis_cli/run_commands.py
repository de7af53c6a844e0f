"""Commands about running scripts: run, see what ran, cancel."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import FAILED, USAGE, CliError
from borealis_cli.follow import Printer, follow_all, wait_for_all
from borealis_cli.lookups import find_credential, find_device
from borealis_cli.options import Json, engine, print_json, surroundings
from borealis_cli.run_request import (
    TYPES,
    PlaybookSwitches,
    RunOptions,
    build_request,
    playbook_named,
    vault_password_of,
)
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import TerminalFilter, ago, clean, moment, plural, spell_duration
from borealis_wire.events import RunStatus, ScriptType

SHOWN: Final = (
    "device",
    "guid",
    "run_id",
    "status",
    "exit_code",
    "stdout",
    "stderr",
    "started_at",
    "finished_at",
    "reason",
)
"""What ``run --wait --json`` says of each run, exactly (contract 6)."""


def run(
    ctx: typer.Context,
    script: Annotated[str | None, typer.Argument(metavar="SCRIPT", help="What to run; a playbook's file.")] = None,
    *,
    device: Annotated[
        list[str] | None, typer.Option("--device", "-d", help="Hostname or GUID; again for more.")
    ] = None,
    site: Annotated[list[str] | None, typer.Option("--site", help="All devices of a site (name or id).")] = None,
    everywhere: Annotated[bool, typer.Option("--all", help="All devices that you may see.")] = False,
    script_type: Annotated[str, typer.Option("--type", "-t", help=f"{', '.join(TYPES)}.")] = "",
    context: Annotated[str, typer.Option(help="system, or interactive: as a signed-in user.")] = "",
    user: Annotated[
        str, typer.Option(metavar="NAME", help="As this signed-in user; waits while that user is away.")
    ] = "",
    timeout: Annotated[str, typer.Option(metavar="60|5m", help="End it after this long.")] = "",
    expires: Annotated[str, typer.Option(metavar="1h|1d", help="Forget it if a device is not back by then.")] = "",
    var: Annotated[list[str] | None, typer.Option("--var", metavar="K=V", help="A variable; again for more.")] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="A file for the script's folder; again for more.")
    ] = None,
    file: Annotated[str, typer.Option("--file", "-f", help="The script is in this file; - for standard input.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Playbooks: say what would change, change nothing.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Playbooks: show what changes in files.")] = False,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="Playbooks: only these, by comma.")] = None,
    skip_tags: Annotated[list[str] | None, typer.Option("--skip-tags", help="Playbooks: not these, by comma.")] = None,
    limit: Annotated[str, typer.Option("--limit", help="Playbooks: only hosts of this pattern.")] = "",
    ask_vault_password: Annotated[
        bool, typer.Option("--ask-vault-pass", help="Playbooks: ask for the vault password.")
    ] = False,
    vault_password_file: Annotated[
        Path | None, typer.Option("--vault-password-file", help="Playbooks: its first line is the vault password.")
    ] = None,
    credential: Annotated[
        str, typer.Option("--credential", help="Playbooks on machines without an agent: this one (name or id).")
    ] = "",
    connection: Annotated[
        str, typer.Option("--connection", help="Playbooks: only if reached so: local, ssh, winrm or psrp.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end, with live output.")] = False,
    as_json: Json = False,
) -> None:
    """Run a script or playbook on devices. With --wait the exit status is 0 only if every run ended in Success."""
    around = surroundings(ctx)
    script, file = playbook_named(script_type, script, file)
    body = build_request(
        RunOptions(
            devices=device or (),
            sites=site or (),
            everywhere=everywhere,
            script_type=script_type,
            context=context,
            user=user,
            timeout=timeout,
            expires=expires,
            variables=var or (),
            attached=attach or (),
            file=file,
            script=script,
            playbook=PlaybookSwitches(
                check=check,
                diff=diff,
                tags=tags or (),
                skip_tags=skip_tags or (),
                limit=limit,
                vault_password=_vault_password(around, ask_vault_password, vault_password_file),
            ),
        ),
        around.stdin,
    )
    with engine(ctx) as client:
        if credential:
            body["credential_id"] = find_credential(client, credential)["id"]
        if connection:
            body["connection"] = connection
        started = client.post("/api/scripts/quick_run", body)
        if not wait:
            _show_started(around, started, as_json)
            return
        runs = _wait(around, client, started["results"], as_json)
    if as_json:
        print_json(around, {"runs": [{name: run.get(name) for name in SHOWN} for run in runs]})
    else:
        _summary(around, runs)
    if any(run["status"] != RunStatus.SUCCESS for run in runs):
        raise typer.Exit(FAILED)


def activity(
    ctx: typer.Context,
    device: Annotated[str, typer.Argument(metavar="[DEVICE]", help="Hostname or GUID; all devices if absent.")] = "",
    *,
    run_id: Annotated[str, typer.Option("--run", metavar="RUN_ID", help="One run, with its whole output.")] = "",
    status: Annotated[str, typer.Option(help="Only runs of this status, for example Failed.")] = "",
    kind: Annotated[
        str, typer.Option(help="Only runs (job), or uses: screen, shell, desktop, rdp, files, forward, vpn_tunnel.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what ran, whose screen was looked at, shells and tunnels, newest first. For one device, --json brings the
    output of its runs too.
    """
    around = surroundings(ctx)
    with engine(ctx) as client:
        if run_id:
            one = client.get(f"/api/runs/{segment(run_id)}")
            _show_run(around, one, as_json)
            if one["script_type"] == ScriptType.ANSIBLE and not as_json:
                _show_recap(around, client, run_id)
            return
        guid = find_device(client, device)["guid"] if device else ""
        with_output = as_json and bool(device)
        answer = client.get(
            "/api/runs",
            device=guid,
            status=status,
            kind=kind or None,
            limit=limit,
            output="true" if with_output else None,
        )
    if as_json:
        print_json(around, answer)
        return
    now = around.now()
    show_table(
        around.out,
        ["When", "Device", "Script", "Type", "Status", "Took", "Exit", "By", "Run"],
        [
            [
                ago(one["started_at"] or one["created_at"], now),
                one["device"],
                one["script_name"],
                one["script_type"],
                one["status"],
                _took(one),
                one["exit_code"],
                one["created_by"],
                one["run_id"],
            ]
            for one in answer["runs"]
        ],
        empty="Nothing ran yet.",
    )


def cancel(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="From: borealis activity")],
    as_json: Json = False,
) -> None:
    """End a run and its whole process tree."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.post(f"/api/runs/{segment(run_id)}/cancel")
    if as_json:
        print_json(around, answer)
    elif answer["status"] == "cancelled":
        around.say("Cancelled before it left the Engine; nothing was executed.")
    else:
        around.say("The device is told to end it.")


def _vault_password(around: Surroundings, ask: bool, file: Path | None) -> str:
    if ask and file is not None:
        raise CliError("Say --ask-vault-pass or --vault-password-file, one of the two.", USAGE)
    if file is not None:
        return vault_password_of(file)
    return around.read_secret("Vault password: ") if ask else ""


def _wait(
    around: Surroundings, client: EngineClient, started: list[dict[str, Any]], as_json: bool
) -> list[dict[str, Any]]:
    try:
        if as_json:
            return wait_for_all(client, [str(run["run_id"]) for run in started])
        return follow_all(client, started, Printer(around.stdout, around.stderr, prefixed=len(started) > 1))
    except KeyboardInterrupt:
        around.note(
            f"{plural(len(started), 'run')} go on without you. See them: borealis activity; end one: borealis cancel "
            f"{started[0]['run_id']}"
        )
        raise


def _show_started(around: Surroundings, started: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(around, started)
        return
    show_table(
        around.out,
        ["Device", "Status", "Run"],
        [[run["hostname"], run["status"], run["run_id"]] for run in started["results"]],
        empty="",
    )


def _summary(around: Surroundings, runs: list[dict[str, Any]]) -> None:
    """The end of each run; not for a single Success, whose output says it all."""
    if len(runs) == 1 and runs[0]["status"] == RunStatus.SUCCESS:
        return
    around.stdout.flush()
    console = around.console_of(around.stderr)
    show_table(
        console,
        ["Device", "Status", "Exit", "Took", "Why", "Run"],
        [
            [
                run["device"],
                run["status"],
                run["exit_code"],
                _took(run),
                run.get("advice") or run["reason"],
                run["run_id"],
            ]
            for run in runs
        ],
        empty="",
    )
    good = sum(run["status"] == RunStatus.SUCCESS for run in runs)
    if len(runs) > 1:
        around.note(f"{good} of {len(runs)} ended in Success.")


def _show_run(around: Surroundings, one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(around, one)
        return
    show_facts(
        around.out,
        [
            ("Run", one["run_id"]),
            ("Device", one["device"]),
            ("Script", f"{one['script_name']} ({one['script_type']}, {one['context']})"),
            ("User", _user(one)),
            ("Status", one["status"]),
            ("Exit code", one["exit_code"]),
            ("Reason", one["reason"]),
            ("Advice", one["advice"]),
            ("Asked for", f"{moment(one['created_at'])} by {clean(one['created_by'])}"),
            ("Started", moment(one["started_at"])),
            ("Finished", moment(one["finished_at"])),
            ("Took", _took(one)),
            ("Recording", f"borealis recordings save {one['run_id']}" if one.get("kind") == "shell" else ""),
        ],
    )
    for stream in ("stdout", "stderr"):
        if one[stream]:
            harmless = TerminalFilter()
            text = str(one[stream])
            shown = harmless.feed(text) + harmless.end() if around.stdout.isatty() else text
            around.say(f"\n--- {stream}")
            around.stdout.write(shown if shown.endswith("\n") else shown + "\n")


def _show_recap(around: Surroundings, client: EngineClient, run_id: str) -> None:
    try:
        recap = client.get(f"/api/runs/{segment(run_id)}/recap")["recap_json"]
    except CliError:
        return  # it goes on, or its end brought none
    around.say("")
    show_table(
        around.out,
        ["Task", "Host", "Result", "Took", "Message"],
        [
            [
                task["name"],
                result["host"],
                f"{result['result']}, ignored" if result["ignored"] else result["result"],
                "" if result["seconds"] is None else spell_duration(result["seconds"]),
                result["message"],
            ]
            for task in recap["tasks"]
            for result in task["results"]
        ],
        empty="No task ran.",
    )


def _user(one: dict[str, Any]) -> str:
    """Whose agent ran it, or whom it waits for."""
    named, reached = one.get("run_as_user", ""), one.get("ran_as_user", "")
    return f"{named}, not reached yet" if named and not reached else str(reached)


def _took(one: dict[str, Any]) -> str:
    if not one["started_at"] or not one["finished_at"]:
        return ""
    return spell_duration(one["finished_at"] - one["started_at"])
