"""One connection to a shell, from its order to its end."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from borealis_agent.capabilities.entry import Visitor
from borealis_agent.capabilities.shell.sessions import Shell, Shells
from borealis_base.tasks import Supervisor
from borealis_wire import shell_lines
from borealis_wire.lines import BadLine
from borealis_wire.shell import ShellOrder

PIECE: Final = 8 * 1024
"""Bytes of output in one line: small enough that a key's echo never waits long behind a flood."""


async def visit(shells: Shells, order: ShellOrder, visitor: Visitor, *, say: Callable[[str], None]) -> None:
    """Serve a visitor until the connection or the shell is over; the shell itself may live on.

    Raises:
        Refusing: it gets no shell.
        OSError: the connection broke.
    """
    shell = await shells.attach(order, visitor)
    try:
        await _Visit(shells, shell, visitor, say).carry(order)
    finally:
        visitor.socket.close()
        await shells.detach(shell, visitor)


class _Visit:
    """A visitor at a shell."""

    def __init__(self, shells: Shells, shell: Shell, visitor: Visitor, say: Callable[[str], None]) -> None:
        self._shells = shells
        self._shell = shell
        self._visitor = visitor
        self._say = say

    async def carry(self, order: ShellOrder) -> None:
        terminal = self._shell.terminal
        position = max(order.seen, terminal.ring.start, 0)
        position = min(position, terminal.ring.end)
        await terminal.took(position)
        await self._visitor.send(
            "opened", session_id=order.session_id, seq=position, user=terminal.user, shell=terminal.shell
        )
        async with Supervisor() as both:
            telling = both.start("tell a shell's output", self._tell(position))
            hearing = both.start("hear what is typed", self._hear())
            await asyncio.wait([telling, hearing], return_when=asyncio.FIRST_COMPLETED)

    async def _tell(self, position: int) -> None:
        terminal = self._shell.terminal
        with contextlib.suppress(OSError):
            while True:
                position, data = await terminal.next_output(position, PIECE)
                if not data:
                    break
                await self._visitor.send_all(shell_lines.data_line("stdout", data, seq=position))
                await terminal.took(position)
            await self._visitor.send("exit", status=terminal.status or 0, reason=terminal.reason)

    async def _hear(self) -> None:
        messages: Iterable[dict[str, Any]] = self._visitor.messages_of(b"")
        try:
            while True:
                for message in messages:
                    await self._told(message)
                messages = self._visitor.messages_of(await self._visitor.receive())
        except OSError:
            return
        except BadLine as error:
            self._say(f"the connection of {self._shell.asked_by} was closed: {error}")

    async def _told(self, message: Mapping[str, Any]) -> None:
        terminal = self._shell.terminal
        match message["type"]:
            case "stdin":
                await terminal.write(shell_lines.data_of(message))
            case "resize":
                await terminal.resize(*shell_lines.size_of(message))
            case "signal":
                if message.get("name") in shell_lines.SIGNALS:
                    await terminal.signal(str(message["name"]))
            case "close":
                await self._shells.end(self._shell, "It was closed.")
            case _:
                pass  # as upstream: a later version may say more
