"""What operators' sockets may ask for: to hear a run's live output, and to hear it no longer."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from borealis_engine.core.errors import Conflict, TooLarge
from borealis_engine.gateway.operator_socket import MAX_WATCHED, OperatorSocket
from borealis_engine.gateway.ports import Runs
from borealis_engine.gateway.screen_door import OperatorScreens
from borealis_engine.gateway.shell_door import OperatorShells
from borealis_wire.events import OperatorEvent

Handler = Callable[[OperatorSocket, msgspec.Raw], Awaitable[dict[str, Any]]]


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Payload of ``watch_run`` and ``unwatch_run``."""

    run_id: Annotated[str, Meta(min_length=1, max_length=64)]


_WATCH = msgspec.json.Decoder(Watch)


class OperatorDoor:
    """Handlers of operators' events by name."""

    def __init__(self, *, runs: Runs, screens: OperatorScreens, shells: OperatorShells) -> None:
        self._runs = runs
        self.handlers: dict[str, Handler] = {
            OperatorEvent.WATCH_RUN: self._watch,
            OperatorEvent.UNWATCH_RUN: self._unwatch,
            **screens.handlers,
            **shells.handlers,
        }

    async def _watch(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        run_id = _WATCH.decode(payload).run_id
        if len(socket.watched) >= MAX_WATCHED and run_id not in socket.watched:
            raise TooLarge("too_many_watched", f"A socket watches at most {MAX_WATCHED} runs; unwatch some first.")
        principal = socket.identity.principal
        await self._runs.run(principal.sites, run_id=run_id)
        if socket.suspended or socket.identity.principal != principal:
            raise Conflict("rights_changed", "Rights changed meanwhile. Ask again.")
        if len(socket.watched) < MAX_WATCHED:
            socket.watched.add(run_id)
        return {"status": "ok"}

    async def _unwatch(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        socket.watched.discard(_WATCH.decode(payload).run_id)
        return {"status": "ok"}
