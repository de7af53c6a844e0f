"""Stored scripts: made, changed, restored, deleted; every save is a version that never changes.

Who may: reading needs ``scripts.read``, the rest ``scripts.edit``; scripts of the domains ``official`` and
``community`` belong to Admins of all sites. An operator who is limited to sites changes only what they made
themselves: what others run on other sites is not theirs to change (threats 4).
"""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, Forbidden, Invalid
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.library import store
from borealis_engine.library.checks import (
    check_guid,
    check_name,
    check_text,
    check_version,
    require_domain,
    require_edit,
    same_content,
)
from borealis_engine.library.documents import pack
from borealis_engine.library.models import (
    MAX_COMMENT,
    MAX_SCRIPTS,
    MAX_VERSIONS,
    Domain,
    Kind,
    ScriptContent,
    ScriptRow,
    ScriptToRun,
    StoredScript,
    VersionRow,
)
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.storage import Database
from borealis_wire.events import OperatorEvent


class ScriptLibrary:
    """Scripts, playbooks and workflows. Implements ``jobs.ports.Scripts``."""

    def __init__(self, *, db: Database, clock: Clock, randomness: Randomness, feed: ChangeFeed) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._feed = feed

    # --- reading

    async def listed(
        self, *, domain: Domain | None = None, kind: Kind | None = None, deleted: bool = False
    ) -> list[ScriptRow]:
        """Scripts by name, without their documents; with ``deleted`` those that were deleted."""
        return await self._db.read(partial(store.listed, domain=domain, kind=kind, deleted=deleted))

    async def get(self, guid: str) -> StoredScript:
        """A script with its newest document.

        Raises:
            NotFound: ``script_not_found``.
        """
        return await self._db.read(lambda connection: store.load(connection, guid.lower()))

    async def versions(self, guid: str) -> list[VersionRow]:
        """What was saved, newest first; also of a script that was deleted.

        Raises:
            NotFound: ``script_not_found``.
        """

        def work(connection: Connection) -> list[VersionRow]:
            store.require(connection, guid.lower(), deleted=True)
            return store.versions(connection, guid.lower())

        return await self._db.read(work)

    async def version(self, guid: str, number: int) -> tuple[VersionRow, dict[str, Any]]:
        """One version and its document; also of a script that was deleted.

        Raises:
            NotFound: ``script_not_found``, ``version_not_found``.
        """

        def work(connection: Connection) -> tuple[VersionRow, dict[str, Any]]:
            store.require(connection, guid.lower(), deleted=True)
            return store.version(connection, guid.lower(), number)

        return await self._db.read(work)

    # --- changing

    async def create(
        self,
        principal: Principal,
        *,
        domain: Domain,
        kind: Kind,
        content: ScriptContent,
        guid: str = "",
        comment: str = "",
        address: str = "",
        action: str = "script.create",
    ) -> StoredScript:
        """Store a new script.

        Args:
            principal: who does it.
            domain: whose it is to be.
            kind: what it is.
            content: checked by ``checks.make_content``.
            guid: upstream lets the caller choose; a new one if empty.
            comment: what to say about this version.
            address: where the call comes from.
            action: what the audit log calls it.

        Raises:
            Conflict: ``assembly_exists``, ``too_many_scripts``.
            Forbidden: ``forbidden``.
            Invalid: ``invalid_guid``, ``invalid_comment``.
        """
        require_domain(principal, domain)
        key = check_guid(guid) if guid else self._randomness.uuid()
        text = check_text("comment", comment, MAX_COMMENT)
        packed = await asyncio.to_thread(pack, content.document)
        now = self._clock.now()

        def work(connection: Connection) -> StoredScript:
            if store.find(connection, key) is not None:
                raise Conflict("assembly_exists", f"There is a script {key} already, or there was one.")
            if store.count(connection) >= MAX_SCRIPTS:
                raise Conflict("too_many_scripts", f"The library holds at most {MAX_SCRIPTS} scripts.")
            store.add(connection, key, domain, kind, by=principal.username, now=now)
            store.keep(connection, packed)
            store.save(
                connection,
                key,
                1,
                content,
                checksum=packed.checksum,
                by=principal.username,
                comment=text,
                now=now,
            )
            row = store.require(connection, key)
            audit_store.record(connection, _entry(principal, action, row, address), now)
            return StoredScript(row, content.document)

        made = await self._db.write(work)
        self._publish(made.row, "created")
        return made

    async def take_in(
        self,
        principal: Principal,
        *,
        domain: Domain,
        kind: Kind,
        content: ScriptContent,
        wanted_guid: str,
        address: str = "",
    ) -> StoredScript:
        """Store what was exported elsewhere, under the GUID that it had there, or a new one where that is taken.

        Raises:
            Conflict, Forbidden: see :meth:`create`.
        """
        try:
            guid = check_guid(wanted_guid)
        except Invalid:
            guid = ""
        if guid and await self._db.read(lambda connection: store.find(connection, guid)) is not None:
            guid = ""
        return await self.create(
            principal,
            domain=domain,
            kind=kind,
            content=content,
            guid=guid,
            comment="Imported",
            address=address,
            action="script.import",
        )

    async def change(
        self,
        principal: Principal,
        guid: str,
        content: ScriptContent,
        *,
        expected_version: int | None = None,
        comment: str = "",
        address: str = "",
    ) -> StoredScript:
        """Save a new version. Where nothing is new and nothing is said, none is made.

        Args:
            principal: who does it.
            guid: which script.
            content: all of it, checked by ``checks.make_content``.
            expected_version: the version that was changed; another one by now is a conflict. None: whatever it is.
            comment: what to say about this version.
            address: where the call comes from.

        Raises:
            Conflict: ``version_conflict``, ``too_many_versions``.
            Forbidden: ``forbidden``, ``not_your_script``.
            Invalid: ``invalid_comment``.
            NotFound: ``script_not_found``.
        """
        text = check_text("comment", comment, MAX_COMMENT)
        deed = AuditEntry(principal.username, "script.change", "script", guid, address=address)
        packed = await asyncio.to_thread(pack, content.document)

        def work(connection: Connection) -> tuple[StoredScript, bool]:
            row = store.require(connection, guid.lower())
            require_edit(principal, row)
            check_version(row, expected_version)
            if not text and same_content(row, content, packed.checksum):
                return StoredScript(row, content.document), False
            store.keep(connection, packed)
            return self._save(connection, row, content, checksum=packed.checksum, deed=deed, comment=text), True

        saved, changed = await self._db.write(work)
        if changed:
            self._publish(saved.row, "changed")
        return saved

    async def restore(
        self,
        principal: Principal,
        guid: str,
        number: int,
        *,
        expected_version: int | None = None,
        comment: str = "",
        address: str = "",
    ) -> StoredScript:
        """Make an earlier version the newest one, as a new version; brings a deleted script back.

        Raises:
            Conflict: ``version_conflict``, ``too_many_versions``.
            Forbidden: ``forbidden``, ``not_your_script``.
            Invalid: ``invalid_comment``.
            NotFound: ``script_not_found``, ``version_not_found``.
        """
        text = check_text("comment", comment, MAX_COMMENT) or f"Version {number} restored"
        deed = AuditEntry(principal.username, "script.restore", "script", guid, {"restored": number}, address)

        def work(connection: Connection) -> StoredScript:
            row = store.require(connection, guid.lower(), deleted=True)
            require_edit(principal, row)
            check_version(row, expected_version)
            earlier, document = store.version(connection, row.guid, number)
            content = ScriptContent(
                display_name=earlier.display_name,
                summary=earlier.summary,
                category=earlier.category,
                type=earlier.type,
                document=document,
                tags=earlier.tags,
                metadata=earlier.metadata,
            )
            return self._save(connection, row, content, checksum=earlier.checksum, deed=deed, comment=text)

        saved = await self._db.write(work)
        self._publish(saved.row, "restored")
        return saved

    async def clone(
        self,
        principal: Principal,
        guid: str,
        *,
        domain: Domain,
        new_guid: str = "",
        display_name: str = "",
        address: str = "",
    ) -> StoredScript:
        """Copy a script's newest version, into the same domain or another one.

        Raises:
            Conflict, Forbidden, Invalid: see :meth:`create`.
            NotFound: ``script_not_found``.
        """
        source = await self.get(guid)
        row = source.row
        content = ScriptContent(
            display_name=check_name(display_name or row.display_name),
            summary=row.summary,
            category=row.category,
            type=row.type,
            document=source.document,
            tags=row.tags,
            metadata=row.metadata,
        )
        return await self.create(
            principal,
            domain=domain,
            kind=row.kind,
            content=content,
            guid=new_guid,
            comment=f"Copy of {row.display_name!r}, version {row.version}"[:MAX_COMMENT],
            address=address,
            action="script.clone",
        )

    async def delete(
        self, principal: Principal, guid: str, *, expected_version: int | None = None, address: str = ""
    ) -> None:
        """Take a script out of the library; its versions stay, and :meth:`restore` brings it back.

        Raises:
            Conflict: ``version_conflict``.
            Forbidden: ``forbidden``, ``not_your_script``.
            NotFound: ``script_not_found``.
        """
        now = self._clock.now()

        def work(connection: Connection) -> ScriptRow:
            row = store.require(connection, guid.lower())
            require_edit(principal, row)
            check_version(row, expected_version)
            store.mark_deleted(connection, row.guid, now)
            audit_store.record(connection, _entry(principal, "script.delete", row, address), now)
            return row

        self._publish(await self._db.write(work), "deleted")

    # --- jobs.ports.Scripts

    async def script_to_run(self, principal: Principal, guid: str, version: int | None) -> ScriptToRun:
        """What a job runs: the newest version, or the one that is asked for.

        Raises:
            Forbidden: ``forbidden``: the caller may not read scripts.
            Invalid: ``unsupported_script_type`` for a workflow.
            NotFound: ``script_not_found``, ``version_not_found``.
        """
        if not principal.may(Permission.SCRIPTS_READ):
            raise Forbidden("forbidden", f"This needs the permission {Permission.SCRIPTS_READ}. Ask an Admin.")

        def work(connection: Connection) -> tuple[ScriptRow, VersionRow, dict[str, Any]]:
            row = store.require(connection, guid.lower())
            found, document = store.version(connection, row.guid, row.version if version is None else version)
            return row, found, document

        row, found, document = await self._db.read(work)
        if row.kind is Kind.WORKFLOW:
            raise Invalid("unsupported_script_type", f"{found.display_name!r} is a workflow; those are kept, not run.")
        return ScriptToRun(
            guid=row.guid,
            version=found.version,
            name=found.display_name,
            type=found.type,
            script=document["script"],
            variables=document["variables"],
            files=document["files"],
            timeout_seconds=document["timeout_seconds"],
        )

    def _save(
        self,
        connection: Connection,
        row: ScriptRow,
        content: ScriptContent,
        *,
        checksum: str,
        deed: AuditEntry,
        comment: str,
    ) -> StoredScript:
        now = self._clock.now()
        if row.version >= MAX_VERSIONS:
            raise Conflict(
                "too_many_versions", f"A script has at most {MAX_VERSIONS} versions. Clone it, and go on with the copy."
            )
        number = row.version + 1
        store.save(connection, row.guid, number, content, checksum=checksum, by=deed.actor, comment=comment, now=now)
        saved = store.require(connection, row.guid)
        detail = {**_detail(saved), **deed.detail}
        audit_store.record(connection, replace(deed, target=row.guid, detail=detail), now)
        return StoredScript(saved, content.document)

    def _publish(self, row: ScriptRow, change: str) -> None:
        data = {
            "assembly_guid": row.guid,
            "display_name": row.display_name,
            "domain": row.domain.value,
            "version": row.version,
            "change": change,
        }
        self._feed.publish(Change(OperatorEvent.SCRIPTS_CHANGED.value, data))


def _entry(principal: Principal, action: str, row: ScriptRow, address: str) -> AuditEntry:
    return AuditEntry(principal.username, action, "script", row.guid, _detail(row), address)


def _detail(row: ScriptRow) -> dict[str, object]:
    return {
        "name": row.display_name,
        "domain": row.domain.value,
        "version": row.version,
        "sha256": row.checksum,
    }
