"""The shells of this device: begun by an order, taken up again by another, ended when nobody comes back."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from borealis_agent.capabilities.entry import Refusing
from borealis_agent.capabilities.shell.choice import Choice, NoShell, choose
from borealis_agent.capabilities.shell.terminal import Terminal
from borealis_base.clock import Clock
from borealis_wire.shell import DETACHED_SECONDS, NEW, ShellOrder

MAX_SHELLS: Final = 8
CHECK_SECONDS: Final = 5.0


class Attached(Protocol):
    """Whoever is connected to a shell."""

    def drop(self) -> None:
        """Somebody else took its place, or the shell is to be let go of: close the connection."""


@dataclass(slots=True, eq=False)
class Shell:
    """One shell, and who is connected to it. ``alone_since``: on the steady clock, while nobody is."""

    session_id: str
    asked_by: str
    terminal: Terminal
    attached: Attached | None = None
    alone_since: float = field(default=0.0)


class Shells:
    """All shells of this agent. ``start_task(name, work)`` runs a piece of work in the background."""

    def __init__(
        self,
        *,
        start_task: Callable[[str, Coroutine[Any, Any, object]], Any],
        clock: Clock,
        say: Callable[[str], None],
        choose_shell: Callable[[str], Choice] = choose,
        detached_seconds: float = DETACHED_SECONDS,
    ) -> None:
        self._start_task = start_task
        self._clock = clock
        self._say = say
        self._choose = choose_shell
        self._detached = detached_seconds
        self._shells: dict[str, Shell] = {}
        self._beginning = asyncio.Lock()
        self.opened = 0

    async def attach(self, order: ShellOrder, who: Attached) -> Shell:
        """The shell that a verified order names: a new one, or one that was left.

        Raises:
            Refusing: there is none, it is somebody else's, or there are too many.
        """
        async with self._beginning:
            shell = self._shells.get(order.session_id)
            if shell is None and order.seen == NEW:
                shell = await self._begin(order)
            elif order.seen == NEW:
                raise Refusing("replayed", "This shell was begun already.")
        if shell is None:
            raise Refusing("gone", "This shell has ended: the device or its agent was restarted, or nobody came back.")
        if shell.asked_by != order.asked_by:
            raise Refusing("gone", "This shell is not yours.")
        if order.seen != NEW:
            await shell.terminal.resize(order.columns, order.rows)
        if shell.attached is not None:
            shell.attached.drop()
        shell.attached = who
        return shell

    async def detach(self, shell: Shell, who: Attached) -> None:
        """A connection is gone; the shell waits for another for a while, one that has ended does not."""
        if shell.attached is not who:
            return
        shell.attached = None
        shell.alone_since = self._clock.monotonic()
        await shell.terminal.took(None)
        if shell.terminal.over:
            self._shells.pop(shell.session_id, None)

    async def end(self, shell: Shell, reason: str) -> None:
        """End a shell with all that runs in it."""
        await shell.terminal.end(reason)

    async def end_all(self, reason: str) -> None:
        """End every shell."""
        await asyncio.gather(*(shell.terminal.end(reason) for shell in list(self._shells.values())))

    async def watch(self) -> None:
        """End what nobody came back to; a background task for as long as the role is up."""
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            now = self._clock.monotonic()
            for shell in list(self._shells.values()):
                if shell.attached is None and now - shell.alone_since >= self._detached:
                    if not shell.terminal.over:
                        self._say(f"nobody came back to the shell of {shell.asked_by}; it is ended")
                        await shell.terminal.end("Nobody came back to it in time.")
                    self._shells.pop(shell.session_id, None)

    def report(self) -> Mapping[str, Any]:
        """For the role's health."""
        running = [shell for shell in self._shells.values() if not shell.terminal.over]
        return {"shells": len(running), "opened": self.opened}

    async def _begin(self, order: ShellOrder) -> Shell:
        if sum(not shell.terminal.over for shell in self._shells.values()) >= MAX_SHELLS:
            raise Refusing("busy", f"{MAX_SHELLS} shells are open on this device already. Close one first.")
        try:
            choice = self._choose(order.user)
            terminal = await Terminal.open(choice, columns=order.columns, rows=order.rows)
        except NoShell as error:
            raise Refusing("no_shell", str(error)) from error
        shell = Shell(order.session_id, order.asked_by, terminal)
        self._shells[order.session_id] = shell
        self.opened += 1
        self._start_task("keep a shell", self._keep(shell))
        self._say(f"{order.asked_by} opened a shell ({terminal.shell} as {terminal.user})")
        return shell

    async def _keep(self, shell: Shell) -> None:
        try:
            await shell.terminal.run()
        finally:
            self._say(f"the shell of {shell.asked_by} ended with status {shell.terminal.status}")
            if shell.attached is None:
                shell.alone_since = self._clock.monotonic()
