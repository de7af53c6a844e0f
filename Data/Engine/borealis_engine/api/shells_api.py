"""REST door: shells that are open, and recordings of those that were. Shells themselves go by socket."""

from typing import Annotated

import msgspec
from litestar import Response, delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from borealis_engine.api.access import answers_with, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.shells import OpenShell, RecordingRow

CAST_TYPE = "application/x-asciicast"
_Id = Annotated[str, Parameter(max_length=64)]
_Device = Annotated[str | None, QueryParameter(name="device", max_length=64, description="GUID of a device.")]
_Username = Annotated[str | None, Parameter(max_length=256, description="Who had the shell open.")]
_Limit = Annotated[int, Parameter(ge=1, le=500)]
_Before = Annotated[float | None, Parameter(ge=0, le=1e12, description="Unix seconds: only what began earlier.")]


class ShellList(msgspec.Struct, frozen=True):
    """Shells that are open, oldest first."""

    shells: list[OpenShell]


class RecordingList(msgspec.Struct, frozen=True):
    """Recordings, newest first. ``recorded``: shells are recorded now; ``days``: how long each is kept."""

    recordings: list[RecordingRow]
    recorded: bool
    days: int


@get("/api/shells", opt=operator(Permission.SHELL), tags=["shells"])
async def list_shells(services: Services, principal: Principal, of_device: _Device = None) -> ShellList:
    """Who has a remote shell open, on the devices that one may see."""
    return ShellList(services.shells.open_shells(principal, (of_device or "").upper()))


@delete(
    "/api/shells/{session_id:str}",
    opt=operator(Permission.SHELL),
    status_code=200,
    responses=errors(404),
    tags=["shells"],
)
async def end_shell(services: Services, principal: Principal, peer: str, session_id: _Id) -> OkAnswer:
    """End a shell with all that runs in it, whoever has it open. They are told who did."""
    await services.shells.end(principal, session_id, address=peer)
    return OkAnswer()


@get("/api/recordings", opt=operator(Permission.RECORDINGS_READ), tags=["shells"])
async def list_recordings(  # noqa: PLR0917  # one for each filter
    services: Services,
    principal: Principal,
    of_device: _Device = None,
    username: _Username = None,
    before: _Before = None,
    limit: _Limit = 100,
) -> RecordingList:
    """What was recorded of shells, newest first."""
    guid = of_device.upper() if of_device else None
    found = await services.recordings.find(principal, guid=guid, username=username or None, before=before, limit=limit)
    settings = services.settings.shells
    return RecordingList(found, settings.recorded, settings.recording_days)


@get(
    "/api/recordings/{recording_id:str}",
    opt=operator(Permission.RECORDINGS_READ),
    responses=errors(404),
    tags=["shells"],
)
async def get_recording(services: Services, principal: Principal, recording_id: _Id) -> RecordingRow:
    """What is known of one recording."""
    return await services.recordings.get(principal, recording_id)


@get(
    "/api/recordings/{recording_id:str}/cast",
    opt={**operator(Permission.RECORDINGS_READ), **answers_with(CAST_TYPE)},
    media_type=CAST_TYPE,
    responses=errors(404),
    tags=["shells"],
)
async def read_recording(services: Services, principal: Principal, peer: str, recording_id: _Id) -> Response[bytes]:
    """The recording itself, in asciinema's format. Who asked is on record."""
    data = await services.recordings.read(principal, recording_id, address=peer)
    headers = {"content-disposition": 'attachment; filename="shell.cast"'}
    return Response(data, media_type=CAST_TYPE, headers=headers)


@delete(
    "/api/recordings/{recording_id:str}",
    opt=operator(Permission.RECORDINGS_DELETE),
    status_code=200,
    responses=errors(404, 409),
    tags=["shells"],
)
async def delete_recording(services: Services, principal: Principal, peer: str, recording_id: _Id) -> OkAnswer:
    """Throw a recording away. That it was there, and who deleted it, stays in the audit log."""
    await services.recordings.delete(principal, recording_id, address=peer)
    return OkAnswer()


HANDLERS: list[HTTPRouteHandler] = [
    list_shells,
    end_shell,
    list_recordings,
    get_recording,
    read_recording,
    delete_recording,
]
