"""REST door: quick jobs, runs, their output and history.

Times are Unix seconds (float). ``?wait=`` holds the answer back up to 60 s, until the runs are over or there is
new output; it asks no database meanwhile.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from borealis_engine.activity import RowKind, RunQuery
from borealis_engine.api.access import body_limit, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Forbidden, Invalid
from borealis_engine.jobs import LaunchedRun, LaunchRequest, PlaybookRequest, environment_of
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal
from borealis_wire.events import RunStatus
from borealis_wire.limits import MAX_REST_UPLOAD_BYTES

MAX_WAIT_SECONDS: Final = 60
MAX_TIME: Final = 253402300799
"""The last second of the year 9999."""
MAX_TEXT: Final = 200
MAX_WITH_OUTPUT: Final = 20
"""Runs with output on one page: each may bring 2 MiB."""
Wait = Annotated[float, Parameter(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the end, at most 60.")]
_RunId = Annotated[str, Parameter(max_length=64)]


class RunView(msgspec.Struct, frozen=True):
    """One job on one device, or a use of a device that is no run.

    ``stdout`` and ``stderr`` are empty in lists; ``has_…`` tell. ``advice``: what to do.

    ``assembly_guid`` and ``assembly_version`` name the stored script that ran; null where it was typed in. ``kind``:
    ``job``, or a use of the device, which cannot be cancelled or run again: ``screen`` for a look at the screen,
    ``shell`` (``run_id`` is its recording, if there is one), ``desktop``, ``rdp``, ``files``, ``forward``,
    ``vpn_tunnel`` (``run_id`` is its ``tunnel_id``).
    ``run_as_user`` is the signed-in user whom the operator named, empty for any; ``ran_as_user`` the one whose agent
    got it.
    """

    device: str
    guid: str
    run_id: str
    activity_id: int
    job_id: str
    kind: str
    site_id: int | None
    status: str
    exit_code: int | None
    stdout: str
    stderr: str
    has_stdout: bool
    has_stderr: bool
    started_at: float | None
    finished_at: float | None
    reason: str
    advice: str
    cancel_requested: bool
    sent_at: float | None
    created_at: float
    expires_at: float
    created_by: str
    script_name: str
    script_type: str
    context: str
    run_as_user: str
    ran_as_user: str
    assembly_guid: str | None
    assembly_version: int | None


class RunPage(msgspec.Struct, frozen=True):
    """Runs, newest first; ``next`` is the ``before`` of the next page."""

    runs: list[RunView]
    next: int | None


class JobView(msgspec.Struct, frozen=True):
    """A job: what was asked for."""

    job_id: str
    script_name: str
    script_type: str
    script_sha256: str
    context: str
    timeout_seconds: int
    created_by: str
    created_at: float
    expires_at: float
    done: bool
    assembly_guid: str | None
    assembly_version: int | None


class JobWithRuns(msgspec.Struct, frozen=True):
    """A job and those of its runs that the caller may see."""

    job: JobView
    runs: list[RunView]


class JobFile(msgspec.Struct, frozen=True):
    """A file that a job brought along; ``data`` is base64."""

    file_name: str
    size: int
    mime_type: str
    sha256: str
    data: str


class JobContentView(msgspec.Struct, frozen=True):
    """What a job's script was and what it got: enough to read it, and to run it again.

    ``environment``: what was set by hand; the variables are in the script's environment besides. ``playbook``: the
    options of one, null for scripts; its vault password is kept nowhere.
    """

    script: str
    variables: list[dict[str, Any]]
    environment: dict[str, str]
    files: list[JobFile]
    playbook: PlaybookRequest | None


class Started(msgspec.Struct, frozen=True):
    """A recorded job and its runs; ``runs`` with their output only where the caller waited for them."""

    job_id: str
    results: list[LaunchedRun]
    runs: list[RunView] = []


class OutputChunk(msgspec.Struct, frozen=True):
    """A piece of live output."""

    seq: int
    stream: str
    data: str


class OutputPage(msgspec.Struct, frozen=True):
    """Pieces above ``after_seq``; ``done``: the run is over and there is no more."""

    chunks: list[OutputChunk]
    status: str
    done: bool


class CancelAnswer(msgspec.Struct, frozen=True):
    """``cancelled``: it never left the Engine; ``requested``: the device is told, its result tells the end."""

    status: str


class HistoryItem(msgspec.Struct, frozen=True):
    """Upstream's row of a device's history (upstream-contract 8b); ``ran_at`` in whole seconds."""

    id: int
    script_name: str
    script_path: str
    script_type: str
    ran_at: int
    status: str
    has_stdout: bool
    has_stderr: bool


class History(msgspec.Struct, frozen=True):
    """A device's history, newest first."""

    history: list[HistoryItem]


