"""Keeps one terminal and everything that runs in it: the program between the agent and a shell. POSIX.

A process of its own, because the agent must not fork. It gives the shell a session and a terminal of its own, carries
bytes both ways without ever holding more than a little, and is the one below which all that the shell starts stays.
When the agent is gone, however it ended, the pipe from it closes, and everything is ended.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from borealis_agent.capabilities.shell import frames
from borealis_agent.capabilities.shell.frames import FrameReader, frame

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

PIECE: Final = 16 * 1024
MAX_PENDING: Final = 64 * 1024
"""Bytes that wait for the terminal, or for the agent, before nothing more is taken from the other side."""
LINGER_SECONDS: Final = 0.5
"""After the shell has ended, for what it left on its terminal to be read."""
GRACE_SECONDS: Final = 0.5
"""Between hanging up and killing."""
KILL_PASSES: Final = 200
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_IUTF8: Final = 0o40000


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started."""

    command: list[str]
    name: str
    environment: dict[str, str]
    folder: str
    columns: int
    rows: int
    user: str = ""
    uid: int = -1
    """-1: do not change to anybody."""
    gid: int = -1
    home: str = field(default="/")


def serve(inward: int, outward: int) -> int:
    """Keep one terminal: told what to start on ``inward``, tells on ``outward``. Returns when nothing is left."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    reader = FrameReader()
    waiting: list[tuple[bytes, bytes]] = []
    while not waiting:
        data = os.read(inward, PIECE)
        if not data:
            return 0
        waiting = reader.feed(data)
    kind, told = waiting.pop(0)
    if kind != frames.START:
        return 2
    try:
        keeper = Keeper(Start(**json.loads(told)), inward, outward, reader)
    except OSError as error:
        _write_all(outward, frame(frames.FAILED, f"The shell cannot be started: {error}.".encode()))
        return 1
    try:
        return keeper.run(waiting)
    finally:
        if not keeper.over:
            keeper.end_everything()


class Keeper:
    """One terminal. Raises ``OSError`` where there is none to be had."""

    def __init__(self, start: Start, inward: int, outward: int, reader: FrameReader) -> None:
        self._inward, self._outward, self._reader = inward, outward, reader
        self._master, slave = os.openpty()
        try:
            self._shell = _start(start, self._master, slave)
        finally:
            os.close(slave)
        for descriptor in (self._master, inward, outward):
            os.set_blocking(descriptor, False)
        self._to_shell = bytearray()
        self._to_agent = bytearray()
        self._open = True
        """The terminal has not been closed by everybody in it."""
        self._status: int | None = None
        self._over_at = 0.0
        self.over = False
        """The shell ended and what had to go with it is gone."""

    def run(self, waiting: list[tuple[bytes, bytes]]) -> int:
        """Carry bytes until the shell or the agent is gone."""
        try:
            for kind, data in waiting:
                self._told(kind, data)
            while self._step():
                pass
        except (_AgentGone, BrokenPipeError):
            return 1
        if self._status is None:
            self.end_everything()
        self.over = True
        self._last_word(frame(frames.EXIT, str(self._status or 0).encode()))
        return 0

    def end_everything(self) -> None:
        """Hang up, then kill whatever is still below us, wherever it hides; returns when nothing is left."""
        if self._master >= 0:
            with contextlib.suppress(OSError):
                os.killpg(os.tcgetpgrp(self._master), signal.SIGHUP)
            os.close(self._master)
            self._master = -1
        with contextlib.suppress(OSError):
            if self._status is None:
                os.kill(self._shell, signal.SIGHUP)
                os.kill(self._shell, signal.SIGCONT)
                self._wait(GRACE_SECONDS)
        self._kill(lambda _pid: True)

    # --- inside

    def _step(self) -> bool:
        """Wait for something and carry it; False when the shell is over and all it printed was passed on."""
        poll = select.poll()
        poll.register(self._inward, select.POLLIN if len(self._to_shell) < MAX_PENDING else 0)
        if self._to_agent:
            poll.register(self._outward, select.POLLOUT)
        if self._open:
            wanted = select.POLLIN if len(self._to_agent) < MAX_PENDING else 0
            poll.register(self._master, wanted | (select.POLLOUT if self._to_shell else 0))
        ready = dict(poll.poll(50 if self._status is not None else 250))
        if ready.get(self._outward):
            self._flush()
        if ready.get(self._master, 0) & (select.POLLIN | select.POLLHUP | select.POLLERR):
            self._hear()
        if self._open and ready.get(self._master, 0) & select.POLLOUT:
            self._speak()
        if ready.get(self._inward):
            self._listen()
        return not self._is_over()

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self._status is None:
            self._collect()
            if self._status is not None:
                self._over_at = now
        if self._status is None or self._to_agent:
            return False
        if self._open and now - self._over_at < LINGER_SECONDS:
            return False
        # The shell ended by itself: what still is on its terminal goes with it; a daemon with a session of its own
        # lives on.
        self._kill(lambda pid: _session_of(pid) == self._shell)
        return True

    def _hear(self) -> None:
        try:
            data = os.read(self._master, PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if data:
            self._to_agent += frame(frames.OUTPUT, data)
            self._flush()
        else:
            self._open = False

    def _speak(self) -> None:
        if self._to_shell:
            try:
                count = os.write(self._master, self._to_shell[:PIECE])
            except BlockingIOError:
                return
            except OSError:
                self._to_shell.clear()
                return
            del self._to_shell[:count]

    def _flush(self) -> None:
        if self._to_agent:
            try:
                count = os.write(self._outward, self._to_agent)
            except BlockingIOError:
                return
            del self._to_agent[:count]

    def _listen(self) -> None:
        try:
            data = os.read(self._inward, PIECE)
        except BlockingIOError:
            return
        if not data:
            raise _AgentGone
        for kind, told in self._reader.feed(data):
            self._told(kind, told)

    def _told(self, kind: bytes, data: bytes) -> None:
        if kind == frames.INPUT:
            self._to_shell += data
            self._speak()
        elif kind == frames.RESIZE:
            columns, rows = frames.SIZE.unpack(data)
            with contextlib.suppress(OSError):
                set_size(self._master, columns, rows)
        elif kind == frames.SIGNAL:
            with contextlib.suppress(OSError, AttributeError):
                number = getattr(signal, f"SIG{data.decode('ascii', 'replace')}")
                os.killpg(os.tcgetpgrp(self._master), number)
        elif kind == frames.END:
            self.end_everything()
            self._open = False

    def _collect(self) -> None:
        """Take note of whatever has ended below us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._shell:
                code = os.waitstatus_to_exitcode(status)
                self._status = 128 - code if code < 0 else code

    def _kill(self, meant: Callable[[int], bool]) -> None:
        """Kill what is meant of all that is below us, and what it starts meanwhile."""
        for _ in range(KILL_PASSES):
            self._collect()
            found = [pid for pid in below(os.getpid()) if meant(pid)]
            if not found:
                return
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._collect()
            if not below(os.getpid()):
                return
            time.sleep(0.01)

    def _last_word(self, told: bytes) -> None:
        os.set_blocking(self._outward, True)
        with contextlib.suppress(OSError):
            _write_all(self._outward, bytes(self._to_agent) + told)


