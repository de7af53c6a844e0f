"""Remote shells at the socket door: operators open them, type, and are sent what they print (upstream's events).

A socket that has not acknowledged so many pieces of a shell's output gets no further one, and the shell on the device
waits; nothing is dropped, and no other shell or socket waits with it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable
from borealis_engine.gateway.frames import encode_event
from borealis_engine.gateway.operator_socket import OperatorSocket
from borealis_engine.gateway.ports import Shells
from borealis_engine.gateway.socket_server import SocketServer
from borealis_engine.operators.permissions import Permission
from borealis_engine.shells import Ended, Seat, Session, ShellAsked
from borealis_wire.events import OperatorEvent
from borealis_wire.shell import MAX_COLUMNS, MAX_ROWS, NEW

WINDOW: Final = 8
"""Pieces of output on the way to one socket, for each shell."""
ACK_SECONDS: Final = 30.0
MAX_SHELLS: Final = 16
"""That one socket has open."""
MAX_TYPED: Final = 32 * 1024
PAUSE_SECONDS: Final = 0.02
RIGHTS_SECONDS: Final = 20.0
_UUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

_Columns = Annotated[int, Meta(ge=1, le=MAX_COLUMNS)]
_Rows = Annotated[int, Meta(ge=1, le=MAX_ROWS)]
_Session = Annotated[str, Meta(max_length=64)]


class OpenAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``vpn_shell_open``. ``agent_id``: upstream's, or the device's GUID. ``user``: the account; empty: the agent's.

    ``session_id``: a UUID of the operator's choice; with ``seen`` one that was open before is taken up again, and its
    output sent from that byte on.
    """

    agent_id: Annotated[str, Meta(max_length=512)] = ""
    session_id: Annotated[str, Meta(max_length=64)] = ""
    cols: _Columns = 80
    rows: _Rows = 24
    user: Annotated[str, Meta(max_length=256)] = ""
    seen: Annotated[int, Meta(ge=NEW, le=2**53)] = NEW


class Typed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``vpn_shell_send``. Without ``session_id``: the only shell of this socket."""

    data: Annotated[str, Meta(max_length=MAX_TYPED)] = ""
    session_id: _Session = ""


class Resized(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``vpn_shell_resize``."""

    cols: _Columns
    rows: _Rows
    session_id: _Session = ""


class CloseAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``vpn_shell_close``. ``leave``: the shell is to wait for a while, instead of being ended."""

    session_id: _Session = ""
    leave: bool = False


_OPEN: Final = msgspec.json.Decoder(OpenAsked)
_TYPED: Final = msgspec.json.Decoder(Typed)
_RESIZED: Final = msgspec.json.Decoder(Resized)
_CLOSE: Final = msgspec.json.Decoder(CloseAsked | None)


class OperatorShells:
    """Handlers of operators' events about shells, and the sending to each of them."""

    def __init__(self, *, shells: Shells, server: SocketServer, clock: Clock) -> None:
        self._shells = shells
        self._server = server
        self._clock = clock
        self.tasks: Supervisor | None = None
        self.handlers: dict[str, Callable[[OperatorSocket, msgspec.Raw], Awaitable[dict[str, Any]]]] = {
            OperatorEvent.VPN_SHELL_OPEN: self._open,
            OperatorEvent.VPN_SHELL_SEND: self._send,
            OperatorEvent.VPN_SHELL_RESIZE: self._resize,
            OperatorEvent.VPN_SHELL_CLOSE: self._close,
        }

    async def _open(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        asked = _OPEN.decode(payload)
        if not asked.agent_id:
            raise Invalid("agent_id_required", "Say which device: its agent id or its GUID.")
        if asked.session_id and not _is_uuid(asked.session_id):
            raise Invalid("invalid_request", "session_id is a UUID.")
        if asked.seen != NEW and not asked.session_id:
            raise Invalid("invalid_request", "Say which shell is to be taken up again.")
        if len(socket.shells) >= MAX_SHELLS and asked.session_id not in socket.shells:
            raise TooLarge("too_many_shells", f"A socket has at most {MAX_SHELLS} shells; close some first.")
        if self.tasks is None:
            raise Unavailable("vpn_service_unavailable", "The Engine is starting or ending. Try again shortly.")
        principal = socket.identity.principal
        wanted = ShellAsked(asked.session_id, asked.cols, asked.rows, asked.user, asked.seen)
        seat = await self._shells.open(
            principal, asked.agent_id, wanted, host=socket.host, address=socket.identity.peer
        )
        session = seat.session
        is_other = socket.expelled or socket.identity.principal != principal
        if is_other or socket.connection.closed or self.tasks is None:
            self._shells.leave(seat, for_good=is_other or asked.seen == NEW)
            raise Conflict("rights_changed", "Rights changed meanwhile. Ask again.")
        socket.shells[session.session_id] = seat
        self.tasks.start("show a shell", self._show(socket, seat))
        return {
            "status": "ok",
            "session_id": session.session_id,
            "agent_id": session.agent_id,
            "guid": session.guid,
            "user": session.user,
            "shell": session.shell,
            "recorded": session.recorder is not None,
        }

    async def _send(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        typed = _TYPED.decode(payload)
        if not typed.data:
            raise Invalid("payload_required", "There is nothing to type.")
        session = await self._at(socket, typed.session_id)
        await session.type(typed.data)
        return {"status": "ok"}

    async def _resize(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        resized = _RESIZED.decode(payload)
        session = await self._at(socket, resized.session_id)
        await session.resize(resized.cols, resized.rows)
        return {"status": "ok"}

    async def _close(self, socket: OperatorSocket, payload: msgspec.Raw) -> dict[str, Any]:
        asked = _CLOSE.decode(payload) or CloseAsked()
        seat = self._of(socket, asked.session_id)
        if seat is not None:
            socket.shells.pop(seat.session.session_id, None)
            self._shells.leave(seat, for_good=not asked.leave)
        return {"status": "ok"}

    def leave(self, socket: OperatorSocket) -> None:
        """A socket is gone. Its shells wait for their operator for a while, unless they may not have them any more."""
        for seat in list(socket.shells.values()):
            if socket.expelled:
                self._shells.expel(seat)
            else:
                self._shells.leave(seat)
        socket.shells.clear()

    def other_rights(self, socket: OperatorSocket) -> None:
        """The operator has other rights than when the shells were opened: they end."""
        for seat in list(socket.shells.values()):
            self._shells.expel(seat)

    async def _at(self, socket: OperatorSocket, session_id: str) -> Session:
        """The shell that an event is about, once it is certain that the operator still may have it."""
        until = self._clock.monotonic() + RIGHTS_SECONDS
        while socket.suspended and not socket.connection.closed and self._clock.monotonic() < until:
            await self._clock.sleep(PAUSE_SECONDS)
        seat = self._of(socket, session_id)
        if seat is None or not seat.current:
            raise NotFound("shell_not_found", "This socket has no such shell, or it has ended.")
        if socket.suspended or Permission.SHELL not in socket.permissions:
            raise Forbidden("forbidden", "You may not use shells now.")
        return seat.session

    @staticmethod
    def _of(socket: OperatorSocket, session_id: str) -> Seat | None:
        if session_id:
            return socket.shells.get(session_id)
        return next(iter(socket.shells.values())) if len(socket.shells) == 1 else None

    async def _show(self, socket: OperatorSocket, seat: Seat) -> None:
        session = seat.session
        on_the_way: list[asyncio.Future[Any]] = []
        try:
            async with contextlib.aclosing(session.outputs(seat.turn)) as outputs:
                async for output in outputs:
                    while socket.suspended and not socket.connection.closed:
                        await self._clock.sleep(PAUSE_SECONDS)
                    if socket.connection.closed or socket.shells.get(session.session_id) is not seat:
                        break
                    number, heard = socket.expect_ack()
                    told = {**_names(session), "data": output.text, "seq": output.seq}
                    await self._server.send(socket.address, encode_event(OperatorEvent.VPN_SHELL_OUTPUT, told, number))
                    on_the_way.append(heard)
                    while len(on_the_way) >= WINDOW or (on_the_way and on_the_way[0].done()):
                        async with asyncio.timeout(ACK_SECONDS):
                            await on_the_way.pop(0)
        except TimeoutError:
            pass  # it does not read; it may come back for the shell
        finally:
            socket.forget_acks(on_the_way)
            is_mine = socket.shells.get(session.session_id) is seat
            if is_mine:
                del socket.shells[session.session_id]
            how = session.ended if seat.current else Ended("This shell was taken up elsewhere.")
            self._shells.leave(seat)
        if is_mine and not socket.connection.closed:
            how = how or Ended("This browser did not take the output.", lost=True)
            told = {**_names(session), "reason": how.reason, "status": how.status, "lost": how.lost}
            await self._server.send(socket.address, encode_event(OperatorEvent.VPN_SHELL_CLOSED, told))


def _names(session: Session) -> dict[str, Any]:
    return {"agent_id": session.agent_id, "guid": session.guid, "session_id": session.session_id}


def _is_uuid(text: str) -> bool:
    parts = text.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and all(
        char in "0123456789abcdefABCDEF" for part in parts for char in part
    )