class HistoryJob(msgspec.Struct, frozen=True):
    """Upstream's form of one run."""

    id: int
    hostname: str
    script_name: str
    script_path: str
    script_type: str
    ran_at: int
    status: str
    stdout: str
    stderr: str
    run_id: str


class HistoryDeleted(msgspec.Struct, frozen=True):
    """How many runs were deleted."""

    status: str
    deleted: int


@post(
    "/api/scripts/quick_run",
    opt={**operator(Permission.RUNS_START), **body_limit(MAX_REST_UPLOAD_BYTES)},
    status_code=200,
    responses=errors(404),
    tags=["runs"],
)
async def quick_run(
    services: Services, principal: Principal, peer: str, data: LaunchRequest, wait: Wait = 0
) -> Started:
    """Start a script on devices: on all that are named, or on none.

    Answers once everything is on disk; with ``wait`` as soon as all runs are over, with their output. A run that
    takes longer goes on: ask for it by its ``run_id``.
    """
    return await start_job(services, principal, peer, data, wait)


async def start_job(services: Services, principal: Principal, peer: str, data: LaunchRequest, wait: float) -> Started:
    """What every way to start a job does. Raises as ``JobService.launch``."""
    launched = await services.jobs.launch(principal, data, address=peer)
    if not wait or not principal.may(Permission.RUNS_READ):
        return Started(launched.job_id, launched.results)
    history = services.jobs.history
    await history.wait_finished([result.run_id for result in launched.results], wait)
    runs = [RunView(**run) for run in (await history.job(principal.sites, launched.job_id))["runs"]]
    statuses = {run.run_id: run.status for run in runs}
    results = [
        msgspec.structs.replace(result, status=statuses.get(result.run_id, result.status))
        for result in launched.results
    ]
    return Started(launched.job_id, results, runs)


@get("/api/runs", opt=operator(Permission.RUNS_READ), tags=["runs"])
async def list_runs(
    services: Services,
    principal: Principal,
    *,
    # Not called ``device``: that name is given to the calling device.
    device_filter: Annotated[str, QueryParameter(name="device", max_length=253, description="GUID or hostname.")] = "",
    status: Annotated[str, Parameter(max_length=128, description="One status, or several by comma.")] = "",
    created_by: Annotated[str, Parameter(max_length=256, description="Exactly this operator.")] = "",
    since: Annotated[float | None, Parameter(ge=0, le=MAX_TIME, description="Asked for then or later.")] = None,
    until: Annotated[float | None, Parameter(ge=0, le=MAX_TIME, description="Asked for before then.")] = None,
    text: Annotated[
        str, Parameter(max_length=MAX_TEXT, description="Words in the name of the script or of the device.")
    ] = "",
    kind: Annotated[RowKind | None, Parameter(description="Runs of jobs alone, or one kind of uses alone.")] = None,
    before: Annotated[int | None, Parameter(ge=0, le=2**62)] = None,
    limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
    output: Annotated[bool, Parameter(description=f"With output; then at most {MAX_WITH_OUTPUT}.")] = False,
) -> RunPage:
    """Runs, and looks at screens, shells and tunnels beside them, newest first; without their output unless asked."""
    statuses = frozenset(status.split(",")) if status else frozenset[str]()
    if not statuses <= set(RunStatus):
        raise Invalid("invalid_status", f"status is of {', '.join(RunStatus)}; several are parted by commas.")
    runs, following = await services.jobs.history.page(
        RunQuery(
            sites=principal.sites,
            device=device_filter,
            statuses=statuses,
            created_by=created_by,
            since=since,
            until=until,
            text=text,
            kind=kind.value if kind else "",
            before=before,
            limit=min(limit, MAX_WITH_OUTPUT) if output else limit,
            with_output=output,
        )
    )
    return RunPage([RunView(**run) for run in runs], following)


@get("/api/runs/{run_id:str}", opt=operator(Permission.RUNS_READ), responses=errors(404), tags=["runs"])
async def get_run(services: Services, principal: Principal, run_id: _RunId, wait: Wait = 0) -> RunView:
    """One run with its output; with ``wait`` as soon as it is over."""
    history = services.jobs.history
    live = services.activity.live(run_id)
    if wait and live is not None and principal.sees_site(live.site_id):
        await history.wait_finished([run_id], wait)
    return RunView(**await history.run(principal.sites, run_id=run_id))


