"""What is left to do once a look is over: tell the device, put it on record. Asked for at once, done soon."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from borealis_base.tasks import Supervisor
from borealis_engine.activity import RowKind, Use, UseRecorder
from borealis_engine.audit import AuditEntry, AuditLog
from borealis_engine.core.errors import EngineError
from borealis_engine.core.log import get_logger
from borealis_engine.devices import DeviceRecord
from borealis_engine.screens.looks import Over
from borealis_engine.screens.watches import Viewer
from borealis_wire.events import RunContext, RunStatus

OVER: Final = "The time limit was reached. Start again if you still need to look."

log = get_logger("agents")


@dataclass(slots=True, eq=False)
class Ending:
    """A view that the device has to be told to end (``order_id``), or what there is to write down of looks."""

    guid: str
    user: str
    order_id: str = ""
    asked_by: str = ""
    entries: list[AuditEntry] = field(default_factory=list)
    over: list[Over] = field(default_factory=list)


class Endings:
    """A queue of them. ``tell``: has a device end its view; raises ``EngineError`` or ``TimeoutError``."""

    def __init__(self, *, audit: AuditLog, uses: UseRecorder, tell: Callable[[Ending], Awaitable[None]]) -> None:
        self._audit = audit
        self._uses = uses
        self._tell = tell
        self._queue: asyncio.Queue[Ending] = asyncio.Queue()

    def note(self, ending: Ending) -> None:
        """Have it carried out soon. Never waits."""
        self._queue.put_nowait(ending)

    async def begin_use(self, record: DeviceRecord, user: str, by: str, name: str) -> Use:
        """Put on record that a look begins.

        Raises:
            Unavailable: not recorded.
        """
        return await self._uses.begin(
            RowKind.SCREEN,
            name,
            guid=record.guid,
            hostname=record.hostname,
            site_id=record.auth.site_id,
            by=by,
            context=RunContext.INTERACTIVE,
            user=user,
        )

    async def carry_out_next(self, seconds: float) -> None:
        """Carry out the next one; returns after ``seconds`` where there is none.

        Who is cancelled meanwhile finishes it first: what was taken from the queue is nowhere else.
        """
        ending: Ending | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                ending = await self._queue.get()
        if ending is None:
            return
        async with Supervisor() as tasks:
            work = tasks.start("write down the end of a look", self._carry_out(ending))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await work
                raise

    async def carry_out_all(self) -> None:
        """Carry out what is noted; for the end of the Engine."""
        while not self._queue.empty():
            await self._carry_out(self._queue.get_nowait())

    async def _carry_out(self, ending: Ending) -> None:
        if ending.order_id:
            # A device that does not hear it hears at its next frame that nobody watches.
            with contextlib.suppress(EngineError, TimeoutError):
                await self._tell(ending)
        for entry in ending.entries:
            try:
                await self._audit.record(entry)
            except EngineError as error:
                log.error("the end of a live view is not on record", error_code=error.code)
        for over in ending.over:
            try:
                await self._uses.end(over.use, over.status, over.reason)
            except EngineError as error:
                log.error("the end of a look is not in activity", run_id=over.use.run_id, error_code=error.code)


def over_of(viewers: Iterable[Viewer], reason: str) -> list[Over]:
    """A look that its watcher or its time ended is a success; what ended it before them is said."""
    status = RunStatus.SUCCESS if reason in {"", OVER} else RunStatus.INTERRUPTED
    return [Over(viewer.use, status, reason) for viewer in viewers if viewer.use is not None]
