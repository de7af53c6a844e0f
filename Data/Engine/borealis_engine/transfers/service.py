"""Lets operators at files of devices: one sealed order for each thing that is done, and all of it on record."""

import contextlib
import hashlib
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec

from borealis_base.clock import Clock
from borealis_engine.activity import RowKind
from borealis_engine.audit import AuditEntry, AuditLog
from borealis_engine.core.errors import Invalid, NotFound, RateLimited
from borealis_engine.core.ids import Randomness
from borealis_engine.devices import DeviceRecord
from borealis_engine.lines import Sealer, Stay, StayKind, Stays, Way, ending_with
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.transfers.line import FILES, FilesLine, nonsense, whole_number
from borealis_engine.transfers.models import (
    Asker,
    Folder,
    FolderEntry,
    ReadAsked,
    TransferRow,
    UploadStand,
    WhereAsked,
    WriteAsked,
)
from borealis_engine.transfers.reading import Reading
from borealis_engine.transfers.writing import Writing
from borealis_wire.envelope import FILES_TYPE
from borealis_wire.files import (
    FILES_ORDER_SECONDS,
    FILES_PORT,
    MAX_FILE_BYTES,
    MAX_LISTED,
    FileAction,
    FilesOrder,
    is_hex,
    is_path,
)
from borealis_wire.members import MAX_NAME

STAYS: Final = StayKind("files", "transfer", RowKind.FILES, Permission.FILES, most=16)
MOST_LOOKS: Final = 8
"""Folders that one operator has looked into at the same time."""
MOST_DIGESTS: Final = 1000
"""Finished downloads whose digest is known still."""


