"""Recordings of shells: begun with a shell, written beside it, listed, played, deleted, and thrown away by policy."""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import Final

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry, AuditLog
from borealis_engine.core.errors import Conflict, EngineError, NotFound, Unavailable
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.core.shell_settings import ShellSettings
from borealis_engine.operators.permissions import Principal
from borealis_engine.shells import recording as files
from borealis_engine.shells import store
from borealis_engine.shells.models import RecordingRow
from borealis_engine.shells.recording import Recording
from borealis_engine.shells.session import Session
from borealis_engine.storage import Database
from borealis_wire.limits import MIB

WRITE_SECONDS: Final = 1.0
PRUNE_SECONDS: Final = 3600.0
_DAY: Final = 24 * 3600.0
_SUFFIX: Final = ".cast"

log = get_logger("agents")


class Recordings:
    """Fulfils ``service.Recorders``."""

    def __init__(
        self,
        *,
        db: Database,
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
        folder: Path,
        settings: ShellSettings,
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._randomness = randomness
        self._folder = folder
        self._settings = settings
        self._open: dict[str, Recording] = {}
        self._hurry = asyncio.Event()
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Close what an earlier life of the Engine left open."""
        for row in await self._db.read(store.unfinished):
            size = await asyncio.to_thread(_size_of, self._path(row.recording_id))
            end = partial(
                store.finish,
                recording_id=row.recording_id,
                ended_at=self._clock.now(),
                seconds=row.seconds,
                size=size,
                cut=True,
                account=row.account,
                status=None,
            )
            await self._db.write(end)

    # --- service.Recorders

    async def begin(self, session: Session, columns: int, rows: int) -> Recording | None:
        """Record a shell from now on; None where the policy says that none is recorded.

        Raises:
            Unavailable: it cannot be recorded. What is to be recorded and cannot be is not opened.
        """
        if not self._settings.recorded:
            return None
        recording_id, now = self._randomness.uuid(), self._clock.now()
        path = self._path(recording_id)
        title = f"{session.principal.username} on {session.hostname}"
        first = files.header(columns, rows, started_at=now, title=title)
        try:
            await asyncio.to_thread(files.create, path, first)
        except OSError as error:
            log.error("a shell cannot be recorded, and is not opened", reason=str(error))
            detail = "Shells are recorded here, and the Engine cannot write the recording. Its disk may be full."
            raise Unavailable("recording_failed", detail) from error
        row = RecordingRow(
            recording_id=recording_id,
            session_id=session.session_id,
            guid=session.guid,
            hostname=session.hostname,
            site_id=session.site_id,
            username=session.principal.username,
            account="",
            started_at=now,
            ended_at=None,
            seconds=0.0,
            size=len(first),
            cut=False,
            status=None,
        )
        try:
            await self._db.write(partial(store.add, row=row))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        most = self._settings.recording_mib * MIB
        made = Recording(recording_id, path, clock=self._clock, size=len(first), most=most, hurry=self._hurry.set)
        self._open[session.session_id] = made
        return made

    async def end(self, session: Session) -> None:
        """It is over. Never raises."""
        made = self._open.pop(session.session_id, None)
        if made is None:
            return
        await self._write(made)
        try:
            if made.is_empty:
                await self._throw_away([made.recording_id])
                return
            await self._db.write(
                partial(
                    store.finish,
                    recording_id=made.recording_id,
                    ended_at=self._clock.now(),
                    seconds=made.seconds,
                    size=made.size,
                    cut=made.cut,
                    account=session.user,
                    status=session.ended.status if session.ended is not None else None,
                )
            )
        except EngineError as error:
            log.error("the end of a recording is not on record", error_code=error.code)

    # --- for operators

    async def find(
        self,
        principal: Principal,
        *,
        guid: str | None = None,
        username: str | None = None,
        before: float | None = None,
        limit: int = 100,
    ) -> list[RecordingRow]:
        """Recordings of the sites that the operator sees, newest first."""
        work = partial(store.find, sites=principal.sites, guid=guid, username=username, before=before, limit=limit)
        return await self._db.read(work)

    async def get(self, principal: Principal, recording_id: str) -> RecordingRow:
        """One recording. Raises ``NotFound``, also for one out of sight."""
        row = await self._db.read(partial(store.get, recording_id=recording_id))
        if row is None or not principal.sees_site(row.site_id):
            raise NotFound("recording_not_found", "There is no such recording, or it is not kept any more.")
        return row

    async def read(self, principal: Principal, recording_id: str, *, address: str) -> bytes:
        """The file. Who watches is on record.

        Raises:
            NotFound: no such recording, or its file is gone.
        """
        row = await self.get(principal, recording_id)
        await self._audit.record(self._entry("recording.read", row, principal, address))
        made = next((one for one in self._open.values() if one.recording_id == recording_id), None)
        if made is not None:
            await self._write(made)
        try:
            return await asyncio.to_thread(self._path(row.recording_id).read_bytes)
        except OSError as error:
            raise NotFound("recording_not_found", "The file of this recording is not there any more.") from error

    async def delete(self, principal: Principal, recording_id: str, *, address: str) -> None:
        """Throw a recording away; that it was there stays on record.

        Raises:
            NotFound: no such recording.
            Conflict: the shell is still open.
        """
        row = await self.get(principal, recording_id)
        if row.ended_at is None:
            raise Conflict("recording_open", "The shell is still open. Close it first.")
        await self._audit.record(self._entry("recording.delete", row, principal, address))
        await self._throw_away([row.recording_id])

    # --- the drivers

    async def run_loop(self) -> None:
        """Write what was printed, about once a second; a supervised task."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._hurry.wait()
            self._hurry.clear()
            for made in list(self._open.values()):
                await self._write(made)

    async def prune_loop(self) -> None:
        """Throw away what is older than the policy keeps; a supervised task."""
        while True:
            oldest = self._clock.now() - self._settings.recording_days * _DAY
            await self._throw_away(await self._db.read(partial(store.older, than=oldest)))
            await self._clock.sleep(PRUNE_SECONDS)

    # --- inside

    def _path(self, recording_id: str) -> Path:
        return self._folder / f"{recording_id}{_SUFFIX}"

    async def _write(self, made: Recording) -> None:
        async with self._writing:  # what was taken first is written first
            data = made.take()
            if not data:
                return
            try:
                await asyncio.to_thread(files.append, made.path, data)
            except OSError as error:
                made.broken()
                log.error("a recording cannot be written on", recording=made.recording_id, reason=str(error))

    async def _throw_away(self, recording_ids: list[str]) -> None:
        for recording_id in recording_ids:
            with contextlib.suppress(OSError):  # a file that cannot be removed is still not listed any more
                await asyncio.to_thread(self._path(recording_id).unlink, missing_ok=True)
        if recording_ids:
            await self._db.write(partial(store.remove, recording_ids=recording_ids))

    @staticmethod
    def _entry(action: str, row: RecordingRow, principal: Principal, address: str) -> AuditEntry:
        detail = {"recording": row.recording_id, "of": row.username, "hostname": row.hostname}
        return AuditEntry(principal.username, action, "device", row.guid, detail, address, site_id=row.site_id)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
