"""Orders about macros, in the form of jobs: sealed, recorded, cancelled and timed out like any other. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from borealis_engine.activity import JobContent
from borealis_engine.core.errors import Conflict, Invalid
from borealis_engine.jobs.checks import CheckedJob, checked_user
from borealis_wire.events import RunContext, RunStatus, ScriptType
from borealis_wire.macro import MacroChange, MacroStart, parse_changes, parse_macro, parse_settings
from borealis_wire.orders import script_digest
from borealis_wire.refusal import Refused

START_LIFETIME_SECONDS: Final = 300
"""How long a macro may wait for its device: whoever starts one is there to see it type."""
CHANGE_LIFETIME_SECONDS: Final = 60
CHANGE_TIMEOUT_SECONDS: Final = 60


def start_job(settings: Mapping[str, Any], *, timeout_seconds: int, user: str = "") -> CheckedJob:
    """The job that is a macro, of this signed-in user or any. What it types is in its script alone, not in its name.

    Raises:
        Invalid: ``invalid_macro``, ``invalid_user``.
    """
    try:
        found = parse_settings(settings)
    except Refused as refusal:
        raise _invalid(refusal) from refusal
    name = f"Macro: {found.macro_type}, {found.operation_mode}"
    return _job(MacroStart(found).to_script(), name, timeout_seconds, START_LIFETIME_SECONDS, user)


def change_job(run_id: str, changes: Mapping[str, Any], *, user: str = "") -> CheckedJob:
    """The job that changes a running macro; ``user``: whose agent runs it, as far as that is known.

    Raises:
        Invalid: ``invalid_macro``; only the device knows all settings, and whether they go together.
    """
    try:
        found = parse_changes(changes)
    except Refused as refusal:
        raise _invalid(refusal) from refusal
    name = f"Macro: change {', '.join(sorted(found))}"
    return _job(MacroChange(run_id, found).to_script(), name, CHANGE_TIMEOUT_SECONDS, CHANGE_LIFETIME_SECONDS, user)


def must_be_running(run: Mapping[str, Any], content: JobContent) -> None:
    """Whether this run is a macro that can be changed now.

    Raises:
        Invalid: ``not_a_macro``.
        Conflict: ``macro_not_running``.
    """
    is_macro = content.script_type == ScriptType.MACRO
    if not is_macro or not isinstance(parse_macro(content.script), MacroStart):
        raise Invalid("not_a_macro", "That run is no macro; name the run that started one.")
    if run["status"] != RunStatus.RUNNING:
        state = "has not begun yet" if run["status"] == RunStatus.PENDING else f"is over ({run['status']})"
        raise Conflict("macro_not_running", f"That macro {state}; only one that runs can be changed.")


def _job(script: bytes, name: str, timeout_seconds: int, lifetime_seconds: float, user: str) -> CheckedJob:
    return CheckedJob(
        script=script,
        script_type=ScriptType.MACRO,
        script_name=name,
        script_sha256=script_digest(script),
        context=RunContext.INTERACTIVE,
        timeout_seconds=timeout_seconds,
        lifetime_seconds=lifetime_seconds,
        variables=(),
        environment={},
        files=(),
        run_as_user=checked_user(user, RunContext.INTERACTIVE),
    )


def _invalid(refusal: Refused) -> Invalid:
    return Invalid("invalid_macro", f"{refusal.detail[:1].upper()}{refusal.detail[1:]}.")
