"""Orders to look at the screen: verified, followed once, and only then handed to the role that looks."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from borealis_agent.intake.ports import Router
from borealis_agent.outbox import Spool
from borealis_wire.events import EngineEvent, RefusalCode
from borealis_wire.refusal import Refused
from borealis_wire.screen import ScreenAction, ScreenOrder

SCREEN_EVENTS: Final = frozenset({EngineEvent.SCREEN_ORDER, EngineEvent.LIST_AGENT_WINDOWS})
ROLE: Final = "screenshot"
"""What ``agent_config`` calls the role."""

log = logging.getLogger(__name__)


class Looks:
    """Between the socket and the role. ``verify`` gives an order that holds, or raises ``Refused``."""

    def __init__(
        self,
        *,
        verify: Callable[[Any], ScreenOrder],
        spool: Spool,
        router: Router,
        claim: Callable[[Any], Awaitable[None]] | None,
    ) -> None:
        self._verify = verify
        self._spool = spool
        self._router = router
        self._claim = claim

    async def arrived(self, event: str, payload: Any) -> dict[str, Any]:
        """An order by the socket; gives its acknowledgement. Never raises."""
        try:
            order = await self._take(payload)
            if event == EngineEvent.LIST_AGENT_WINDOWS and order.action is not ScreenAction.LIST:
                raise Refused(RefusalCode.UNSUPPORTED_TYPE, "the order is for something else than its event")
            if not self._router.hears(EngineEvent.SCREEN_ORDER):
                raise Refused(RefusalCode.UNSUPPORTED_TYPE, "no role here looks at the screen")
        except Refused as refusal:
            log.warning("signature: a look at the screen was refused: %s. %s", refusal, refusal.diagnostics())
            return {"status": "refused", "reason": refusal.code.value}
        except OSError as error:
            log.error("a look at the screen was put off: the journal cannot be written (%s)", error)
            return {"status": "refused", "reason": RefusalCode.BUSY.value}
        except Exception:
            log.exception("an order to look at the screen could not be taken")
            return {"status": "refused", "reason": RefusalCode.MALFORMED.value}
        answer = await self._router.tell(EngineEvent.SCREEN_ORDER, order.to_json())
        return answer if isinstance(answer, dict) else {"status": "failed", "detail": "The role did not answer."}

    async def configured(self, roles: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """``agent_config`` with the verified order beside each screenshot entry that carries one that holds.

        The list itself is not sealed: an entry without an order asks for pictures in nobody's name, and gets none.
        """
        return [await self._with_order(item) if item.get("role") == ROLE else item for item in roles]

    async def _with_order(self, item: dict[str, Any]) -> dict[str, Any]:
        plain = {name: value for name, value in item.items() if name != "order"}
        try:
            order = await self._take(item.get("envelope"))
        except Refused as refusal:
            log.warning("signature: a screenshot entry of agent_config was refused: %s", refusal)
            return plain
        except OSError as error:
            log.error("a screenshot entry of agent_config was put off: the journal cannot be written (%s)", error)
            return plain
        return {**plain, "order": order.to_json()}

    async def _take(self, payload: Any) -> ScreenOrder:
        order = self._verify(payload)
        self._spool.check(order)
        if self._claim is not None:
            await self._claim(payload.get("envelope", payload))
        await self._spool.claim(order)
        return order
