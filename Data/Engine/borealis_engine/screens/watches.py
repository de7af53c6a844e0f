"""Live views and those who watch them; no I/O. One view of a monitor serves everybody who watches it."""

import asyncio
from dataclasses import dataclass, field

from borealis_engine.activity import Use
from borealis_engine.operators.permissions import Principal
from borealis_engine.screens.models import WatchAsked
from borealis_engine.screens.mosaic import Mosaic, Update

Key = tuple[str, str, int]
"""Device, user and monitor."""


@dataclass(slots=True, eq=False)
class Watch:
    """One live view. ``until``: monotonic second at which it is over. ``user``: whose agent shows it."""

    order_id: str
    guid: str
    site_id: int | None
    asked: WatchAsked
    until: float
    started: "asyncio.Future[None]"
    user: str = ""
    mosaic: Mosaic = field(default_factory=Mosaic)
    viewers: set["Viewer"] = field(default_factory=set)
    frames: int = 0
    _taken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> Key:
        """Device, user and monitor."""
        return self.guid, self.user, self.asked.monitor

    def tell(self) -> None:
        """A frame came in."""
        self.frames += 1
        self._taken.clear()
        for viewer in self.viewers:
            viewer.wake()

    def took(self) -> None:
        """Somebody has taken the newest picture."""
        self._taken.set()

    async def wait_taken(self) -> None:
        """Wait until the quickest of those who watch has taken the newest picture."""
        await self._taken.wait()


@dataclass(slots=True, eq=False)
class Viewer:
    """One who watches. ``since``: Unix seconds."""

    watch: Watch
    principal: Principal
    since: float
    address: str = ""
    use: Use | None = None
    """Its row in activity."""
    ended: str | None = None
    """Why there is no more to see; None as long as there is."""
    sent: int = 0
    _seen: int = 0
    _generation: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def next_update(self) -> Update | None:
        """What is new, waiting for it; None once it is over."""
        while True:
            if self.ended is not None:
                return None
            mosaic = self.watch.mosaic
            update = mosaic.newer_than(self._seen, self._generation)
            self._seen, self._generation = mosaic.version, mosaic.generation
            self.watch.took()
            if update is not None:
                self.sent += 1
                return update
            self._wake.clear()
            await self._wake.wait()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def end(self, reason: str) -> None:
        """There is no more to see."""
        if self.ended is None:
            self.ended = reason
        self._wake.set()
