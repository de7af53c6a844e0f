"""Orders to open a shell, which come with the connection that they are about: verified, and followed once."""

from collections.abc import Callable
from typing import Any

from borealis_agent.outbox import Spool
from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused
from borealis_wire.shell import ShellOrder


class ShellOrders:
    """Between the shell's port and the role. ``verify`` gives an order that holds, or raises ``Refused``."""

    def __init__(self, *, verify: Callable[[Any], ShellOrder], spool: Spool) -> None:
        self._verify = verify
        self._spool = spool

    async def take(self, envelope: Any) -> ShellOrder:
        """The order in an envelope. It is in the journal before it is given, so that no other connection gets it.

        Raises:
            Refused: it does not hold, came before, or the journal cannot be written (``busy``).
        """
        order = self._verify(envelope)
        try:
            await self._spool.claim(order)
        except OSError as error:
            raise Refused(RefusalCode.BUSY, f"the journal cannot be written ({error})") from error
        return order
