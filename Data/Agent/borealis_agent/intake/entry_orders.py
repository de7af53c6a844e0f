"""Orders that come with the connection that they are about: verified, and followed once."""

from typing import Any, Protocol

from borealis_agent.outbox import Spool
from borealis_wire.entry import EntryKind, Order
from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused


class Verifies(Protocol):
    """Gives an order that holds, or raises ``Refused``."""

    def __call__(self, envelope: Any, kind: EntryKind[Order]) -> Order:
        """The order in the envelope."""


class EntryOrders:
    """Between a device's entries and the roles."""

    def __init__(self, *, verify: Verifies, spool: Spool) -> None:
        self._verify = verify
        self._spool = spool

    async def take(self, kind: EntryKind[Order], envelope: Any) -> Order:
        """The order in an envelope. It is in the journal before it is given, so that no other connection gets it.

        Raises:
            Refused: it does not hold, came before, or the journal cannot be written (``busy``).
        """
        order = self._verify(envelope, kind)
        try:
            await self._spool.claim(order)
        except OSError as error:
            raise Refused(RefusalCode.BUSY, f"the journal cannot be written ({error})") from error
        return order
