"""REST door: the library of scripts, in upstream's form (upstream-contract 9.1). Times are Unix seconds (float).

Each save is a version that stays: ``…/versions`` lists them, ``…/restore`` makes an earlier one the newest again.
Answers give the document in our own form (plain text under ``script``); ``…/export`` gives upstream's.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from borealis_engine.api.access import body_limit, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.library import (
    MAX_DOCUMENT_BYTES,
    MAX_IMPORT_BYTES,
    Domain,
    Kind,
    ScriptRow,
    StoredScript,
    VersionRow,
    checks,
    portable,
)
from borealis_engine.operators.permissions import Permission, Principal

_READ: Final = operator(Permission.SCRIPTS_READ)
_EDIT: Final = operator(Permission.SCRIPTS_EDIT)
_SAVE: Final = {**_EDIT, **body_limit(MAX_DOCUMENT_BYTES)}
_Guid = Annotated[str, Parameter(max_length=64)]
_Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Name = Annotated[str, Meta(max_length=256)]
_Text = Annotated[str, Meta(max_length=8000)]
_Short = Annotated[str, Meta(max_length=128)]
_Comment = Annotated[str, Meta(max_length=1000)]
_Given = dict[str, Any]
_Payload = dict[str, Any] | str


class AssemblyItem(msgspec.Struct, frozen=True, kw_only=True):
    """A script without its document. ``editable``: the caller may change it. ``deleted_at`` null: it is there."""

    assembly_guid: str
    domain: Domain
    assembly_kind: Kind
    assembly_type: str
    display_name: str
    summary: str
    category: str
    tags: dict[str, Any]
    metadata: dict[str, Any]
    version: int
    checksum: str
    size_bytes: int
    created_at: float
    created_by: str
    updated_at: float
    updated_by: str
    deleted_at: float | None
    editable: bool


class Assembly(AssemblyItem, frozen=True, kw_only=True):
    """A script with its newest document."""

    payload: dict[str, Any]


class AssemblyList(msgspec.Struct, frozen=True):
    """Scripts by name. ``queue`` is upstream's and always empty: what was answered is on disk."""

    items: list[AssemblyItem]
    queue: list[str]


class NewAssembly(msgspec.Struct, frozen=True, kw_only=True):
    """A script to store. ``payload``: upstream's document, or its JSON text; ``assembly_type`` may be in it alone.

    Unknown members are let pass: upstream's page sends whole records back. The Engine numbers versions itself.
    """

    display_name: _Name
    payload: _Payload
    domain: Domain = Domain.USER
    assembly_guid: _Short = ""
    assembly_kind: Kind = Kind.SCRIPT
    assembly_type: _Short = ""
    summary: _Text = ""
    category: _Short = ""
    tags: _Given = msgspec.field(default_factory=dict)
    metadata: _Given = msgspec.field(default_factory=dict)
    comment: _Comment = ""


class AssemblyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to save as a new version; null or absent leaves a member. Kind and domain of a script do not change.

    ``expected_version``: the version that was changed; 409 ``version_conflict`` where another is the newest by now.
    """

    expected_version: _Number | None = None
    display_name: _Name | None = None
    payload: _Payload | None = None
    assembly_type: _Short | None = None
    summary: _Text | None = None
    category: _Short | None = None
    tags: _Given | None = None
    metadata: _Given | None = None
    comment: _Comment = ""


class AssemblyClone(msgspec.Struct, frozen=True, kw_only=True):
    """Where a copy goes; under the same name unless ``display_name`` says another."""

    target_domain: Domain = Domain.USER
    new_assembly_guid: _Short = ""
    display_name: _Name = ""


class AssemblyImport(msgspec.Struct, frozen=True, kw_only=True):
    """An export to take in: the whole of it under ``document``, as an object or as text."""

    document: _Payload
    domain: Domain = Domain.USER


class AssemblyRestore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version is to be the newest again. ``expected_version`` as with a change."""

    version: _Number
    expected_version: _Number | None = None
    comment: _Comment = ""


class AssemblyExport(msgspec.Struct, frozen=True, kw_only=True):
    """Upstream's export (upstream-contract 9.1); the script is in base64, times are whole seconds."""

    assembly_guid: str
    domain: Domain
    assembly_kind: Kind
    assembly_type: str
    version: int
    display_name: str
    summary: str
    category: str
    metadata: dict[str, Any]
    tags: dict[str, Any]
    payload: dict[str, Any]
    payload_type: str
    payload_guid: str
    payload_checksum: str
    created_at: int
    updated_at: int


class AssemblyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One saved version: who, when, and what they said. It never changes."""

    version: int
    saved_at: float
    saved_by: str
    comment: str
    display_name: str
    summary: str
    category: str
    assembly_type: str
    tags: dict[str, Any]
    metadata: dict[str, Any]
    checksum: str
    size_bytes: int


class AssemblyVersionFull(AssemblyVersion, frozen=True, kw_only=True):
    """One version with its document."""

    payload: dict[str, Any]


class AssemblyVersions(msgspec.Struct, frozen=True):
    """Versions, newest first."""

    versions: list[AssemblyVersion]


@get("/api/assemblies", opt=_READ, tags=["scripts"])
async def list_assemblies(
    services: Services,
    principal: Principal,
    *,
    domain: Annotated[str, Parameter(max_length=16)] = "",
    kind: Annotated[str, Parameter(max_length=16)] = "",
    deleted: Annotated[bool, Parameter(description="The deleted ones instead.")] = False,
) -> AssemblyList:
    """Scripts by name, without their documents."""
    rows = await services.scripts.listed(domain=_domain(domain), kind=_kind(kind), deleted=deleted)
    return AssemblyList([AssemblyItem(**_fields(row, principal)) for row in rows], [])


@post("/api/assemblies", opt=_SAVE, status_code=201, responses=errors(409), tags=["scripts"])
async def create_assembly(services: Services, principal: Principal, peer: str, data: NewAssembly) -> Assembly:
    """Store a script. Domains other than ``user`` are for Admins of all sites."""
    content = checks.make_content(
        data.assembly_kind,
        display_name=data.display_name,
        summary=data.summary,
        category=data.category,
        type_=data.assembly_type,
        payload=data.payload,
        tags=data.tags,
        metadata=data.metadata,
    )
    made = await services.scripts.create(
        principal,
        domain=data.domain,
        kind=data.assembly_kind,
        content=content,
        guid=data.assembly_guid,
        comment=data.comment,
        address=peer,
    )
    return _view(made, principal)


@post(
    "/api/assemblies/import",
    opt={**_EDIT, **body_limit(MAX_IMPORT_BYTES)},
    status_code=201,
    responses=errors(409),
    tags=["scripts"],
)
async def import_assembly(services: Services, principal: Principal, peer: str, data: AssemblyImport) -> Assembly:
    """Store what upstream, or another Engine, exported; at most 1 MiB. It keeps its GUID where that is free."""
    kind, content, guid = portable.read(data.document)
    made = await services.scripts.take_in(
        principal, domain=data.domain, kind=kind, content=content, wanted_guid=guid, address=peer
    )
    return _view(made, principal)


@get("/api/assemblies/{guid:str}", opt=_READ, responses=errors(404), tags=["scripts"])
async def get_assembly(services: Services, principal: Principal, guid: _Guid) -> Assembly:
    """A script with its newest document."""
    return _view(await services.scripts.get(guid), principal)


@put("/api/assemblies/{guid:str}", opt=_SAVE, responses=errors(404, 409), tags=["scripts"])
async def change_assembly(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: AssemblyChange
) -> Assembly:
    """Save a new version. Where nothing is new and nothing is said, none is made."""
    now = await services.scripts.get(guid)
    row = now.row
    content = checks.make_content(
        row.kind,
        display_name=_or(data.display_name, row.display_name),
        summary=_or(data.summary, row.summary),
        category=_or(data.category, row.category),
        type_=_or(data.assembly_type, "" if data.payload is not None else row.type),
        payload=_or(data.payload, now.document),
        tags=_or(data.tags, row.tags),
        metadata=_or(data.metadata, row.metadata),
    )
    # What was not sent was read just now: a save that came between must not be undone by it.
    expected = row.version if data.expected_version is None else data.expected_version
    saved = await services.scripts.change(
        principal, guid, content, expected_version=expected, comment=data.comment, address=peer
    )
    return _view(saved, principal)


@delete("/api/assemblies/{guid:str}", opt=_EDIT, status_code=200, responses=errors(404, 409), tags=["scripts"])
async def delete_assembly(
    services: Services,
    principal: Principal,
    peer: str,
    guid: _Guid,
    expected_version: Annotated[int | None, Parameter(ge=1, le=2**31 - 1)] = None,
) -> OkAnswer:
    """Take a script out of the library. Its versions stay; ``…/restore`` brings it back."""
    await services.scripts.delete(principal, guid, expected_version=expected_version, address=peer)
    return OkAnswer()


@post("/api/assemblies/{guid:str}/clone", opt=_EDIT, status_code=201, responses=errors(404, 409), tags=["scripts"])
async def clone_assembly(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: AssemblyClone
) -> Assembly:
    """Copy a script's newest version, into the same domain or another one."""
    made = await services.scripts.clone(
        principal,
        guid,
        domain=data.target_domain,
        new_guid=data.new_assembly_guid,
        display_name=data.display_name,
        address=peer,
    )
    return _view(made, principal)


