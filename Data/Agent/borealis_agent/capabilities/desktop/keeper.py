"""Keeps one desktop and everything of it: the process between the agent and what serves it. Linux.

A process of its own, because the agent must not fork. It starts what serves the desktop and the windows that its user
sees, each as that user, carries the bytes of whoever watches, and is the one below which all of it stays. When the
agent is gone, however it ended, the channel from it closes, and everything is ended.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from borealis_agent.capabilities.desktop import telling

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

from borealis_agent.capabilities.desktop.children import Whom, start_program, start_work  # noqa: E402
from borealis_agent.capabilities.desktop.pump import Pump  # noqa: E402
from borealis_agent.capabilities.shell.keeper import below, prctl  # noqa: E402

SHOWN_SECONDS: Final = 20.0
"""For a window, or a server, to be there."""
GRACE_SECONDS: Final = 3.0
"""Between asking what runs here to end, and ending it."""
KEPT_NOISE: Final = 2000
_PR_SET_CHILD_SUBREAPER: Final = 36


class AgentGone(Exception):
    """Nobody is left who could be told anything."""


class Failed(Exception):
    """There is no desktop; the text is for the operator."""


def serve(descriptor: int) -> int:
    """Keep one desktop: told what on this socket. Returns when nothing is left."""
    from borealis_agent.capabilities.desktop.kinds import KINDS

    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    keeper = Keeper(socket.socket(fileno=descriptor))
    status = 0
    try:
        start, _ = keeper.next_packet()
        KINDS[start["do"]](keeper, start)
    except AgentGone:
        status = 1
    except (Failed, OSError) as error:
        keeper.tell(event="failed", why=str(error))
    finally:
        keeper.end_everything()
    return status


class Keeper:
    """What every kind of desktop needs: the channel, what runs, and the pump."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._wake, theirs = os.pipe()
        for one in (self._wake, theirs):
            os.set_blocking(one, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        self._noise: set[int] = set()
        self._said = bytearray()
        self._packets: deque[tuple[dict[str, Any], socket.socket | None]] = deque()
        self._pump: Pump | None = None
        self.running: set[int] = set()
        self.folders: list[str] = []
        """To be removed in the end, with what is in them."""
        self.servers: dict[str, int] = {}
        """X servers that we started, by display. Each takes its files away itself, where it has the time."""

    # --- the agent

    def next_packet(self) -> tuple[dict[str, Any], socket.socket | None]:
        """Wait for what the agent says. Raises ``AgentGone``."""
        while not self._packets:
            self._poll({}, None)
        return self._packets.popleft()

    def tell(self, **members: Any) -> None:
        """Tell the agent. One that is gone is found out about elsewhere."""
        with contextlib.suppress(OSError):
            self._channel.send(telling.packet(**members))

    # --- what runs

    def start(self, whom: Whom, command: Sequence[str], *, stdin: int = -1, stdout: int = -1, passed: int = -1) -> int:
        """Start a program as somebody; what it complains about is kept for ``noise``. Raises ``OSError``."""
        reading, writing = os.pipe()
        try:
            pid = start_program(whom, command, stdin=stdin, stdout=stdout, stderr=writing, passed=passed)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        self._noise.add(reading)
        self.running.add(pid)
        return pid

    def work(self, whom: Whom, work: Callable[[int], None]) -> int:
        """Do something as somebody in a process of its own; gives where it can be heard from."""
        pid, heard = start_work(whom, work)
        self.running.add(pid)
        return heard

    def noise(self) -> str:
        """The last line that something complained with."""
        for descriptor in list(self._noise):
            self._hear_noise(descriptor)
        lines = self._said.decode("utf-8", "replace").splitlines()
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def wait_line(self, descriptor: int, seconds: float = SHOWN_SECONDS) -> str:
        """A line that something writes there; empty where it ends or takes too long. Raises ``AgentGone``."""
        line, until = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            if not self.wait_readable(descriptor, until - time.monotonic()):
                return ""
            piece = os.read(descriptor, 1)
            if not piece:
                return ""
            line += piece
        return line.decode("ascii", "replace").strip()

    def wait_readable(self, descriptor: int, seconds: float, pid: int = 0) -> bool:
        """Whether there is something to read in time; not where ``pid`` ended first. Raises ``AgentGone``."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._poll({descriptor: select.POLLIN}, left).get(descriptor):
                return True
            if pid and pid not in self.running:
                return False
        return False

    # --- whoever watches

    def carry(
        self, connect: Callable[[], socket.socket], over: Callable[[], str], *, sign: int = -1, once: bool = False
    ) -> str:
        """Carry the bytes of visitors until it is over; gives why.

        Args:
            connect: a new connection to what serves the desktop.
            over: says why it is over; empty while it is not.
            sign: something to be read there means that the user ended it.
            once: for one visitor, with whom it is over.

        Raises:
            AgentGone: the agent is.
        """
        visit = 0
        while not (why := over()):
            wanted = {} if self._pump is None else self._pump.wanted()
            if sign >= 0:
                wanted[sign] = select.POLLIN
            ready = self._poll(wanted, None)
            if ready.get(sign):
                return "The user ended it."
            if self._pump is not None and not self._pump.step(ready):
                self._let_go()
                if once:
                    return "The connection ended."
                self.tell(event="left", visit=visit)
            while self._packets:
                packet, visitor = self._packets.popleft()
                if packet.get("do") == "carry" and visitor is not None:
                    self._let_go()
                    visit = packet["visit"]
                    self._pump = Pump(visitor, connect(), view_only=packet["view_only"] is True)
                elif visitor is not None:
                    visitor.close()
        return why

    def _let_go(self) -> None:
        if self._pump is not None:
            self._pump.close()
            self._pump = None

    # --- the end

    def end_everything(self) -> None:
        """Let whoever watches go, end whatever is still below us, and take away its files."""
        self._let_go()
        while self._packets:
            _, visitor = self._packets.popleft()
            if visitor is not None:
                visitor.close()
        me = os.getpid()
        for pid in below(me):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while below(me) and time.monotonic() < until:
            self._collect()
            time.sleep(0.01)
        while found := below(me):
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self._collect()
            time.sleep(0.01)
        self._collect()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        for number, pid in self.servers.items():
            _remove_remains(number, pid)

    # --- inside

    def _poll(self, wanted: dict[int, int], seconds: float | None) -> dict[int, int]:
        poll = select.poll()
        for descriptor in (self._channel.fileno(), self._wake, *self._noise):
            poll.register(descriptor, select.POLLIN)
        for descriptor, events in wanted.items():
            poll.register(descriptor, events)
        ready = dict(poll.poll(None if seconds is None else max(int(seconds * 1000), 1)))
        if ready.get(self._wake):
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 512)
            self._collect()
        for descriptor in [one for one in self._noise if ready.get(one)]:
            self._hear_noise(descriptor)
        if ready.get(self._channel.fileno()):
            self._hear_agent()
        return {descriptor: events for descriptor, events in ready.items() if descriptor in wanted}

    def _hear_agent(self) -> None:
        data, passed, _, _ = socket.recv_fds(self._channel, telling.MAX_PACKET, 1)
        if not data:
            raise AgentGone
        visitor = socket.socket(fileno=passed[0]) if passed else None
        self._packets.append((telling.read(data), visitor))

    def _hear_noise(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, KEPT_NOISE)
        except BlockingIOError:
            return
        if not data:
            os.close(descriptor)
            self._noise.discard(descriptor)
        self._said += data
        del self._said[:-KEPT_NOISE]

    def _collect(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.running.discard(pid)


def _remove_remains(number: str, pid: int) -> None:
    """The files of an X server that was ended without having had the time; not those of another that came since."""
    lock, place = Path(f"/tmp/.X{number}-lock"), Path(f"/tmp/.X11-unix/X{number}")  # noqa: S108
    with contextlib.suppress(OSError, ValueError):
        if int(lock.read_text()) == pid:
            place.unlink(missing_ok=True)
            lock.unlink()