class TransferService:
    """Everything that operators of this Engine do with files of devices."""

    def __init__(
        self,
        *,
        stays: Stays,
        signing: Sealer,
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
        way: Way,
        port: int = FILES_PORT,
    ) -> None:
        self._stays = stays
        self._signing = signing
        self._audit = audit
        self._clock = clock
        self._randomness = randomness
        self._way = way
        self._port = port
        self._looks: Counter[str] = Counter()
        self._under_way: dict[str, Reading | Writing] = {}
        self._digests: OrderedDict[str, tuple[str, str]] = OrderedDict()

    # --- what takes a moment

    async def folder(self, asker: Asker, name: str, asked: WhereAsked) -> Folder:
        """What is in a folder. Who asks is on record, as with all of these.

        Raises:
            NotFound: no such device, or out of sight; ``files_not_found``: no such folder.
            Conflict: the device is not active, or says no: ``files_<reason>``.
            Invalid: no path or account can be that.
            RateLimited: too many at once.
            Unavailable: the device did not answer.
        """
        async with self._look(asker, name, FileAction.LIST, asked) as line:
            entries: list[FolderEntry] = []
            while (said := await line.told("entries", "done"))["type"] == "entries":
                entries += _read(said.get("entries"), list[FolderEntry])
                if len(entries) > MAX_LISTED:
                    raise nonsense()
            left_out = whole_number(said.get("left_out"), MAX_FILE_BYTES)
            return Folder(*_where(line), entries, left_out)

    async def stand(self, asker: Asker, name: str, asked: WriteAsked) -> UploadStand:
        """Where an upload stands, and what is at its path now. Raises as :meth:`folder`."""
        record = self._stays.find_device(asker.principal, name)
        transfer_id = _transfer_id(asker.principal, record, asked) if asked.transfer else ""
        looked = self._look(asker, name, FileAction.STAT, asked, transfer_id=transfer_id)
        async with looked as line:
            said = await line.told("done")
            partial = whole_number(said.get("partial", 0), MAX_FILE_BYTES)
            there = _read(said.get("entry"), FolderEntry | None)
            # More than there should be is of another file.
            return UploadStand(*_where(line), partial if partial <= asked.size else 0, there)

    async def make_folder(self, asker: Asker, name: str, asked: WhereAsked) -> FolderEntry:
        """Make a folder. Raises as :meth:`folder`."""
        async with self._look(asker, name, FileAction.MKDIR, asked) as line:
            made: FolderEntry = _read((await line.told("done")).get("entry"), FolderEntry)
            return made

    async def remove(self, asker: Asker, name: str, asked: WhereAsked) -> None:
        """Remove a file, a link, or a folder that is empty. Raises as :meth:`folder`."""
        async with self._look(asker, name, FileAction.REMOVE, asked) as line:
            await line.told("done")

    # --- transfers

    @contextlib.asynccontextmanager
    async def reading(self, asker: Asker, name: str, asked: ReadAsked) -> AsyncIterator[tuple[Reading, Stay]]:
        """A file of a device, for as long as the context lasts. Raises as :meth:`folder`."""
        _check(asked)
        record = self._stays.find_device(asker.principal, name)
        more = {"offset": asked.offset, "version": asked.version}
        async with self._transfer(asker, record, FileAction.READ, asked, more) as (line, stay):
            reading = Reading(line, stay, lambda whole: self._keep(stay, whole))
            with self._counted(stay, reading):
                yield reading, stay

    @contextlib.asynccontextmanager
    async def writing(self, asker: Asker, name: str, asked: WriteAsked) -> AsyncIterator[tuple[Writing, Stay]]:
        """A file for a device, for as long as the context lasts. Raises as :meth:`folder`."""
        _check(asked)
        if not asked.path or not asked.transfer or asked.offset > asked.size:
            raise Invalid("invalid_request", "A file goes to a path, has a transfer, and is gone on with within it.")
        record = self._stays.find_device(asker.principal, name)
        more = {
            "offset": asked.offset,
            "size": asked.size,
            "transfer_id": _transfer_id(asker.principal, record, asked),
            "sha256": asked.sha256,
            "mode": asked.mode,
            "overwrite": asked.overwrite,
        }
        async with (
            self._transfer(asker, record, FileAction.WRITE, asked, more) as (line, stay),
            Writing.begin(line, asked) as writing,
        ):
            with self._counted(stay, writing):
                yield writing, stay

    def digest(self, principal: Principal, transfer_id: str) -> str:
        """The SHA-256 of the whole file that a download of this operator brought, as the device told it.

        Raises:
            NotFound: there is no such download, it is not over, or was too long ago.
        """
        username, found = self._digests.get(transfer_id, ("", ""))
        if not found or username != principal.username:
            raise NotFound("files_not_found", "There is no such download, or it has not ended.")
        return found

    def listed(self, principal: Principal, guid: str = "") -> list[TransferRow]:
        """Transfers under way on devices that the operator sees, oldest first."""
        found = []
        for stay in self._stays.listed(principal, guid):
            carried = self._under_way.get(stay.stay_id)
            found.append(
                TransferRow(
                    transfer_id=stay.stay_id,
                    guid=stay.guid,
                    hostname=stay.record.hostname,
                    username=stay.principal.username,
                    user=stay.user,
                    path=str(stay.detail.get("path", "")),
                    down=bool(stay.detail.get("down")),
                    since=stay.since,
                    done=carried.done if carried else 0,
                    size=carried.size if carried else 0,
                )
            )
        return found

    async def end(self, principal: Principal, transfer_id: str, *, address: str) -> None:
        """End anybody's transfer on a device that the operator sees. Raises ``NotFound``."""
        await self._stays.end(principal, transfer_id, address=address)

    # --- inside

    @contextlib.asynccontextmanager
    async def _transfer(
        self, asker: Asker, record: DeviceRecord, action: FileAction, asked: WhereAsked, more: dict[str, Any]
    ) -> AsyncIterator[tuple[FilesLine, Stay]]:
        down = action is FileAction.READ
        detail = {"path": asked.path, "account": asked.user or "the agent's own", "down": down}
        detail |= {key: more[key] for key in ("offset", "size") if key in more}
        title = f"{'Fetched' if down else 'Brought'} {asked.path}"[:256]
        staying = self._stays.stay(
            asker.principal, record, name=title, address=asker.address, user=asked.user, detail=detail
        )
        async with staying as stay:
            stay.detail |= {"path": asked.path, "down": down}
            async with self._line(asker, record, action, asked, more, stay=stay) as line:
                stay.opened = True
                stay.on_over(line.cut)
                stay.user = str(line.opened.get("user", ""))[:MAX_NAME] or stay.user
                yield line, stay

    @contextlib.contextmanager
    def _counted(self, stay: Stay, carried: Reading | Writing) -> Iterator[None]:
        self._under_way[stay.stay_id] = carried
        try:
            yield
        finally:
            del self._under_way[stay.stay_id]
            stay.detail |= {"size": carried.size, "bytes": carried.done - carried.offset}

    @contextlib.asynccontextmanager
    async def _look(
        self, asker: Asker, name: str, action: FileAction, asked: WhereAsked, **more: Any
    ) -> AsyncIterator[FilesLine]:
        """Something that takes a moment: on record, but not among what operators are at."""
        _check(asked)
        record = self._stays.find_device(asker.principal, name)
        username = asker.principal.username
        if self._looks[username] >= MOST_LOOKS:
            raise RateLimited(1.0, f"{MOST_LOOKS} folders are being looked into for you already.")
        self._looks[username] += 1
        try:
            detail = {"path": asked.path, "account": asked.user or "the agent's own"}
            site = record.auth.site_id
            await self._audit.record(
                AuditEntry(username, f"files.{action}", "device", record.guid, detail, asker.address, site_id=site)
            )
            async with self._line(asker, record, action, asked, more) as line:
                yield line
        finally:
            self._looks[username] -= 1
            self._looks += Counter()  # forgets who has none

    @contextlib.asynccontextmanager
    async def _line(
        self,
        asker: Asker,
        record: DeviceRecord,
        action: FileAction,
        asked: WhereAsked,
        more: dict[str, Any],
        *,
        stay: Stay | None = None,
    ) -> AsyncIterator[FilesLine]:
        way = self._way.to(asker.principal, record, port=self._port, host=asker.host, address=asker.address)
        async with contextlib.AsyncExitStack() as held:
            place = await held.enter_async_context(way)
            if stay is not None:
                await held.enter_async_context(ending_with(place, stay))
            now = self._clock.now()
            order = FilesOrder(
                order_id=self._randomness.uuid(),
                device_guid=record.guid,
                asked_by=asker.principal.username,
                action=action,
                issued_at=now,
                expires_at=now + FILES_ORDER_SECONDS,
                path=asked.path,
                user=asked.user,
                **more,
            )
            envelope = self._signing.seal(FILES_TYPE, order.to_payload())
            line = await FilesLine.open(place, envelope, self._clock, FILES)
            try:
                yield line
            finally:
                line.cut()

    def _keep(self, stay: Stay, whole: str) -> None:
        if is_hex(whole, 64):
            self._digests[stay.stay_id] = (stay.principal.username, whole)
            while len(self._digests) > MOST_DIGESTS:
                self._digests.popitem(last=False)


def _check(asked: WhereAsked) -> None:
    if not is_path(asked.path) or len(asked.user) > MAX_NAME:
        raise Invalid("invalid_request", "No path and no account can be that.")


def _transfer_id(principal: Principal, record: DeviceRecord, asked: WriteAsked) -> str:
    """What the device knows an upload by: nobody else can go on with it, nor this operator with another file."""
    named = (principal.username, record.guid, asked.user, asked.path, str(asked.size), asked.transfer)
    return hashlib.sha256("\0".join(named).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _where(line: FilesLine) -> tuple[str, str]:
    return str(line.opened.get("path", ""))[:4096], str(line.opened.get("user", ""))[:MAX_NAME]


def _read(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise nonsense() from error