@get("/api/assemblies/{guid:str}/export", opt=_READ, responses=errors(404), tags=["scripts"])
async def export_assembly(services: Services, guid: _Guid) -> AssemblyExport:
    """A script in upstream's form, to be kept as a file or imported elsewhere."""
    return AssemblyExport(**portable.write(await services.scripts.get(guid)))


@get("/api/assemblies/{guid:str}/versions", opt=_READ, responses=errors(404), tags=["scripts"])
async def list_versions(services: Services, guid: _Guid) -> AssemblyVersions:
    """What was saved, newest first; also of a script that was deleted."""
    rows = await services.scripts.versions(guid)
    return AssemblyVersions([AssemblyVersion(**_version(row)) for row in rows])


@get("/api/assemblies/{guid:str}/versions/{number:int}", opt=_READ, responses=errors(404), tags=["scripts"])
async def get_version(
    services: Services, guid: _Guid, number: Annotated[int, Parameter(ge=1, le=2**31 - 1)]
) -> AssemblyVersionFull:
    """One version with its document."""
    row, document = await services.scripts.version(guid, number)
    return AssemblyVersionFull(payload=document, **_version(row))


@post("/api/assemblies/{guid:str}/restore", opt=_EDIT, status_code=200, responses=errors(404, 409), tags=["scripts"])
async def restore_assembly(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: AssemblyRestore
) -> Assembly:
    """Make an earlier version the newest, as a new version; brings a deleted script back."""
    saved = await services.scripts.restore(
        principal, guid, data.version, expected_version=data.expected_version, comment=data.comment, address=peer
    )
    return _view(saved, principal)


def _or(given: Any, kept: Any) -> Any:
    return kept if given is None else given


def _domain(text: str) -> Domain | None:
    try:
        return Domain(text.lower()) if text else None
    except ValueError as error:
        raise Invalid("invalid_domain", f"domain is one of {', '.join(Domain)}.") from error


def _kind(text: str) -> Kind | None:
    try:
        return Kind(text.lower()) if text else None
    except ValueError as error:
        raise Invalid("unknown_kind", f"kind is one of {', '.join(Kind)}.") from error


def _view(script: StoredScript, principal: Principal) -> Assembly:
    return Assembly(payload=dict(script.document), **_fields(script.row, principal))


def _fields(row: ScriptRow, principal: Principal) -> dict[str, Any]:
    return {
        "assembly_guid": row.guid,
        "domain": row.domain,
        "assembly_kind": row.kind,
        "assembly_type": row.type,
        "display_name": row.display_name,
        "summary": row.summary,
        "category": row.category,
        "tags": row.tags,
        "metadata": row.metadata,
        "version": row.version,
        "checksum": row.checksum,
        "size_bytes": row.size_bytes,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "updated_at": row.updated_at,
        "updated_by": row.updated_by,
        "deleted_at": row.deleted_at,
        "editable": checks.may_edit(principal, row),
    }


def _version(row: VersionRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "saved_at": row.saved_at,
        "saved_by": row.saved_by,
        "comment": row.comment,
        "display_name": row.display_name,
        "summary": row.summary,
        "category": row.category,
        "assembly_type": row.type,
        "tags": row.tags,
        "metadata": row.metadata,
        "checksum": row.checksum,
        "size_bytes": row.size_bytes,
    }


HANDLERS: list[HTTPRouteHandler] = [
    list_assemblies,
    create_assembly,
    import_assembly,
    get_assembly,
    change_assembly,
    delete_assembly,
    clone_assembly,
    export_assembly,
    list_versions,
    get_version,
    restore_assembly,
]
