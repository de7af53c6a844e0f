"""Screens at the socket door: what devices bring of them, and what operators who watch are sent.

Frames are binary Socket.IO messages to the sockets that watch, and to no other; a socket that has not acknowledged
two of them gets no third.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import Conflict, Invalid, TooLarge, Unavailable
from borealis_engine.gateway.frames import encode_attached, encode_event
from borealis_engine.gateway.operator_socket import OperatorSocket
from borealis_engine.gateway.ports import Screens
from borealis_engine.gateway.sessions import DeviceSession
from borealis_engine.gateway.socket_server import SocketServer
from borealis_engine.screens import FrameHead, Key, Update, Viewer, WatchAsked, WindowList
from borealis_wire.accounts import MAX_ACCOUNT_NAME
from borealis_wire.events import DeviceEvent, OperatorEvent
from borealis_wire.screen import MAX_MONITOR, MAX_PICTURE_BYTES, MAX_RATE

WINDOW: Final = 2
"""Frames on the way to one socket."""
ACK_SECONDS: Final = 30.0
MAX_SCREENS: Final = 4
"""Monitors that one socket watches."""


class Taken(msgspec.Struct, frozen=True):
    """``agent_screenshot_task``: upstream's members, and ours. ``node_id`` is the order's id where nobody gave one."""

    node_id: Annotated[str, Meta(max_length=256)] = ""
    order_id: Annotated[str, Meta(max_length=256)] = ""
    image_base64: Annotated[str, Meta(max_length=4 * MAX_PICTURE_BYTES // 3 + 4)] = ""


class Over(msgspec.Struct, frozen=True):
    """``screen_ended``."""

    order_id: Annotated[str, Meta(min_length=1, max_length=256)]
    reason: Annotated[str, Meta(max_length=1024)] = ""


class WatchScreen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``watch_screen``. ``seconds``: the view ends by itself after that. ``user``: whose screen; empty for any."""

    guid: Annotated[str, Meta(min_length=1, max_length=64)]
    monitor: Annotated[int, Meta(ge=0, le=MAX_MONITOR)] = 1
    rate: Annotated[float, Meta(ge=0.5, le=MAX_RATE)] = 10.0
    quality: Annotated[int, Meta(ge=10, le=95)] = 60
    seconds: Annotated[int, Meta(ge=10, le=4 * 3600)] = 1800
    user: Annotated[str, Meta(max_length=MAX_ACCOUNT_NAME)] = ""


