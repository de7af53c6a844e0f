"""A live view: looks at the screen at a rate, and sends what changed, as fast as the Engine takes it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from borealis_agent.capabilities.screen.child import CannotLook
from borealis_agent.capabilities.screen.pace import Pace
from borealis_base.clock import Clock
from borealis_wire.screen import ScreenOrder

ACK_SECONDS: Final = 15.0
LOST: Final = "The line to the Engine was lost."
OVER: Final = "The time limit was reached."

Frame = tuple[dict[str, Any], bytes]
Send = Callable[[Frame | dict[str, Any]], Awaitable[Any]]
"""Sends a frame, with its bytes where there are some, and gives the acknowledgement. Raises ``TimeoutError``."""


class Eye(Protocol):
    """Takes pictures; ``child.EyeProcess`` fulfils it."""

    async def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """One question and its answer. Raises ``CannotLook``."""


async def watch(order: ScreenOrder, *, eye: Eye, send: Send, clock: Clock) -> str:
    """Look until the order's time is over, the Engine has had enough, or it cannot go on; gives the reason.

    The next picture is taken only once the Engine has taken this one: nothing piles up on the way.
    """
    pace, fresh, number = Pace(order.rate), True, 0
    until = clock.monotonic() + order.seconds
    while (began := clock.monotonic()) < until:
        try:
            about, data = await eye.ask(request_for(order, "frame", fresh=fresh))
        except CannotLook as error:
            return str(error)
        fresh = False
        now = clock.monotonic()
        took, changed = now - began, bool(about["tiles"])
        if pace.should_tell(changed=changed, now=now):
            head = {"order_id": order.order_id, "seq": number, "monitor": order.monitor, "format": order.format.value}
            number += 1
            try:
                answer = await send(({**head, **about}, data) if data else {**head, **about})
            except TimeoutError:
                return LOST
            if not isinstance(answer, dict) or answer.get("status") != "ok":
                return ""  # the Engine knows best why: nobody watches any more
        rest = pace.looked(changed=changed, now=now, took=took) - (clock.monotonic() - now)
        await (clock.sleep(rest) if rest > 0 else asyncio.sleep(0))
    return OVER


def request_for(order: ScreenOrder, what: str, **more: Any) -> dict[str, Any]:
    """What to ask the child for."""
    return {
        "op": what,
        "monitor": order.monitor,
        "region": None if order.region is None else order.region.to_json(),
        "format": order.format.value,
        "quality": order.quality,
        **more,
    }
