"""REST door: playbooks by upstream's path, and what became of their tasks. Times are Unix seconds (float)."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from borealis_engine.api.access import body_limit, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.runs_api import Started, Wait, start_job
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.jobs import LaunchRequest
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.events import ScriptType
from borealis_wire.limits import MAX_REST_UPLOAD_BYTES


class RecapHost(msgspec.Struct, frozen=True):
    """Ansible's counts for one host; ``changed`` is a part of ``ok``."""

    host: str
    ok: int
    changed: int
    failed: int
    skipped: int
    unreachable: int
    rescued: int
    ignored: int


class RecapResult(msgspec.Struct, frozen=True):
    """A task on one host. ``result``: ok, changed, failed, skipped or unreachable; ``ignored``: failed, and went on."""

    host: str
    result: str
    message: str
    seconds: float | None
    ignored: bool


class RecapTask(msgspec.Struct, frozen=True):
    """A task, in the order in which they began."""

    play: str
    name: str
    action: str
    results: list[RecapResult]


class RecapContent(msgspec.Struct, frozen=True):
    """What became of a playbook. ``problem``: why it could not begin; ``truncated``: not every task is listed."""

    hosts: list[RecapHost]
    tasks: list[RecapTask]
    text: str
    check: bool
    truncated: bool
    problem: str


class RecapView(msgspec.Struct, frozen=True):
    """Upstream's row of ``ansible_play_recaps`` with its JSON opened."""

    id: int
    run_id: str
    hostname: str
    agent_id: str
    playbook_name: str
    playbook_path: str
    activity_job_id: int
    scheduled_job_id: int | None
    scheduled_run_id: int | None
    status: str
    recap_text: str
    recap_json: RecapContent
    started_ts: float | None
    finished_ts: float | None
    created_at: float
    updated_at: float


class RecapPage(msgspec.Struct, frozen=True):
    """Recaps, newest first; ``next`` is the ``before`` of the next page."""

    recaps: list[RecapView]
    next: int | None


@post(
    "/api/ansible/quick_run",
    opt={**operator(Permission.RUNS_START), **body_limit(MAX_REST_UPLOAD_BYTES)},
    status_code=200,
    responses=errors(404),
    tags=["runs"],
)
async def ansible_quick_run(
    services: Services,
    principal: Principal,
    peer: str,
    data: LaunchRequest,
    wait: Wait = 0,
) -> Started:
    """Start a playbook on devices: as ``/api/scripts/quick_run`` with ``script_type`` ``ansible``."""
    if data.script_type not in {"", ScriptType.ANSIBLE.value}:
        raise Invalid("unsupported_script_type", "Here script_type is ansible; leave it out.")
    data = msgspec.structs.replace(data, script_type=ScriptType.ANSIBLE.value)
    return await start_job(services, principal, peer, data, wait)


@get("/api/runs/{run_id:str}/recap", opt=operator(Permission.RUNS_READ), responses=errors(404), tags=["runs"])
async def get_recap(
    services: Services, principal: Principal, run_id: Annotated[str, Parameter(max_length=64)]
) -> RecapView:
    """What became of a playbook's tasks; there once the run is over."""
    return _view(await services.jobs.history.recap(principal.sites, run_id))


@get("/api/ansible/recaps", opt=operator(Permission.RUNS_READ), tags=["runs"])
async def list_recaps(
    services: Services,
    principal: Principal,
    *,
    device_filter: Annotated[str, QueryParameter(name="device", max_length=253, description="GUID or hostname.")] = "",
    before: Annotated[int | None, Parameter(ge=0, le=2**62)] = None,
    limit: Annotated[int, Parameter(ge=1, le=200)] = 50,
) -> RecapPage:
    """Recaps of playbooks, newest first."""
    rows = await services.jobs.history.recaps(principal.sites, device=device_filter, before=before, limit=limit)
    return RecapPage([_view(row) for row in rows], rows[-1]["id"] if len(rows) == limit else None)


def _view(row: dict[str, Any]) -> RecapView:
    return RecapView(**{**row, "recap_json": msgspec.json.decode(row["recap_json"], type=RecapContent)})


HANDLERS: list[HTTPRouteHandler] = [ansible_quick_run, get_recap, list_recaps]
