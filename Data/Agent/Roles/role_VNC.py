"""Desktops: the screen of who is signed in, or one of its own, for whom the Engine lets in through the tunnel."""

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from borealis_agent.capabilities.entry import Visitor
from borealis_agent.role_api import RoleContext
from borealis_agent.role_api.entry_role import EntryRole
from borealis_base.clock import Clock
from borealis_wire.desktop import DESKTOP_ENTRY, DESKTOP_PORT, DesktopOrder

if TYPE_CHECKING:
    from borealis_agent.capabilities.desktop.desktops import Desktops

ROLE_NAME = "VNC"
ROLE_CONTEXTS = ["system"]


class Role(EntryRole[DesktopOrder]):
    """Listens on the tunnel's address while there is a tunnel; what happens there is in ``capabilities.desktop``."""

    WHAT = "desktops"
    PORT = DESKTOP_PORT
    PORT_SETTING = "BOREALIS_DESKTOP_PORT"

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx, DESKTOP_ENTRY)
        self._desktops: Desktops | None = None

    def opening(self, clock: Clock) -> None:
        """What serves desktops is loaded now, not before."""
        from borealis_agent.capabilities.desktop.desktops import Desktops

        self._desktops = Desktops(start_task=self.ctx.start_task, clock=clock, say=self.ctx.log)
        self.ctx.start_task("watch over desktops", self._desktops.watch())

    async def serve(self, order: DesktopOrder, visitor: Visitor) -> None:
        """One connection to a desktop."""
        assert self._desktops is not None
        await self._desktops.visit(order, visitor)

    def closing(self, reason: str) -> Coroutine[Any, Any, object] | None:
        """No desktop outlives its tunnel, nor its agent."""
        return None if self._desktops is None else self._desktops.end_all(reason)

    def health_report(self) -> Mapping[str, Any]:
        """Where it listens, which desktops there are, and what could serve some."""
        from borealis_agent.capabilities.desktop.programs import programs_here

        open_now = {"screens": 0, "own": 0, "opened": 0} if self._desktops is None else self._desktops.report()
        return {"state": "running", "listening": self.listening, **open_now, "servers": programs_here()}
