"""Which way an order goes: to the agent of a device, or, where there is none, to the controller."""

from typing import Any

from borealis_engine.controller.service import Controller
from borealis_engine.dispatch.ports import DeviceLink
from borealis_wire.events import RunContext


class Links:
    """A ``dispatch.ports.DeviceLink`` of two."""

    def __init__(self, sockets: DeviceLink, controller: Controller) -> None:
        self._sockets = sockets
        self._controller = controller

    def has_session(self, guid: str, context: RunContext, user: str = "") -> bool:
        """See ``DeviceLink``."""
        return self._way(guid).has_session(guid, context, user)

    def user_for(self, guid: str) -> str | None:
        """See ``DeviceLink``."""
        return self._way(guid).user_for(guid)

    async def send_job(
        self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = ""
    ) -> dict[str, Any] | None:
        """See ``DeviceLink``."""
        return await self._way(guid).send_job(guid, context, payload, user=user)

    async def send_cancel(self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = "") -> None:
        """See ``DeviceLink``."""
        await self._way(guid).send_cancel(guid, context, payload, user=user)

    def _way(self, guid: str) -> DeviceLink:
        return self._controller if self._controller.plays_for(guid) else self._sockets