class _AgentGone(Exception):
    """Nobody is left who could be told anything."""


def _start(start: Start, master: int, slave: int) -> int:
    set_size(master, start.columns, start.rows)
    modes = termios.tcgetattr(slave)
    modes[0] |= _IUTF8  # a backspace erases a character, not a byte
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    if start.uid >= 0:
        os.fchown(slave, start.uid, start.gid)
    reading, writing = os.pipe()
    pid = os.fork()  # nothing else runs in this process
    if pid == 0:
        try:
            os.close(reading)
            _become_shell(start, slave)
        except BaseException as error:  # noqa: BLE001  # nothing of the keeper's may go on in the child
            with contextlib.suppress(OSError):
                os.write(writing, str(error).encode()[:1000])
        finally:
            os._exit(127)
    os.close(writing)
    with os.fdopen(reading, "rb") as failure:
        said = failure.read()
    if said:
        os.waitpid(pid, 0)
        raise OSError(said.decode("utf-8", "replace"))
    return pid


def _become_shell(start: Start, slave: int) -> None:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(slave, descriptor)
    if start.uid >= 0:
        os.initgroups(start.user, start.gid)
        os.setgid(start.gid)
        os.setuid(start.uid)
    os.umask(0o022)
    for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # Should the keeper itself be killed, its shell goes too. After the change of account, which takes this back.
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.chdir(start.folder)
    except OSError:
        os.chdir("/")
    os.execve(start.command[0], [start.name, *start.command[1:]], start.environment)  # noqa: S606


def set_size(terminal: int, columns: int, rows: int) -> None:
    """Tell a terminal how large it is; what runs in the foreground hears of it. Raises ``OSError``."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def below(pid: int) -> list[int]:
    """Every living process below ``pid``."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (fields := _stat(int(name))) is not None and fields[0] not in {"Z", "X"}:
            parents[int(name)] = int(fields[1])
    found: dict[int, None] = {}
    layer = {pid}
    while layer:
        layer = {child for child, parent in parents.items() if parent in layer and child not in found}
        found.update(dict.fromkeys(sorted(layer)))
    return list(found)


def _session_of(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[3]) if fields else 0


def _stat(pid: int) -> list[str] | None:
    """State, parent, group, session: what follows the name in ``/proc/<pid>/stat``."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None


def prctl(option: int, value: int) -> None:
    """Linux only; elsewhere there is nothing like it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _write_all(descriptor: int, data: bytes) -> None:
    view: Any = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
