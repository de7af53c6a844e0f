"""Orders about a device's remote desktop, in the form of a job: sealed, recorded and cancelled like any other. Pure."""

from typing import Final, Literal

from borealis_engine.jobs.checks import CheckedJob
from borealis_wire import strict_json
from borealis_wire.events import RunContext, ScriptType
from borealis_wire.limits import DEFAULT_JOB_LIFETIME_SECONDS
from borealis_wire.orders import script_digest

DesktopAction = Literal["look", "prepare", "undo"]
TIMEOUT_SECONDS: Final = 1800
"""Packages may have to be downloaded over a slow line."""


def desktop_job(action: DesktopAction, *, open_network: bool = False) -> CheckedJob:
    """The job of one order."""
    order: dict[str, str | bool] = {"action": action}
    if action == "prepare":
        order["open_network"] = open_network
    script = strict_json.canonical(order)
    return CheckedJob(
        script=script,
        script_type=ScriptType.REMOTE_DESKTOP,
        script_name=f"Remote desktop: {action}{', open to the network' if open_network else ''}",
        script_sha256=script_digest(script),
        context=RunContext.SYSTEM,
        timeout_seconds=TIMEOUT_SECONDS,
        lifetime_seconds=DEFAULT_JOB_LIFETIME_SECONDS,
        variables=(),
        environment={},
        files=(),
    )
