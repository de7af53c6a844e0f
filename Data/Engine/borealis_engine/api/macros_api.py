"""REST door: macros, keys and text typed on a signed-in user's screen. A macro is a run; cancelling it stops it."""

from typing import Annotated

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import UNSET, Meta, UnsetType

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.jobs import LaunchedRun, LaunchRequest, macros
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.accounts import MAX_ACCOUNT_NAME
from borealis_wire.key_names import MAX_KEY
from borealis_wire.macro import (
    DEFAULT_MACRO_SECONDS,
    MAX_HANDLE,
    MAX_INTERVAL_MS,
    MAX_MACRO_SECONDS,
    MAX_TEXT,
    MAX_TITLE,
    MIN_INTERVAL_MS,
    MacroType,
    OperationMode,
)

_Handle = Annotated[int, Meta(ge=0, le=MAX_HANDLE)]
_Title = Annotated[str, Meta(max_length=MAX_TITLE)]
_Key = Annotated[str, Meta(max_length=MAX_KEY)]
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_Milliseconds = Annotated[int, Meta(ge=MIN_INTERVAL_MS, le=MAX_INTERVAL_MS)]
_Trigger = Annotated[int, Meta(ge=0, le=1)]


class MacroForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a macro, by upstream's names.

    ``window_handle`` (a window's number, from the list of windows) or ``window_title`` (part of the title of one
    window); neither: whatever has the focus. ``key``: one character, or a name such as ``Enter`` or ``Ctrl+F5``. Waits
    are of ``interval_ms``, or drawn from ``random_min`` to ``random_max`` (ms) where ``randomize_interval`` is set.
    """

    macro_type: MacroType
    operation_mode: OperationMode = OperationMode.RUN_ONCE
    window_handle: _Handle = 0
    window_title: _Title = ""
    key: _Key = ""
    text: _Text = ""
    interval_ms: _Milliseconds = 1000
    randomize_interval: bool = False
    random_min: _Milliseconds = 750
    random_max: _Milliseconds = 950
    active: bool = True
    trigger: _Trigger = 0


class MacroPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some of the settings of a macro: those that are to change."""

    macro_type: MacroType | UnsetType = UNSET
    operation_mode: OperationMode | UnsetType = UNSET
    window_handle: _Handle | UnsetType = UNSET
    window_title: _Title | UnsetType = UNSET
    key: _Key | UnsetType = UNSET
    text: _Text | UnsetType = UNSET
    interval_ms: _Milliseconds | UnsetType = UNSET
    randomize_interval: bool | UnsetType = UNSET
    random_min: _Milliseconds | UnsetType = UNSET
    random_max: _Milliseconds | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    trigger: _Trigger | UnsetType = UNSET


class MacroRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A macro for one device. ``timeout_seconds``: it ends by itself after that. ``run_as_user``: on whose screen."""

    guid: Annotated[str, Meta(min_length=1, max_length=64)]
    settings: MacroForm
    timeout_seconds: Annotated[int, Meta(ge=1, le=MAX_MACRO_SECONDS)] = DEFAULT_MACRO_SECONDS
    run_as_user: Annotated[str, Meta(max_length=MAX_ACCOUNT_NAME)] = ""


class MacroOrdered(msgspec.Struct, frozen=True):
    """The order is on its way; how it goes is in the run."""

    job_id: str
    run: LaunchedRun


@post("/api/macros", opt=operator(Permission.RUNS_START), status_code=200, responses=errors(404), tags=["macros"])
async def start_macro(services: Services, principal: Principal, peer: str, data: MacroRequest) -> MacroOrdered:
    """Start a macro in the signed-in user's session. It is a run: see it, and end it (``cancel``), like any other."""
    record = services.devices.get(principal, data.guid)
    settings = msgspec.to_builtins(data.settings)
    job = macros.start_job(settings, timeout_seconds=data.timeout_seconds, user=data.run_as_user.strip())
    launched = await services.jobs.launch(principal, LaunchRequest(guids=[record.guid]), address=peer, job=job)
    return MacroOrdered(launched.job_id, launched.results[0])


@post(
    "/api/runs/{run_id:str}/macro",
    opt=operator(Permission.RUNS_START),
    status_code=200,
    responses=errors(404, 409),
    tags=["macros"],
)
async def change_macro(
    services: Services,
    principal: Principal,
    peer: str,
    run_id: Annotated[str, Parameter(max_length=64)],
    data: MacroPart,
) -> MacroOrdered:
    """Change a macro while it runs, or trigger it. A run of its own tells whether the device did."""
    changes = msgspec.to_builtins(data)
    macros.change_job(run_id, changes)  # what makes no sense is said before anything is looked up
    history = services.jobs.history
    run = await history.run(principal.sites, run_id=run_id)
    macros.must_be_running(run, await history.content(principal.sites, run["job_id"]))
    job = macros.change_job(run_id, changes, user=run["ran_as_user"])
    launched = await services.jobs.launch(principal, LaunchRequest(guids=[run["guid"]]), address=peer, job=job)
    return MacroOrdered(launched.job_id, launched.results[0])


HANDLERS: list[HTTPRouteHandler] = [start_macro, change_macro]
