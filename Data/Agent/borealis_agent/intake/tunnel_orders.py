"""Orders about the tunnel: verified, followed once, and only then handed to the role that brings it up."""

import logging
from collections.abc import Callable
from typing import Any, Final

from borealis_agent.intake.ports import Router
from borealis_agent.outbox import Spool
from borealis_wire.events import EngineEvent, RefusalCode
from borealis_wire.refusal import Refused
from borealis_wire.tunnel import TunnelStart, TunnelStop

TUNNEL_EVENTS: Final = frozenset({EngineEvent.VPN_TUNNEL_START, EngineEvent.VPN_TUNNEL_STOP})
Order = TunnelStart | TunnelStop

log = logging.getLogger(__name__)


class TunnelOrders:
    """Between the socket and the role. ``verify`` gives an order that holds, or raises ``Refused``."""

    def __init__(self, *, verify: Callable[[Any], Order], spool: Spool, router: Router) -> None:
        self._verify = verify
        self._spool = spool
        self._router = router

    async def arrived(self, event: str, payload: Any) -> dict[str, Any]:
        """An order by the socket; gives its acknowledgement. Never raises."""
        try:
            order = self._verify(payload)
            if (event == EngineEvent.VPN_TUNNEL_START) is not isinstance(order, TunnelStart):
                raise Refused(RefusalCode.UNSUPPORTED_TYPE, "the order is for something else than its event")
            self._spool.check(order)
            if not self._router.hears(event):
                raise Refused(RefusalCode.UNSUPPORTED_TYPE, "no role here brings up tunnels")
            await self._spool.claim(order)
        except Refused as refusal:
            log.warning("signature: a tunnel order was refused: %s. %s", refusal, refusal.diagnostics())
            return {"status": "refused", "reason": refusal.code.value}
        except OSError as error:
            log.error("a tunnel order was put off: the journal cannot be written (%s)", error)
            return {"status": "refused", "reason": RefusalCode.BUSY.value}
        except Exception:
            log.exception("a tunnel order could not be taken")
            return {"status": "refused", "reason": RefusalCode.MALFORMED.value}
        answer = await self._router.tell(event, order.to_json())
        return answer if isinstance(answer, dict) else {"status": "failed", "detail": "The role did not answer."}
