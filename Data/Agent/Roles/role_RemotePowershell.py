"""Remote shell: PowerShell, or the log-in shell, in a real terminal, for whom the Engine lets in through the tunnel."""

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from borealis_agent.capabilities.entry import Visitor
from borealis_agent.role_api import RoleContext
from borealis_agent.role_api.entry_role import EntryRole
from borealis_base.clock import Clock
from borealis_wire.shell import SHELL_ENTRY, SHELL_PORT, ShellOrder

if TYPE_CHECKING:
    from borealis_agent.capabilities.shell.sessions import Shells

ROLE_NAME = "RemotePowershell"
ROLE_CONTEXTS = ["system"]


class Role(EntryRole[ShellOrder]):
    """Listens on the tunnel's address while there is a tunnel; what happens there is in ``capabilities.shell``."""

    WHAT = "shells"
    PORT = SHELL_PORT
    PORT_SETTING = "BOREALIS_WIREGUARD_SHELL_PORT"

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx, SHELL_ENTRY)
        self._shells: Shells | None = None

    def opening(self, clock: Clock) -> None:
        """Terminals are loaded now, not before."""
        from borealis_agent.capabilities.shell.sessions import Shells

        self._shells = Shells(start_task=self.ctx.start_task, clock=clock, say=self.ctx.log)
        self.ctx.start_task("watch over shells", self._shells.watch())

    async def serve(self, order: ShellOrder, visitor: Visitor) -> None:
        """One connection to a shell."""
        from borealis_agent.capabilities.shell.visit import visit

        assert self._shells is not None
        await visit(self._shells, order, visitor, say=self.ctx.log)

    def closing(self, reason: str) -> Coroutine[Any, Any, object] | None:
        """No shell outlives its tunnel, nor its agent."""
        return None if self._shells is None else self._shells.end_all(reason)

    def health_report(self) -> Mapping[str, Any]:
        """Where it listens, and how many shells there are."""
        shells = {"shells": 0, "opened": 0} if self._shells is None else self._shells.report()
        return {"state": "running", "listening": self.listening, **shells}
