"""Starting and ending scripts on Linux and other POSIX systems.

A script is started with ``vfork`` (some 0.6 ms; a plain fork of the agent costs several) in a session of its own,
and waited for by a pidfd: no thread and no signal handler for any run.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from borealis_agent.execution import mark, offspring
from borealis_agent.execution.process import GRACE_SECONDS, OutputPipe, RunningScript, StartOrder
from borealis_base.clock import Clock

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

READ_BYTES: Final = 64 * 1024
SWEEP_SECONDS: Final = 5.0
_REAP_SECONDS: Final = 1.0


class FilePipe:
    """A non-blocking file descriptor, read on the event loop."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._open = True
        self.name = f"pipe:[{os.fstat(descriptor).st_ino}]"

    async def read(self) -> bytes:
        """The next bytes, as many as are there."""
        while self._open:
            try:
                return os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                await self._readable()
            except OSError:
                return b""
        return b""

    def close(self) -> None:
        """Read no more; a script that still writes gets SIGPIPE."""
        if self._open:
            self._open = False
            os.close(self._descriptor)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._descriptor, _settle, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._descriptor)


class PosixScript:
    """A script in its own session."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        run: offspring.RunIdentity,
        orphans: offspring.Orphans,
        clock: Clock,
        pidfd: int,
    ) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process = process
        self._run = run
        self._orphans = orphans
        self._clock = clock
        self._pidfd = pidfd
        self._stdout = FilePipe(os.dup(process.stdout.fileno()))
        self._stderr = FilePipe(os.dup(process.stderr.fileno()))
        process.stdout.close()
        process.stderr.close()

    @property
    def stdout(self) -> OutputPipe:
        """Its output."""
        return self._stdout

    @property
    def stderr(self) -> OutputPipe:
        """Its errors."""
        return self._stderr

    async def wait(self) -> int:
        """Its exit code; 128 + n where signal n ended it."""
        if self._process.returncode is None:
            if self._pidfd >= 0:
                await self._ended()
                self._process.poll()
            else:
                await asyncio.to_thread(self._process.wait)
        code = self._process.returncode
        return 128 - code if code < 0 else code

    async def end_all(self) -> None:
        """Ask every process of the run to end, then kill what is left."""
        ended: set[int] = set()
        if sys.platform == "linux":
            ended = await offspring.end_all(self._run, grace=GRACE_SECONDS)
        else:
            await self._end_group()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REAP_SECONDS):
                await self.wait()
        self._orphans.collect(ended)
        self._orphans.sweep(self._clock.monotonic())

    async def end_left_behind(self) -> None:
        """End what is left on its output and in its session."""
        if sys.platform != "linux":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._run.leader, signal.SIGKILL)
            return
        pipes = frozenset({self._stdout.name, self._stderr.name})
        for _ in range(offspring.KILL_PASSES):
            left = offspring.left_behind(self._run, pipes)
            if not left:
                break
            offspring.kill(self._run, left)
            await asyncio.sleep(0.01)
            self._orphans.collect(left)
            self._orphans.sweep(self._clock.monotonic())

    def close(self) -> None:
        """Give back pipes and pidfd."""
        self._stdout.close()
        self._stderr.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        self._orphans.leaders.discard(self._run.leader)

    async def _ended(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._pidfd, _settle, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._pidfd)

    async def _end_group(self) -> None:
        for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, _REAP_SECONDS)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._run.leader, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.wait()
                    return


class PosixStarter:
    """Starts scripts, and keeps count of what they leave."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._orphans = offspring.Orphans()
        self._busy = asyncio.Event()
        self._favoured = _oom_adjustment() < 0
        offspring.become_subreaper()

    async def start(self, order: StartOrder) -> RunningScript:
        """Start a script.

        Raises:
            OSError: the interpreter cannot be started.
        """
        number = mark.new_mark()
        with mark.marking(number) as marked:
            process = subprocess.Popen(  # noqa: ASYNC220  # vfork blocks until the interpreter is there, whoever asks
                order.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=order.environment,
                cwd=order.folder,
                start_new_session=True,
                umask=order.umask,
                bufsize=0,
            )
        self._orphans.leaders.add(process.pid)
        if self._favoured:
            _make_ordinary(process.pid)
        self._busy.set()
        run = offspring.RunIdentity(order.run_id, process.pid, number if marked else 0)
        return PosixScript(process, run, self._orphans, self._clock, _pidfd_of(process.pid))

    async def end_remains(self, run_id: str) -> None:
        """End what still carries the run's id in its environment: the mark is known to the life that set it alone."""
        if sys.platform == "linux":
            await offspring.end_all(offspring.RunIdentity(run_id, offspring.NO_LEADER, 0), grace=GRACE_SECONDS)

    async def watch(self) -> None:
        """Collect orphans that have ended, every few seconds while there may be some; costs nothing at rest."""
        while True:
            await self._busy.wait()
            self._busy.clear()
            while self._orphans.sweep(self._clock.monotonic()) or self._orphans.leaders:
                await self._clock.sleep(SWEEP_SECONDS)


def _pidfd_of(pid: int) -> int:
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    except OSError:
        return -1


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _oom_adjustment() -> int:
    try:
        return int(Path("/proc/self/oom_score_adj").read_text())
    except (OSError, ValueError):
        return 0


def _make_ordinary(pid: int) -> None:
    """A service manager may keep the agent from being killed when memory runs out; that is not meant for scripts."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("0")
