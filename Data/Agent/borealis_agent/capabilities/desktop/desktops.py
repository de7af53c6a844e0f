"""The desktops of this device: screens that somebody watches, and those of their own, which wait for their operator."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from borealis_agent.capabilities.desktop import commands, finding, programs, telling
from borealis_agent.capabilities.desktop.accounts import Account, account_of
from borealis_agent.capabilities.desktop.finding import NoDesktop, Screen
from borealis_agent.capabilities.desktop.kept import Kept
from borealis_agent.capabilities.desktop.remains import sweep
from borealis_agent.capabilities.entry import Refusing, Visitor
from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_wire.desktop import Consent, DesktopKind, DesktopOrder
from borealis_wire.lines import BadLine

MAX_SCREENS: Final = 4
MAX_OWN: Final = 4
DETACHED_SECONDS: Final = 300.0
"""How long a desktop of its own waits for its operator."""
CHECK_SECONDS: Final = 5.0
READY_SECONDS: Final = 90.0
"""Longer than a keeper takes, with each of its limits."""
SLOW_SECONDS: Final = 6.0
"""After so long whoever waits is told that it goes on."""
WHY_SLOW: Final = "The device is starting the desktop."
WHY_WAIT: Final = "The user of the device is asked whether you may see the screen."
DENIED: Final = "The user did not allow it."
SILENT: Final = "The user was asked and did not answer in {seconds} s, which counts as a no."
NOT_ASKED: Final = (
    "{user} would have to be asked first, and is signed in at a Wayland desktop, where that cannot be done. "
    "It counts as a no."
)
WINDOWS: Final = "Windows shows its desktop by Remote Desktop (RDP), not by this. Prepare that on the device's page."
OTHERS: Final = "Desktops can be shown on Linux only."

Said = TypeVar("Said")
Find = Callable[[int | None, frozenset[str]], Screen]


@dataclass(slots=True, eq=False)
class OwnDesktop:
    """A desktop of its own. ``alone_since``: on the steady clock, while nobody is connected."""

    account: Account
    asked_by: str
    kept: Kept
    display: str
    size: tuple[int, int]
    attached: Visitor | None = None
    alone_since: float = 0.0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Whoever is connected has gone, or the desktop has ended."""
    visit: int = 0
    """Numbers those who were connected: word that an earlier one has gone is not about this one."""


