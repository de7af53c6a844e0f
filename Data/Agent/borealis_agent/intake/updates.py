"""Orders to replace the agent: verified, followed once, and only then handed on."""

import logging
from collections.abc import Callable
from typing import Any

from borealis_agent.intake.ports import Updater
from borealis_agent.outbox import Spool
from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused
from borealis_wire.updates import UpdateOrder

log = logging.getLogger(__name__)


class Updates:
    """Between the socket and whoever updates. ``verify`` gives an order that holds, or raises ``Refused``."""

    def __init__(
        self, *, verify: Callable[[Any], UpdateOrder], spool: Spool, updater: Callable[[], Updater | None]
    ) -> None:
        self._verify = verify
        self._spool = spool
        self._updater = updater

    async def arrived(self, payload: Any) -> dict[str, Any]:
        """``agent_silent_update``; gives its acknowledgement. Never raises."""
        try:
            await self._take(payload)
        except Refused as refusal:
            log.warning("signature: an update was refused: %s. %s", refusal, refusal.diagnostics())
            return {"status": "refused", "reason": refusal.code.value}
        except OSError as error:
            log.error("an update was put off: it cannot be noted (%s). Free some disk space", error)
            return {"status": "refused", "reason": RefusalCode.BUSY.value}
        except Exception:
            log.exception("an order to update could not be taken")
            return {"status": "refused", "reason": RefusalCode.MALFORMED.value}
        return {"status": "accepted"}

    async def _take(self, payload: Any) -> None:
        order = self._verify(payload)
        updater = self._updater()
        if updater is None:
            raise Refused(RefusalCode.UNSUPPORTED_TYPE, "this agent does not replace itself")
        self._spool.check(order)
        updater.check(order)
        await self._spool.claim(order)
        updater.follow(order)
