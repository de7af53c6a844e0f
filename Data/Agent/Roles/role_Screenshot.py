"""Pictures of the signed-in user's screen, one or live, for operators who may look. Each look is a sealed order."""

import asyncio
import getpass
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from borealis_agent.role_api import BaseRole, RoleContext
from borealis_base.clock import SystemClock
from borealis_wire import strict_json
from borealis_wire.events import DeviceEvent, EngineEvent
from borealis_wire.screen import ScreenAction, ScreenOrder, parse_screen

if TYPE_CHECKING:
    from borealis_agent.capabilities.screen.child import EyeProcess

ROLE_NAME = "screenshot"
ROLE_CONTEXTS = ["interactive"]

MAX_WATCHES = 4
MAX_AT_ONCE = 8


class Role(BaseRole):
    """Hears verified orders only; the looking is done in a process of its own (``capabilities.screen``)."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        self._eyes: dict[str, EyeProcess] = {}
        self._watches: dict[str, asyncio.Task[Any]] = {}
        self._under_way = 0
        self._pictures = 0

    def register_events(self) -> None:
        """Nothing is loaded before somebody looks."""
        self.ctx.sio.on(EngineEvent.SCREEN_ORDER, self._ordered)

    def on_config(self, roles: list[dict[str, Any]]) -> None:
        """Upstream's way to ask for a region again and again: only beside an order that was verified."""
        for item in roles:
            if item.get("role") != ROLE_NAME:
                continue
            if isinstance(item.get("order"), dict):
                self._ordered(item["order"])
            else:
                self.ctx.log(
                    f"refused the pictures that node {item.get('node_id')} wants: no sealed order came with it"
                )

    async def stop_all(self) -> None:
        """Nobody looks any more."""
        for task in self._watches.values():
            task.cancel()
        self._watches.clear()
        for eye in self._eyes.values():
            await eye.close()
        self._eyes.clear()

    def health_report(self) -> Mapping[str, Any]:
        """How often somebody looked, and how many look now."""
        return {"state": "running", "pictures": self._pictures, "live_views": len(self._watches)}

    def _ordered(self, payload: dict[str, Any]) -> dict[str, str]:
        order = parse_screen(strict_json.canonical(payload))
        if order.action is ScreenAction.STOP:
            task = self._watches.pop(order.watch_id, None)
            if task is not None:
                task.cancel()
                self.ctx.log(f"{order.asked_by or 'the Engine'} ended the live view")
            return {"status": "accepted"}
        if order.action is ScreenAction.WATCH:
            replaced = self._watches.pop(order.watch_id, None)
            if replaced is not None:
                replaced.cancel()
            if len(self._watches) >= MAX_WATCHES:
                return {"status": "refused", "reason": "busy"}
            self.ctx.log(f"{order.asked_by} watches monitor {order.monitor} live")
            self._watches[order.order_id] = self.ctx.start_task("live view", self._watch(order))
            return {"status": "accepted"}
        if self._under_way >= MAX_AT_ONCE:
            return {"status": "refused", "reason": "busy"}
        self._under_way += 1
        what = "takes a picture of" if order.action is ScreenAction.PICTURE else "lists monitors and windows of"
        self.ctx.log(f"{order.asked_by} {what} this screen")
        self.ctx.start_task("look", self._look(order))
        return {"status": "accepted"}

    async def _look(self, order: ScreenOrder) -> None:
        from borealis_agent.capabilities.screen.child import CannotLook
        from borealis_agent.capabilities.screen.live import request_for

        eye = self._eye("once")
        try:
            if order.action is ScreenAction.PICTURE:
                about, data = await eye.ask(request_for(order, "picture"))
                self._pictures += 1
                told = {
                    "agent_id": self.ctx.agent_id,
                    "node_id": order.node_id or order.order_id,
                    "order_id": order.order_id,
                    "timestamp": int(time.time()),
                    "format": order.format.value,
                    **{short: about[name] for short, name in (("x", "x"), ("y", "y"), ("w", "width"), ("h", "height"))},
                }
                await self.ctx.sio.call(DeviceEvent.AGENT_SCREENSHOT_TASK, (told, data), timeout=60.0)
            else:
                about, _ = await eye.ask({"op": "list"})
                told = {"agent_id": self.ctx.agent_id, "order_id": order.order_id, "user": getpass.getuser(), **about}
                await self.ctx.sio.call(DeviceEvent.AGENT_WINDOW_LIST, told)
        except CannotLook as error:
            self.ctx.log(str(error))
            await self._ended(order, str(error))
        except TimeoutError:
            self.ctx.log("the picture was taken, and the line to the Engine was lost")
        finally:
            self._under_way -= 1

    async def _watch(self, order: ScreenOrder) -> None:
        from borealis_agent.capabilities.screen.live import ACK_SECONDS, Frame, watch

        async def send(frame: Frame | dict[str, Any]) -> Any:
            return await self.ctx.sio.call(DeviceEvent.SCREEN_FRAME, frame, timeout=ACK_SECONDS)

        try:
            reason = await watch(order, eye=self._eye(order.order_id), send=send, clock=SystemClock())
            self.ctx.log(f"the live view for {order.asked_by} ended. {reason}")
            if reason:
                await self._ended(order, reason)
        finally:
            self._watches.pop(order.order_id, None)
            eye = self._eyes.pop(order.order_id, None)
            if eye is not None:
                await eye.close()

    async def _ended(self, order: ScreenOrder, reason: str) -> None:
        told = {"agent_id": self.ctx.agent_id, "order_id": order.order_id, "reason": reason[:500]}
        await self.ctx.sio.emit(DeviceEvent.SCREEN_ENDED, told)

    def _eye(self, name: str) -> "EyeProcess":
        """Each live view has an own one: it compares with its own last picture."""
        if name not in self._eyes:
            from borealis_agent.capabilities.screen.child import EyeProcess

            self._eyes[name] = EyeProcess(self.ctx.start_task)
        return self._eyes[name]
