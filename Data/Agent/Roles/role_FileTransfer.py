"""Files to and from this device, for whom the Engine lets in through the tunnel."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from borealis_agent.capabilities.entry import Visitor
from borealis_agent.role_api import RoleContext
from borealis_agent.role_api.entry_role import EntryRole
from borealis_base.clock import Clock
from borealis_wire.files import FILES_ENTRY, FILES_PORT, FilesOrder

if TYPE_CHECKING:
    from borealis_agent.capabilities.files.carrier import Carrier

ROLE_NAME = "FileTransfer"
ROLE_CONTEXTS = ["system"]


class Role(EntryRole[FilesOrder]):
    """Listens on the tunnel's address while there is a tunnel; what happens there is in ``capabilities.files``."""

    WHAT = "files"
    PORT = FILES_PORT
    PORT_SETTING = "BOREALIS_FILES_PORT"
    SEND_BUFFER: ClassVar[int | None] = None
    """As many bytes on the way as the network takes."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx, FILES_ENTRY)
        self._carrier: Carrier | None = None

    def opening(self, clock: Clock) -> None:
        """What carries orders out is loaded now, not before."""
        from borealis_agent.capabilities.files.carrier import Carrier

        self._carrier = Carrier(folder=self.ctx.state_folder / "partials", clock=clock, say=self.ctx.log)
        self.ctx.start_task("remove files that never arrived whole", self._carrier.sweep())

    async def serve(self, order: FilesOrder, visitor: Visitor) -> None:
        """One order."""
        assert self._carrier is not None
        await self._carrier.carry(order, visitor)

    def health_report(self) -> Mapping[str, Any]:
        """Where it listens, and how many orders there are."""
        carrier = self._carrier
        counts = {"under_way": 0, "carried": 0} if carrier is None else _counts(carrier)
        return {"state": "running", "listening": self.listening, **counts}


def _counts(carrier: "Carrier") -> dict[str, int]:
    return {"under_way": carrier.under_way, "carried": carrier.carried}
