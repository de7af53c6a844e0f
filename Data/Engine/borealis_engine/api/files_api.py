"""REST door: files of devices. Their bytes go by as they come, both ways; nothing of them is kept here."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter
from litestar.types import Receive
from msgspec import Meta

from borealis_engine.api.access import answers_with, operator, takes_bytes
from borealis_engine.api.errors import Interrupted, errors
from borealis_engine.api.file_answer import FILE_TYPE, FileAnswer, range_of
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.lines import while_it_lasts
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.transfers import (
    Asker,
    Folder,
    FolderEntry,
    ReadAsked,
    TransferRow,
    UploadStand,
    WhereAsked,
    WriteAsked,
    Writing,
)
from borealis_wire.files import KEEP_MODE, MAX_FILE_BYTES, MAX_MODE, MAX_PATH

BODY_STALL_SECONDS: Final = 120.0
"""A caller that sends nothing for so long is given up."""

_Guid = Annotated[str, Parameter(max_length=320, description="GUID of a device.")]
_Path = Annotated[str, Parameter(max_length=MAX_PATH, description="Absolute, or from the account's home on.")]
_User = Annotated[str, Parameter(max_length=256, description="Account of the device; empty for the agent's own.")]
_Transfer = Annotated[
    str, Parameter(pattern="^[0-9A-Za-z-]{0,64}$", description="The caller's name of this upload; to go on with it.")
]
_Offset = Annotated[int, Parameter(ge=0, le=MAX_FILE_BYTES, description="The byte that the body begins with.")]
_Size = Annotated[int, Parameter(ge=0, le=MAX_FILE_BYTES, description="Bytes of the whole file.")]
_Digest = Annotated[str, Parameter(pattern="^([0-9a-f]{64})?$", description="SHA-256 of the whole file, if known.")]
_Mode = Annotated[int, Parameter(ge=KEEP_MODE, le=MAX_MODE, description="Permission bits; -1 for what there is.")]
_Id = Annotated[str, Parameter(max_length=64)]


class Uploaded(msgspec.Struct, frozen=True):
    """What the device has of a file. ``whole``: all of it, in its place; else it is gone on with from ``offset``."""

    path: str
    offset: int
    whole: bool


class FolderAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder to make, as ``user``."""

    path: Annotated[str, Meta(min_length=1, max_length=MAX_PATH)]
    user: Annotated[str, Meta(max_length=256)] = ""


class TransferList(msgspec.Struct, frozen=True):
    """Transfers under way, oldest first."""

    transfers: list[TransferRow]


class FileDigest(msgspec.Struct, frozen=True):
    """``sha256`` of a whole file, as the device read it."""

    sha256: str


def _asker(request: Request[Any, Any, Any], principal: Principal, peer: str) -> Asker:
    return Asker(principal, request.headers.get("host", ""), peer)


@get("/api/files/{guid:str}", opt=operator(Permission.FILES), responses=errors(404, 409), tags=["files"])
async def list_folder(
    services: Services,
    principal: Principal,
    request: Request[Any, Any, Any],
    peer: str,
    *,
    guid: _Guid,
    path: _Path = "",
    user: _User = "",
) -> Folder:
    """What is in a folder of a device; without a path, in the account's home."""
    return await services.transfers.folder(_asker(request, principal, peer), guid, WhereAsked(path, user))


@get(
    "/api/files/{guid:str}/content",
    opt={**operator(Permission.FILES), **answers_with(FILE_TYPE)},
    media_type=FILE_TYPE,
    responses=errors(404, 409),
    tags=["files"],
)
async def read_file(
    services: Services,
    principal: Principal,
    request: Request[Any, Any, Any],
    peer: str,
    *,
    guid: _Guid,
    path: _Path,
    user: _User = "",
) -> FileAnswer:
    """A file of a device. ``Range: bytes=N-`` with ``If-Range`` (the ``ETag`` of before) goes on with it."""
    asked = ReadAsked(path, user, *range_of(request))
    return FileAnswer(services.transfers, _asker(request, principal, peer), guid, asked)