@get("/api/runs/{run_id:str}/output", opt=operator(Permission.RUNS_READ), responses=errors(404), tags=["runs"])
async def get_output(
    services: Services,
    principal: Principal,
    run_id: _RunId,
    after_seq: Annotated[int, Parameter(ge=-1, le=2**31 - 1)] = -1,
    wait: Wait = 0,
) -> OutputPage:
    """Live output above ``after_seq``; with ``wait`` as soon as there is some, or the run is over."""
    history = services.jobs.history
    run = await history.run(principal.sites, run_id=run_id)
    chunks, done = await history.wait_output(run["activity_id"], run_id, after_seq, wait)
    if done:
        run = await history.run(principal.sites, run_id=run_id)
    return OutputPage([OutputChunk(c.seq, c.stream, c.data) for c in chunks], run["status"], done)


@post(
    "/api/runs/{run_id:str}/cancel",
    opt=operator(Permission.RUNS_START),
    status_code=200,
    responses=errors(404, 409),
    tags=["runs"],
)
async def cancel_run(services: Services, principal: Principal, peer: str, run_id: _RunId) -> CancelAnswer:
    """End a run and its whole process tree."""
    return CancelAnswer(await services.jobs.cancel(principal, run_id, address=peer))


@get("/api/jobs/{job_id:str}", opt=operator(Permission.RUNS_READ), responses=errors(404), tags=["runs"])
async def get_job(
    services: Services, principal: Principal, job_id: Annotated[str, Parameter(max_length=64)], wait: Wait = 0
) -> JobWithRuns:
    """A job with its runs and their output; with ``wait`` as soon as all of them are over."""
    history = services.jobs.history
    if wait:
        await history.wait_finished(await history.run_ids(principal.sites, job_id), wait)
    found = await history.job(principal.sites, job_id)
    return JobWithRuns(JobView(**found["job"]), [RunView(**run) for run in found["runs"]])


@get("/api/jobs/{job_id:str}/content", opt=operator(Permission.RUNS_START), responses=errors(404), tags=["runs"])
async def get_job_content(
    services: Services, principal: Principal, job_id: Annotated[str, Parameter(max_length=64)]
) -> JobContentView:
    """The script of a job with its variables, environment and files, for those who may start one themselves."""
    content = await services.jobs.history.content(principal.sites, job_id)
    return JobContentView(
        script=content.script.decode("utf-8", "replace"),
        variables=[dict(variable) for variable in content.variables],
        environment=dict(content.environment.items() - environment_of(content.variables, {}).items()),
        files=[JobFile(**{name: file[name] for name in JobFile.__struct_fields__}) for file in content.files],
        playbook=None if content.playbook is None else PlaybookRequest(**content.playbook),
    )


@get("/api/device/activity/{hostname:str}", opt=operator(Permission.RUNS_READ), tags=["runs"])
async def device_history(
    services: Services, principal: Principal, hostname: Annotated[str, Parameter(max_length=253)]
) -> History:
    """A device's history in upstream's form; empty for an unknown name."""
    runs, _ = await services.jobs.history.page(RunQuery(sites=principal.sites, device=hostname, limit=500))
    return History(
        [HistoryItem(**_upstream(run), has_stdout=run["has_stdout"], has_stderr=run["has_stderr"]) for run in runs]
    )


@delete(
    "/api/device/activity/{hostname:str}",
    opt=operator(Permission.RUNS_START),
    status_code=200,
    tags=["runs"],
)
async def delete_history(
    services: Services, principal: Principal, peer: str, hostname: Annotated[str, Parameter(max_length=253)]
) -> HistoryDeleted:
    """Delete the finished runs of a device. Admins only; it is audited."""
    if principal.role != OperatorRole.ADMIN:
        raise Forbidden("forbidden", "Only an Admin may delete history.")
    return HistoryDeleted("ok", await services.jobs.delete_history(principal, hostname, address=peer))


@get(
    "/api/device/activity/job/{activity_id:int}",
    opt=operator(Permission.RUNS_READ),
    responses=errors(404),
    tags=["runs"],
)
async def history_job(services: Services, principal: Principal, activity_id: int) -> HistoryJob:
    """One run by its number, in upstream's form."""
    if not 0 <= activity_id < 2**62:
        raise Invalid("invalid_request", "The number of a run is positive.")
    run = await services.jobs.history.run(principal.sites, number=activity_id)
    return HistoryJob(
        **_upstream(run),
        hostname=run["device"],
        stdout=run["stdout"],
        stderr=run["stderr"],
        run_id=run["run_id"],
    )


def _upstream(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": run["activity_id"],
        "script_name": run["script_name"],
        "script_path": run["run_id"] if run["kind"] == RowKind.TUNNEL else "",
        "script_type": run["script_type"],
        "ran_at": int(run["started_at"] or run["created_at"]),
        "status": run["status"],
    }


HANDLERS: list[HTTPRouteHandler] = [
    quick_run,
    list_runs,
    get_run,
    get_output,
    cancel_run,
    get_job,
    get_job_content,
    device_history,
    delete_history,
    history_job,
]