class Desktops:
    """All desktops of this agent. ``start_task(name, work)`` runs a piece of work in the background."""

    def __init__(
        self,
        *,
        start_task: Callable[[str, Coroutine[Any, Any, object]], Any],
        clock: Clock,
        say: Callable[[str], None],
        find: Find = finding.screen_here,
        which: programs.Which = programs.which,
        detached_seconds: float = DETACHED_SECONDS,
    ) -> None:
        self._start_task = start_task
        self._clock = clock
        self._say = say
        self._find = find
        self._which = which
        self._detached = detached_seconds
        self._own: dict[tuple[str, str], OwnDesktop] = {}
        self._kept: set[Kept] = set()
        self._screens = 0
        self._beginning = asyncio.Lock()
        self.opened = 0

    async def visit(self, order: DesktopOrder, visitor: Visitor) -> None:
        """Serve a visitor until the connection or the desktop is over; a desktop of its own may live on.

        Raises:
            Refusing: it gets no desktop.
            BadLine: it spoke before it was its turn.
            OSError: the connection broke.
        """
        if sys.platform != "linux":
            raise Refusing("unsupported", WINDOWS if sys.platform == "win32" else OTHERS)
        try:
            if order.kind is DesktopKind.OWN:
                await self._visit_own(order, visitor)
            else:
                await self._visit_screen(order, visitor)
        except NoDesktop as error:
            raise Refusing(error.reason, str(error)) from error

    async def end_all(self, reason: str) -> None:
        """End every desktop, with all that runs in it."""
        if self._kept:
            self._say(f"desktops are ended: {reason}")
        ending = list(self._kept)
        for kept in ending:
            kept.close()
        await asyncio.gather(*(kept.over.wait() for kept in ending))

    async def watch(self) -> None:
        """End what nobody came back to; a background task for as long as the role is up."""
        sweep()
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            now = self._clock.monotonic()
            for (_, name), desktop in list(self._own.items()):
                if desktop.attached is None and now - desktop.alone_since >= self._detached:
                    self._say(f"nobody came back to the desktop of {name}; it is ended")
                    desktop.kept.close()

    def report(self) -> Mapping[str, Any]:
        """For the role's health."""
        return {"screens": self._screens, "own": len(self._own), "opened": self.opened}

    # --- a screen

    async def _visit_screen(self, order: DesktopOrder, visitor: Visitor) -> None:
        if self._screens >= MAX_SCREENS:
            raise NoDesktop("busy", f"{MAX_SCREENS} operators watch this device already.")
        server = commands.needed(programs.SCREEN_SERVER, self._which)
        wanted = account_of(order.user).uid if order.user else None
        screen = await asyncio.to_thread(self._find, wanted, self._displays())
        account = account_of(screen.uid)
        signed_in = finding.is_person(screen.uid)
        environment = {**account.environment, **screen.environment, "HOME": account.home}
        self._screens += 1
        try:
            if order.consent is Consent.ASK and signed_in:
                await self._ask(order, visitor, account, environment)
            command = commands.screen_command(
                server, screen.display, title=f"{account.name} {screen.display}", view_only=order.view_only
            )
            kept = await self._begin(
                telling.start_of(
                    "screen",
                    environment=environment,
                    account=_change(account),
                    who=order.asked_by,
                    view_only=order.view_only,
                    command=command,
                )
            )
            try:
                ready = await self._ready(kept, visitor)
                self._say(f"{order.asked_by} {_does(order)} the screen of {account.name}")
                size = (int(ready["width"]), int(ready["height"]))
                await self._open(order, visitor, kept, account, size, signed_in=signed_in)
                ended = await _carried(visitor, kept.next())
                why = "" if ended is None else str(ended.get("why", ""))
                self._say(f"{order.asked_by} does not see the screen of {account.name} any more. {why}".rstrip())
            finally:
                kept.close()
        finally:
            self._screens -= 1

    async def _ask(
        self, order: DesktopOrder, visitor: Visitor, account: Account, environment: Mapping[str, str]
    ) -> None:
        """Ask the user; returns if they allow it. Raises ``NoDesktop`` where they do not."""
        await visitor.send("wait", seconds=order.ask_seconds, why=WHY_WAIT)
        self._say(f"{account.name} is asked whether {order.asked_by} may see the screen")
        kept = await self._begin(
            telling.start_of(
                "ask",
                environment=environment,
                account=_change(account),
                who=order.asked_by,
                view_only=order.view_only,
                seconds=order.ask_seconds,
            )
        )
        try:
            answer = (await self._ready(kept, visitor, seconds=READY_SECONDS + order.ask_seconds)).get("answer")
        finally:
            kept.close()
        self._say(f"the answer of {account.name} to {order.asked_by}: {answer}")
        if answer != telling.ALLOWED:
            silent = answer == telling.SILENT
            raise NoDesktop("denied", SILENT.format(seconds=order.ask_seconds) if silent else DENIED)

    # --- a desktop of its own

    async def _visit_own(self, order: DesktopOrder, visitor: Visitor) -> None:
        account = account_of(order.user)
        key = (order.session_id, account.name)
        if key not in self._own:
            await self._ask_elsewhere(order, visitor, account)
        async with self._beginning:
            desktop = self._own.get(key)
            if desktop is None:
                desktop = await self._begin_own(order, visitor, account)
        if desktop.asked_by != order.asked_by:
            raise NoDesktop("gone", "This desktop is not yours.")
        if desktop.attached is not None:
            desktop.attached.drop()
        desktop.attached = visitor
        desktop.left = left = asyncio.Event()
        desktop.visit += 1
        try:
            await self._open(order, visitor, desktop.kept, account, desktop.size, signed_in=True, visit=desktop.visit)
            await _carried(visitor, left.wait())
        finally:
            if desktop.attached is visitor:
                desktop.attached = None
                desktop.alone_since = self._clock.monotonic()

    async def _ask_elsewhere(self, order: DesktopOrder, visitor: Visitor, account: Account) -> None:
        """Where the account's user sits at a screen, they are asked there before one is begun in their name."""
        if order.consent is not Consent.ASK:
            return
        try:
            screen = await asyncio.to_thread(self._find, account.uid, self._displays())
        except NoDesktop as error:
            if error.reason == "unsupported":
                raise NoDesktop("denied", NOT_ASKED.format(user=account.name)) from error
            return  # nobody there who could be asked
        environment = {**account.environment, **screen.environment, "HOME": account.home}
        await self._ask(order, visitor, account, environment)

    async def _begin_own(self, order: DesktopOrder, visitor: Visitor, account: Account) -> OwnDesktop:
        if len(self._own) >= MAX_OWN:
            raise NoDesktop("busy", f"{MAX_OWN} desktops are open on this device already. Close one first.")
        server = commands.needed(programs.OWN_SERVER, self._which)
        if not account.signs_in:
            raise NoDesktop("no_account", f"Nobody can sign in as {account.name} on this device: it has no shell.")
        session = commands.session_commands(account.home, self._which)
        kept = await self._begin(
            telling.start_of(
                "own",
                environment=account.environment,
                account=_change(account),
                server=server,
                session=session,
                title=f"{account.name} on {socket.gethostname()}",
                width=order.width,
                height=order.height,
            )
        )
        try:
            ready = await self._ready(kept, visitor)
        except BaseException:
            kept.close()
            raise
        desktop = OwnDesktop(account, order.asked_by, kept, str(ready["display"]), (order.width, order.height))
        key = (order.session_id, account.name)
        self._own[key] = desktop
        self._say(f"{order.asked_by} began a desktop as {account.name}")
        self._start_task("keep a desktop", self._keep(key, desktop))
        return desktop

    async def _keep(self, key: tuple[str, str], desktop: OwnDesktop) -> None:
        why = ""
        try:
            while (said := await desktop.kept.next()) is not None:
                why = str(said.get("why", why))
                if said.get("event") == "left" and said.get("visit") == desktop.visit:
                    desktop.left.set()
        finally:
            self._own.pop(key, None)
            desktop.left.set()
            desktop.kept.close()
            self._say(f"the desktop of {desktop.account.name} has ended. {why}".rstrip())

    # --- both

    def _displays(self) -> frozenset[str]:
        return frozenset(desktop.display for desktop in self._own.values())

    async def _begin(self, start: Mapping[str, Any]) -> Kept:
        kept = await Kept.begin(start)
        self._kept.add(kept)
        self._start_task("hear what keeps a desktop", self._hear(kept))
        return kept

    async def _hear(self, kept: Kept) -> None:
        try:
            await kept.run()
        finally:
            self._kept.discard(kept)

    async def _ready(self, kept: Kept, visitor: Visitor, *, seconds: float = READY_SECONDS) -> dict[str, Any]:
        """What the keeper says first, while the visitor says nothing.

        Raises:
            NoDesktop: it failed.
            BadLine: the visitor spoke.
            OSError: the visitor is gone.
        """
        try:
            async with asyncio.timeout(seconds), Supervisor() as both:
                first: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()
                if seconds == READY_SECONDS:
                    both.start("ask for patience", self._ask_for_patience(visitor))
                both.start("notice who goes", _notice(visitor, first))
                both.start("hear a keeper", _hear_first(kept, first))
                said = await first.get()
        except TimeoutError as error:
            raise NoDesktop("failed", "The desktop did not appear in time.") from error
        if isinstance(said, Exception):
            raise said
        if said is None or said.get("event") == "failed":
            why = "what keeps it ended unexpectedly" if said is None else str(said.get("why"))
            raise NoDesktop("failed", why[:500])
        return dict(said)

    async def _ask_for_patience(self, visitor: Visitor) -> None:
        """A busy machine is slow to start a desktop, and the Engine does not wait for long without a word."""
        await self._clock.sleep(SLOW_SECONDS)
        with contextlib.suppress(OSError):
            await visitor.send("wait", seconds=int(READY_SECONDS - SLOW_SECONDS), why=WHY_SLOW)

    async def _open(
        self,
        order: DesktopOrder,
        visitor: Visitor,
        kept: Kept,
        account: Account,
        size: tuple[int, int],
        *,
        signed_in: bool,
        visit: int = 1,
    ) -> None:
        visitor.check_quiet()
        self.opened += 1
        await visitor.send(
            "opened",
            kind=order.kind.value,
            user=account.name,
            signed_in=signed_in,
            view_only=order.view_only,
            width=size[0],
            height=size[1],
        )
        kept.carry(visitor.socket, view_only=order.view_only, visit=visit)


async def _carried(visitor: Visitor, over: Coroutine[Any, Any, Said]) -> Said:
    """Wait until a connection that a keeper carries is over; in any case it is then."""
    try:
        return await over
    finally:
        # The keeper has the connection too: closing ours alone would not end it.
        with contextlib.suppress(OSError):
            visitor.socket.shutdown(socket.SHUT_RDWR)


async def _notice(visitor: Visitor, told: asyncio.Queue[dict[str, Any] | Exception | None]) -> None:
    """Tells once the visitor goes, or speaks before it may."""
    try:
        await visitor.receive(1)
        told.put_nowait(BadLine("something came before the answer"))
    except OSError as error:
        told.put_nowait(error)


async def _hear_first(kept: Kept, told: asyncio.Queue[dict[str, Any] | Exception | None]) -> None:
    told.put_nowait(await kept.next())


def _change(account: Account) -> dict[str, Any] | None:
    return {"name": account.name, "uid": account.uid, "gid": account.gid} if account.change else None


def _does(order: DesktopOrder) -> str:
    return "sees" if order.view_only else "sees and uses"
