"""In the agent: has each order carried out by a process of its own, and ends it with the connection."""

import asyncio
import base64
import contextlib
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from borealis_agent.capabilities import own_code
from borealis_agent.capabilities.entry import Refusing, Visitor
from borealis_agent.capabilities.files.accounts import Account, find_account
from borealis_agent.capabilities.files.faults import FileFault
from borealis_agent.capabilities.files.notes import Notes
from borealis_base.clock import Clock
from borealis_wire.files import FileAction, FileRefusal, FilesOrder

MAX_AT_ONCE: Final = 32
"""Orders that are carried out on this device at a time."""
SWEEP_SECONDS: Final = 3600.0
END_SECONDS: Final = 3.0
SWEEP_LIMIT_SECONDS: Final = 60.0
_GOES_ON: Final = frozenset(
    {"", "cut", FileRefusal.CHANGED, FileRefusal.BUSY, FileRefusal.NO_SPACE, FileRefusal.EXISTS}
)
"""Ends of a transfer after which what there is of it is not removed at once."""
_START: Final = "from borealis_agent.capabilities.files.child import serve; sys.exit(serve())"


class Carrier:
    """Every order about files that is being carried out. ``folder``: for notes about what is not whole."""

    def __init__(self, *, folder: Path, clock: Clock, say: Callable[[str], None]) -> None:
        self._notes = Notes(folder)
        self._clock = clock
        self._say = say
        self._writing: dict[str, tuple[Visitor, asyncio.Event]] = {}
        self._at_once = 0
        self.carried = 0

    @property
    def under_way(self) -> int:
        """How many are being carried out."""
        return self._at_once

    async def carry(self, order: FilesOrder, visitor: Visitor) -> None:
        """Have one order carried out; the other side is told by the process itself.

        Raises:
            Refusing: it is not begun.
            BadLine: the other side spoke before it was answered.
            OSError: the process cannot be started.
        """
        visitor.check_quiet()
        if self._at_once >= MAX_AT_ONCE:
            raise Refusing("busy", f"{MAX_AT_ONCE} transfers are under way on this device already. Try again later.")
        try:
            account = find_account(order.user)
        except FileFault as fault:
            raise Refusing(fault.reason.value, str(fault)) from fault
        self._at_once += 1
        try:
            if order.action is FileAction.WRITE:
                await self._carry_write(order, account, visitor)
            else:
                await self._run(order, account, visitor)
        finally:
            self._at_once -= 1

    async def sweep(self) -> None:
        """Remove what nobody goes on with, now and then; a background task as long as the role is up."""
        while True:
            for transfer_id, path, user in await asyncio.to_thread(self._notes.old, self._clock.now()):
                await self._sweep_one(transfer_id, path, user)
            await self._clock.sleep(SWEEP_SECONDS)

    # --- inside

    async def _carry_write(self, order: FilesOrder, account: Account, visitor: Visitor) -> None:
        """A newer connection of the same transfer takes the place of an older one, which may be dead already."""
        while (before := self._writing.get(order.transfer_id)) is not None:
            before[0].drop()
            await before[1].wait()
        over = asyncio.Event()
        self._writing[order.transfer_id] = (visitor, over)
        try:
            await asyncio.to_thread(self._notes.keep, order, self._clock.now())
            outcome = await self._run(order, account, visitor)
            if outcome["reason"] not in _GOES_ON:
                # Whatever came of it is of no use any more.
                await self._sweep_one(order.transfer_id, order.path, order.user)
            elif outcome["reason"] == "":
                await asyncio.to_thread(self._notes.drop, order.transfer_id)
        finally:
            del self._writing[order.transfer_id]
            over.set()

    async def _run(self, order: FilesOrder, account: Account, visitor: Visitor) -> dict[str, Any]:
        process = await _start((visitor.socket.fileno(),) if sys.platform != "win32" else ())
        try:
            start: dict[str, Any] = {"what": "serve", "order": order.to_json(), "account": asdict(account)}
            if sys.platform == "win32":
                start["share"] = base64.b64encode(visitor.socket.share(process.pid)).decode("ascii")
            else:
                start["descriptor"] = visitor.socket.fileno()
            outcome = await _outcome(process, start)
        except OSError as error:
            raise Refusing("failed", f"Files cannot be reached now: {error}.") from error
        except asyncio.CancelledError:
            # The process sees its connection end, and keeps what came by it.
            with contextlib.suppress(OSError):
                visitor.socket.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
            raise
        finally:
            await _end(process)
        self.carried += 1
        how = f"not done ({outcome['reason']}: {outcome.get('detail', '')})" if outcome["reason"] else "done"
        self._say(f"{order.asked_by}: {order.action} {order.path!r} as {account.name}: {how}")
        return outcome

    async def _sweep_one(self, transfer_id: str, path: str, user: str) -> None:
        """Remove what there is of a transfer, as its account; it is forgotten in any case."""
        with contextlib.suppress(FileFault, OSError, TimeoutError):
            account = find_account(user)
            order = FilesOrder("sweep", "here", "sweep", FileAction.STAT, 0.0, 1.0, path=path, transfer_id=transfer_id)
            process = await _start(())
            try:
                async with asyncio.timeout(SWEEP_LIMIT_SECONDS):
                    await _outcome(process, {"what": "sweep", "order": order.to_json(), "account": asdict(account)})
            finally:
                await _end(process)
        await asyncio.to_thread(self._notes.drop, transfer_id)


async def _start(descriptors: tuple[int, ...]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *own_code.command(_START),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=own_code.bare_environment("SYSTEMROOT", "SYSTEMDRIVE"),
        start_new_session=True,
        pass_fds=descriptors,
        cwd=None if sys.platform == "win32" else "/",
    )


async def _outcome(process: asyncio.subprocess.Process, start: dict[str, Any]) -> dict[str, Any]:
    """What the process says of how it went. Raises ``OSError``."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(start).encode() + b"\n")
    await process.stdin.drain()
    line = await process.stdout.read()
    try:
        outcome: dict[str, Any] = json.loads(line)
    except ValueError:
        outcome = {"reason": "" if start["what"] == "sweep" else "cut", "detail": "its process ended unexpectedly"}
    return outcome


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of it is left. It does what no signal handler of ours could make better: it is killed."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