class UnwatchScreen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``unwatch_screen``."""

    guid: Annotated[str, Meta(min_length=1, max_length=64)]
    monitor: Annotated[int, Meta(ge=0, le=MAX_MONITOR)] = 1
    user: Annotated[str, Meta(max_length=MAX_ACCOUNT_NAME)] = ""


_TAKEN: Final = msgspec.json.Decoder(Taken)
_WINDOWS: Final = msgspec.json.Decoder(WindowList)
_FRAME: Final = msgspec.json.Decoder(FrameHead)
_OVER: Final = msgspec.json.Decoder(Over)
_WATCH: Final = msgspec.json.Decoder(WatchScreen)
_UNWATCH: Final = msgspec.json.Decoder(UnwatchScreen)


class DeviceScreens:
    """Handlers of what devices bring; ``attached`` are those whose events carry bytes beside their JSON."""

    def __init__(self, screens: Screens) -> None:
        self._screens = screens
        self.handlers: dict[str, Callable[[DeviceSession, msgspec.Raw], Awaitable[Any]]] = {
            DeviceEvent.AGENT_SCREENSHOT_TASK: self._picture,
            DeviceEvent.AGENT_WINDOW_LIST: self._windows,
            DeviceEvent.SCREEN_FRAME: self._frame,
            DeviceEvent.SCREEN_ENDED: self._ended,
        }
        self.attached: dict[str, Callable[[DeviceSession, msgspec.Raw, bytes], Awaitable[Any]]] = {
            DeviceEvent.AGENT_SCREENSHOT_TASK: self._attached_picture,
            DeviceEvent.SCREEN_FRAME: self._attached_frame,
        }

    async def _picture(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, str]:
        taken = _TAKEN.decode(payload)
        try:
            data = base64.b64decode(taken.image_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Invalid("invalid_request", "image_base64 is not base64.") from error
        identity, order_id = session.identity, taken.order_id or taken.node_id
        return self._screens.picture_arrived(identity.guid, order_id, data, user=identity.user)

    async def _attached_picture(self, session: DeviceSession, payload: msgspec.Raw, data: bytes) -> dict[str, str]:
        taken = _TAKEN.decode(payload)
        identity, order_id = session.identity, taken.order_id or taken.node_id
        return self._screens.picture_arrived(identity.guid, order_id, data, user=identity.user)

    async def _windows(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, str]:
        identity = session.identity
        return self._screens.windows_arrived(identity.guid, _WINDOWS.decode(payload), user=identity.user)

    async def _frame(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, str]:
        return await self._attached_frame(session, payload, b"")

    async def _attached_frame(self, session: DeviceSession, payload: msgspec.Raw, data: bytes) -> dict[str, str]:
        identity = session.identity
        return await self._screens.frame_arrived(identity.guid, _FRAME.decode(payload), data, user=identity.user)

    async def _ended(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, str]:
        over = _OVER.decode(payload)
        self._screens.ended(session.identity.guid, over.order_id, over.reason, user=session.identity.user)
        return {"status": "ok"}


class OperatorScreens:
    """Handlers of operators who watch, and the sending to each of them."""

    def __init__(self, *, screens: Screens, server: SocketServer, clock: Clock) -> None:
        self._screens = screens
        self._server = server
        self._clock = clock
        self.tasks: Supervisor | None = None
        self.handlers: dict[str, Callable[[OperatorSocket, msgspec.Raw], Awaitable[dict[str, Any]]]] = {
            OperatorEvent.WATCH_SCREEN: self._watch,
            OperatorEvent.UNWATCH_SCREEN: self._unwatch,
        }

    async def _watch(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        asked = _WATCH.decode(payload)
        guid = asked.guid.upper()
        key = (guid, asked.user, asked.monitor)
        if len(socket.screens) >= MAX_SCREENS and key not in socket.screens:
            raise TooLarge("too_many_watched", f"A socket watches at most {MAX_SCREENS} monitors; stop some first.")
        if self.tasks is None:
            raise Unavailable("starting", "The Engine is starting or ending. Try again shortly.")
        self._end(socket, key)
        principal = socket.identity.principal
        settings = WatchAsked(asked.monitor, asked.rate, asked.quality, asked.seconds, asked.user)
        viewer = await self._screens.watch(principal, guid, settings, address=socket.identity.peer)
        changed = socket.suspended or socket.identity.principal != principal
        if changed or socket.connection.closed or key in socket.screens:
            self._screens.leave(viewer)
            raise Conflict("rights_changed", "Rights changed meanwhile. Ask again.")
        socket.screens[key] = viewer
        self.tasks.start("show a screen", self._show(socket, viewer, key))
        granted = viewer.watch.asked
        return {
            "status": "ok",
            "rate": granted.rate,
            "quality": granted.quality,
            "seconds": granted.seconds,
            "user": viewer.watch.user,
        }

    async def _unwatch(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        asked = _UNWATCH.decode(payload)
        self._end(socket, (asked.guid.upper(), asked.user, asked.monitor))
        return {"status": "ok"}

    def leave(self, socket: OperatorSocket) -> None:
        """A socket is gone, or may see nothing any more."""
        for key in list(socket.screens):
            self._end(socket, key)

    def _end(self, socket: OperatorSocket, key: Key) -> None:
        viewer = socket.screens.pop(key, None)
        if viewer is not None:
            self._screens.leave(viewer)

    async def _show(self, socket: OperatorSocket, viewer: Viewer, key: Key) -> None:
        on_the_way: list[asyncio.Future[Any]] = []
        try:
            while (update := await viewer.next_update()) is not None:
                if socket.connection.closed or socket.suspended or socket.screens.get(key) is not viewer:
                    break
                number, heard = socket.expect_ack()
                text = encode_attached(OperatorEvent.SCREEN_FRAME, _head(update, key), number)
                await self._server.send_attached(socket.address, text, update.data)
                on_the_way.append(heard)
                while len(on_the_way) >= WINDOW:
                    async with asyncio.timeout(ACK_SECONDS):
                        await on_the_way.pop(0)
        except TimeoutError:
            viewer.end("This browser did not take the pictures.")
        finally:
            socket.forget_acks(on_the_way)
            if socket.screens.get(key) is viewer:
                del socket.screens[key]
            self._screens.leave(viewer)
        if viewer.ended and not socket.connection.closed:
            told = {"guid": key[0], "user": key[1], "monitor": key[2], "reason": viewer.ended}
            await self._server.send(socket.address, encode_event(OperatorEvent.SCREEN_ENDED, told))


def _head(update: Update, key: Key) -> dict[str, Any]:
    return {
        "guid": key[0],
        "user": key[1],
        "monitor": key[2],
        "width": update.width,
        "height": update.height,
        "format": update.format,
        "fresh": update.fresh,
        "tiles": update.tiles,
    }
