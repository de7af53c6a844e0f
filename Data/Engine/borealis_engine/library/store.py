"""SQL of stored scripts and their versions. Plain functions of a connection; the service decides."""

from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from borealis_engine.core.errors import NotFound
from borealis_engine.library import documents
from borealis_engine.library.documents import Packed
from borealis_engine.library.models import (
    Domain,
    Kind,
    ScriptContent,
    ScriptRow,
    StoredScript,
    VersionRow,
)
from borealis_engine.library.tables import script_documents, script_versions, scripts

_VERSION_COLUMNS: Final = (
    script_versions.c.version,
    script_versions.c.saved_at,
    script_versions.c.saved_by,
    script_versions.c.comment,
    script_versions.c.display_name,
    script_versions.c.summary,
    script_versions.c.category,
    script_versions.c.type,
    script_versions.c.tags,
    script_versions.c.extra,
    script_versions.c.checksum,
    script_documents.c.size_bytes,
)


def listed(connection: Connection, *, domain: Domain | None, kind: Kind | None, deleted: bool) -> list[ScriptRow]:
    """Scripts by name, without their documents; the deleted ones, or those that are there."""
    gone = scripts.c.deleted_at.is_not(None)
    query = _scripts().where(gone if deleted else ~gone)
    if domain is not None:
        query = query.where(scripts.c.domain == domain.value)
    if kind is not None:
        query = query.where(scripts.c.kind == kind.value)
    found = [_script_row(row) for row in connection.execute(query)]
    return sorted(found, key=lambda row: (row.display_name.casefold(), row.guid))


def find(connection: Connection, guid: str) -> ScriptRow | None:
    """A script, also one that was deleted."""
    row = connection.execute(_scripts().where(scripts.c.guid == guid)).first()
    return None if row is None else _script_row(row)


def require(connection: Connection, guid: str, *, deleted: bool = False) -> ScriptRow:
    """A script that is there; with ``deleted`` also one that is not any more.

    Raises:
        NotFound: ``script_not_found``.
    """
    row = find(connection, guid)
    if row is None or (row.deleted_at is not None and not deleted):
        raise NotFound("script_not_found", "There is no such script, or it was deleted.")
    return row


def load(connection: Connection, guid: str) -> StoredScript:
    """A script with its newest document.

    Raises:
        NotFound: ``script_not_found``.
    """
    row = require(connection, guid)
    return StoredScript(row, document(connection, row.checksum))


def versions(connection: Connection, guid: str) -> list[VersionRow]:
    """All versions of a script, newest first."""
    query = _versions().where(script_versions.c.guid == guid).order_by(script_versions.c.version.desc())
    return [_version_row(guid, row) for row in connection.execute(query)]


def version(connection: Connection, guid: str, number: int) -> tuple[VersionRow, dict[str, Any]]:
    """One version with its document.

    Raises:
        NotFound: ``version_not_found``.
    """
    query = _versions().where(script_versions.c.guid == guid, script_versions.c.version == number)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("version_not_found", f"This script has no version {number}.")
    found = _version_row(guid, row)
    return found, document(connection, found.checksum)


def document(connection: Connection, checksum: str) -> dict[str, Any]:
    """A document by its checksum, which is there: a version refers to it."""
    body = connection.execute(select(script_documents.c.body).where(script_documents.c.checksum == checksum))
    return documents.unpack(body.scalar_one())


def count(connection: Connection) -> int:
    """How many scripts there are, deleted ones too: they take room as well."""
    return int(connection.execute(select(func.count()).select_from(scripts)).scalar_one())


def add(connection: Connection, guid: str, domain: Domain, kind: Kind, *, by: str, now: float) -> None:
    """Make a script that has no version yet; the caller saves the first in the same transaction."""
    connection.execute(
        insert(scripts).values(
            guid=guid, domain=domain.value, kind=kind.value, version=0, created_at=now, created_by=by
        )
    )


def keep(connection: Connection, packed: Packed) -> None:
    """Store a document, unless it is there already; in the transaction that saves a version of it."""
    query = select(script_documents.c.size_bytes).where(script_documents.c.checksum == packed.checksum)
    if connection.execute(query).first() is None:
        connection.execute(
            insert(script_documents).values(checksum=packed.checksum, body=packed.body, size_bytes=packed.size_bytes)
        )


def save(
    connection: Connection,
    guid: str,
    number: int,
    content: ScriptContent,
    *,
    checksum: str,
    by: str,
    comment: str,
    now: float,
) -> None:
    """Store version ``number``, whose document is kept, and make it the newest; the script is there again if it
    was deleted.
    """
    connection.execute(
        insert(script_versions).values(
            guid=guid,
            version=number,
            saved_at=now,
            saved_by=by,
            comment=comment,
            display_name=content.display_name,
            summary=content.summary,
            category=content.category,
            type=content.type,
            tags=dict(content.tags),
            extra=dict(content.metadata),
            checksum=checksum,
        )
    )
    connection.execute(update(scripts).where(scripts.c.guid == guid).values(version=number, deleted_at=None))


def mark_deleted(connection: Connection, guid: str, now: float) -> None:
    """A script is not shown any more; its versions stay."""
    connection.execute(update(scripts).where(scripts.c.guid == guid).values(deleted_at=now))


def _scripts() -> Select[Any]:
    first = script_versions.alias("newest")
    return (
        select(
            scripts.c.guid,
            scripts.c.domain,
            scripts.c.kind,
            scripts.c.version,
            scripts.c.created_at,
            scripts.c.created_by,
            scripts.c.deleted_at,
            first.c.saved_at,
            first.c.saved_by,
            first.c.display_name,
            first.c.summary,
            first.c.category,
            first.c.type,
            first.c.tags,
            first.c.extra,
            first.c.checksum,
            script_documents.c.size_bytes,
        )
        .join(first, (first.c.guid == scripts.c.guid) & (first.c.version == scripts.c.version))
        .join(script_documents, script_documents.c.checksum == first.c.checksum)
    )


def _versions() -> Select[Any]:
    return select(*_VERSION_COLUMNS).join(script_documents, script_documents.c.checksum == script_versions.c.checksum)


def _script_row(row: Row[Any]) -> ScriptRow:
    return ScriptRow(
        guid=row.guid,
        domain=Domain(row.domain),
        kind=Kind(row.kind),
        type=row.type,
        display_name=row.display_name,
        summary=row.summary,
        category=row.category,
        tags=row.tags,
        metadata=row.extra,
        version=row.version,
        checksum=row.checksum,
        size_bytes=row.size_bytes,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.saved_at,
        updated_by=row.saved_by,
        deleted_at=row.deleted_at,
    )


def _version_row(guid: str, row: Row[Any]) -> VersionRow:
    return VersionRow(
        guid=guid,
        version=row.version,
        saved_at=row.saved_at,
        saved_by=row.saved_by,
        comment=row.comment,
        display_name=row.display_name,
        summary=row.summary,
        category=row.category,
        type=row.type,
        tags=row.tags,
        metadata=row.extra,
        checksum=row.checksum,
        size_bytes=row.size_bytes,
    )
