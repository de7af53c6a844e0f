"""Commands about the agents' own version: have agents replace themselves, see what came of it, stop a rollout."""

from typing import Annotated, Any, Final

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import FAILED, USAGE, CliError
from borealis_cli.lookups import find_site
from borealis_cli.options import Json, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import ago, clean, plural

POLL_SECONDS: Final = 2.0
_LIVE: Final = frozenset({"queued", "ordered", "started", "waiting"})
_WORDS: Final = {
    "queued": "waits for its turn, or for the device",
    "ordered": "ordered",
    "started": "being installed",
    "waiting": "ready, waits for scripts to end",
    "installed": "installed",
    "rolled_back": "rolled back",
    "failed": "failed",
    "refused": "refused",
    "cancelled": "cancelled",
    "expired": "expired",
}
_SKIPPED: Final = {"up_to_date": "up to date", "under_way": "being updated already", "not_active": "not active"}


def update(
    ctx: typer.Context,
    devices: Annotated[list[str] | None, typer.Argument(metavar="[DEVICE]...", help="Hostnames or GUIDs.")] = None,
    *,
    site: Annotated[list[str] | None, typer.Option("--site", help="All devices of a site (name or id).")] = None,
    everywhere: Annotated[bool, typer.Option("--all", help="All devices that you may see.")] = False,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=1000, help="So many at a time.")] = 10,
    stop_after: Annotated[int, typer.Option("--stop-after", min=1, help="Stop once so many went wrong.")] = 1,
    allow_older: Annotated[bool, typer.Option("--allow-older", help="Also back to an older release.")] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end of all of them.")] = False,
    as_json: Json = False,
) -> None:
    """Have agents replace themselves by this Engine's version; one that does not come up is rolled back by itself.

    With --wait the exit status is 0 only if every one was installed.
    """
    around = surroundings(ctx)
    if not (devices or site or everywhere):
        raise CliError("Name devices, or say --site SITE or --all.", USAGE)
    with engine(ctx) as client:
        body = {
            "hostnames": list(devices or ()),
            "site_ids": [find_site(client, name)["id"] for name in site or ()],
            "all": everywhere,
            "at_once": at_once,
            "stop_after": stop_after,
            "allow_older": allow_older,
        }
        begun = client.post("/api/updates", body)
        if wait:
            begun["rollout"] = _wait(around, client, begun["rollout"], quiet=as_json)
    if as_json:
        print_json(around, begun)
    else:
        _show_begun(around, begun)
    if wait and any(one["state"] != "installed" for one in begun["rollout"]["updates"]):
        raise typer.Exit(FAILED)


def updates(
    ctx: typer.Context,
    rollout: Annotated[str, typer.Argument(metavar="[ROLLOUT]", help="One rollout, with its devices.")] = "",
    *,
    stop: Annotated[bool, typer.Option("--stop", help="Begin no further update of it.")] = False,
    as_json: Json = False,
) -> None:
    """Show rollouts of the agent, newest first; or one with its devices."""
    around = surroundings(ctx)
    if stop and not rollout:
        raise CliError("Name the rollout to stop. List them: borealis updates", USAGE)
    with engine(ctx) as client:
        if rollout:
            place = f"/api/updates/{segment(rollout)}"
            answer = client.post(f"{place}/stop") if stop else client.get(place)
        else:
            answer = client.get("/api/updates")
    if as_json:
        print_json(around, answer)
    elif rollout:
        _show_rollout(around, answer)
    else:
        _show_rollouts(around, answer["rollouts"])


def _wait(around: Surroundings, client: EngineClient, rollout: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    told: dict[str, str] = {}
    while True:
        for one in rollout["updates"]:
            if told.get(one["guid"]) != one["state"]:
                told[one["guid"]] = one["state"]
                if not quiet:
                    around.note(f"{clean(one['device'])}: {_WORDS[one['state']]}{_because(one)}")
        if not any(one["state"] in _LIVE for one in rollout["updates"]):
            return rollout
        around.sleep(POLL_SECONDS)
        rollout = client.patient_get(f"/api/updates/{segment(rollout['rollout_id'])}")


def _show_begun(around: Surroundings, begun: dict[str, Any]) -> None:
    _show_rollout(around, begun["rollout"])
    for one in begun["skipped"]:
        around.note(f"{clean(one['device'])} was passed over: {_SKIPPED[one['why']]}.")


def _show_rollout(around: Surroundings, rollout: dict[str, Any]) -> None:
    show_facts(
        around.out,
        [
            ("Rollout", rollout["rollout_id"]),
            ("State", f"{rollout['state']}{_because(rollout)}"),
            ("Build", f"{rollout['build_id']}, release {rollout['release']}"),
            ("At a time", rollout["at_once"]),
            ("Stops after", f"{plural(rollout['stop_after'], 'update')} that went wrong"),
            ("Asked for by", rollout["requested_by"]),
        ],
    )
    around.say("")
    now = around.now()
    show_table(
        around.out,
        ["Device", "State", "Since", "Before", "Why"],
        [
            [one["device"], _WORDS[one["state"]], ago(one["changed_at"], now), one["from_build"], one["reason"]]
            for one in rollout["updates"]
        ],
        empty="None of its devices is yours to see.",
    )


def _show_rollouts(around: Surroundings, rollouts: list[dict[str, Any]]) -> None:
    now = around.now()
    show_table(
        around.out,
        ["When", "Build", "State", "Devices", "By", "Rollout"],
        [
            [
                ago(one["created_at"], now),
                one["build_id"],
                one["state"],
                ", ".join(f"{count} {state}" for state, count in sorted(one["counts"].items())),
                one["requested_by"],
                one["rollout_id"],
            ]
            for one in rollouts
        ],
        empty="No agent was updated from here yet: borealis update --all",
    )


def _because(one: dict[str, Any]) -> str:
    return f": {clean(one['reason'])}" if one["reason"] else ""