@put(
    "/api/files/{guid:str}/content",
    opt={**operator(Permission.FILES), **takes_bytes()},
    responses=errors(404, 409),
    tags=["files"],
)
async def write_file(
    services: Services,
    principal: Principal,
    request: Request[Any, Any, Any],
    peer: str,
    *,
    guid: _Guid,
    path: _Path,
    size: _Size,
    transfer: _Transfer,
    user: _User = "",
    offset: _Offset = 0,
    sha256: _Digest = "",
    mode: _Mode = KEEP_MODE,
    overwrite: bool = False,
) -> Uploaded:
    """Bring a file to a device, from ``offset`` on. It is in its place only when all of it is there and holds."""
    asked = WriteAsked(path, user, transfer, offset, size, sha256, mode, overwrite)
    bringing = services.transfers.writing(_asker(request, principal, peer), guid, asked)
    async with bringing as (writing, stay), while_it_lasts(stay, "files_over"):
        await _carry(request.receive, writing)
        if writing.whole:
            await writing.finish()
        return Uploaded(writing.path, writing.done, writing.whole)


async def _carry(receive: Receive, writing: Writing) -> None:
    while True:
        try:
            async with asyncio.timeout(BODY_STALL_SECONDS):
                message = await receive()
        except TimeoutError as error:
            raise Interrupted("interrupted", "Nothing came for a while.") from error
        if message["type"] == "http.disconnect":
            raise Interrupted("interrupted", "The caller hung up.")
        if message["type"] == "http.request":
            if message["body"]:
                await writing.write(message["body"])
            if not message["more_body"]:
                return


@delete(
    "/api/files/{guid:str}/content",
    opt=operator(Permission.FILES),
    status_code=200,
    responses=errors(404, 409),
    tags=["files"],
)
async def remove_file(
    services: Services,
    principal: Principal,
    request: Request[Any, Any, Any],
    peer: str,
    *,
    guid: _Guid,
    path: _Path,
    user: _User = "",
) -> OkAnswer:
    """Remove a file of a device, a link, or a folder that is empty."""
    await services.transfers.remove(_asker(request, principal, peer), guid, WhereAsked(path, user))
    return OkAnswer()


@get("/api/files/{guid:str}/upload", opt=operator(Permission.FILES), responses=errors(404, 409), tags=["files"])
async def stand_of_upload(
    services: Services,
    principal: Principal,
    request: Request[Any, Any, Any],
    peer: str,
    *,
    guid: _Guid,
    path: _Path,
    user: _User = "",
    transfer: _Transfer = "",
    size: _Size = 0,
) -> UploadStand:
    """Where an upload stands, and what is at its path now; without ``transfer``, only the latter."""
    asked = WriteAsked(path, user, transfer, size=size)
    return await services.transfers.stand(_asker(request, principal, peer), guid, asked)


@post("/api/files/{guid:str}/folders", opt=operator(Permission.FILES), responses=errors(404, 409), tags=["files"])
async def make_folder(
    services: Services,
    principal: Principal,
    request: Request[Any, Any, Any],
    peer: str,
    *,
    guid: _Guid,
    data: FolderAsked,
) -> FolderEntry:
    """Make a folder on a device."""
    where = WhereAsked(data.path, data.user)
    return await services.transfers.make_folder(_asker(request, principal, peer), guid, where)


@get("/api/transfers", opt=operator(Permission.FILES), tags=["files"])
async def list_transfers(
    services: Services,
    principal: Principal,
    of_device: Annotated[
        str | None, QueryParameter(name="device", max_length=64, description="GUID of a device.")
    ] = None,
) -> TransferList:
    """Which files go to and from the devices that one may see."""
    return TransferList(services.transfers.listed(principal, of_device or ""))


@get("/api/transfers/{transfer_id:str}/digest", opt=operator(Permission.FILES), responses=errors(404), tags=["files"])
async def digest_of_transfer(services: Services, principal: Principal, transfer_id: _Id) -> FileDigest:
    """The digest of the whole file that one's download brought; its id came as ``X-Borealis-Transfer``."""
    return FileDigest(services.transfers.digest(principal, transfer_id))


@delete(
    "/api/transfers/{transfer_id:str}",
    opt=operator(Permission.FILES),
    status_code=200,
    responses=errors(404),
    tags=["files"],
)
async def end_transfer(services: Services, principal: Principal, peer: str, transfer_id: _Id) -> OkAnswer:
    """End a transfer, whoever's it is. What came of an upload waits on the device."""
    await services.transfers.end(principal, transfer_id, address=peer)
    return OkAnswer()


HANDLERS: list[HTTPRouteHandler] = [
    list_folder,
    read_file,
    write_file,
    remove_file,
    stand_of_upload,
    make_folder,
    list_transfers,
    digest_of_transfer,
    end_transfer,
]
