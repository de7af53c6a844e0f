"""Starting and ending scripts on Windows: a job object holds everything a script starts.

Run by tests under wine; what that does not show is in ``Docs/windows.md``.
"""

import asyncio
import ctypes
import subprocess
import sys
from ctypes import wintypes
from typing import Any

from borealis_agent.execution.process import OutputPipe, RunningScript, StartOrder
from borealis_base.clock import Clock

assert sys.platform == "win32"  # so that the other platform's type check passes over this file

READ_BYTES = 64 * 1024
_KILL_ON_CLOSE = 0x2000
_EXTENDED_LIMITS = 9
_ACCESS = 0x0101  # PROCESS_SET_QUOTA | PROCESS_TERMINATE
_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", wintypes.DWORD),
        ("minimum", ctypes.c_size_t),
        ("maximum", ctypes.c_size_t),
        ("processes", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority", wintypes.DWORD),
        ("scheduling", wintypes.DWORD),
    ]


class _ExtendedLimits(ctypes.Structure):
    _fields_ = [
        ("basic", _BasicLimits),
        ("io", ctypes.c_ulonglong * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("process_peak", ctypes.c_size_t),
        ("job_peak", ctypes.c_size_t),
    ]


def _kernel() -> Any:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
    kernel.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
    kernel.CloseHandle.argtypes = [wintypes.HANDLE]
    kernel.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
    return kernel


class JobObject:
    """Everything in it ends with it."""

    def __init__(self) -> None:
        self._kernel = _kernel()
        self._handle = self._kernel.CreateJobObjectW(None, None)
        if not self._handle:
            raise ctypes.WinError(ctypes.get_last_error())
        limits = _ExtendedLimits()
        limits.basic.flags = _KILL_ON_CLOSE
        size = ctypes.sizeof(limits)
        self._kernel.SetInformationJobObject(self._handle, _EXTENDED_LIMITS, ctypes.byref(limits), size)

    def add(self, pid: int) -> None:
        """Put a process in; what it starts from now on is in it too. Raises ``OSError``."""
        process = self._kernel.OpenProcess(_ACCESS, False, pid)
        if not process:
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            if not self._kernel.AssignProcessToJobObject(self._handle, process):
                raise ctypes.WinError(ctypes.get_last_error())
        finally:
            self._kernel.CloseHandle(process)

    def terminate(self) -> None:
        """End everything in it."""
        if self._handle:
            self._kernel.TerminateJobObject(self._handle, 1)

    def close(self) -> None:
        """Give it back; what is still in it ends."""
        if self._handle:
            self._kernel.CloseHandle(self._handle)
            self._handle = None


class StreamPipe:
    """A pipe of asyncio's."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def read(self) -> bytes:
        """The next bytes."""
        return await self._reader.read(READ_BYTES)

    def close(self) -> None:
        """Nothing to give back: the transport closes with the process."""


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Hears of a process's end when it ends.

    ``Process.wait`` of Python 3.11 returns once its pipes are closed as well: a script that leaves a process with its
    output behind would run until its time-out.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=READ_BYTES, loop=loop)
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


class WindowsScript:
    """A script in a job object."""

    def __init__(self, process: asyncio.subprocess.Process, ended: asyncio.Event, job: JobObject) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process = process
        self._ended = ended
        self._job = job
        self._stdout, self._stderr = StreamPipe(process.stdout), StreamPipe(process.stderr)

    @property
    def stdout(self) -> OutputPipe:
        """Its output."""
        return self._stdout

    @property
    def stderr(self) -> OutputPipe:
        """Its errors."""
        return self._stderr

    async def wait(self) -> int:
        """Its exit code."""
        await self._ended.wait()
        code = self._process.returncode
        assert code is not None
        return code

    async def end_all(self) -> None:
        """End everything in the job object."""
        self._job.terminate()
        await self._ended.wait()

    async def end_left_behind(self) -> None:
        """Windows knows no daemon that let go: what is left in the job object ends."""
        self._job.terminate()

    def close(self) -> None:
        """Give the job object back."""
        self._job.close()


class WindowsStarter:
    """Starts scripts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def start(self, order: StartOrder) -> RunningScript:
        """Start a script. Between start and job object lies a moment in which it could start something outside.

        Raises:
            OSError: the interpreter cannot be started.
        """
        job = JobObject()
        try:
            loop = asyncio.get_running_loop()
            transport, protocol = await loop.subprocess_exec(
                lambda: _Protocol(loop),
                *order.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(order.environment),
                cwd=order.folder,
                creationflags=_FLAGS,
            )
            process = asyncio.subprocess.Process(transport, protocol, loop)
        except BaseException:
            job.close()
            raise
        try:
            job.add(process.pid)
        except OSError:
            process.kill()
            job.close()
            raise
        return WindowsScript(process, protocol.ended, job)

    async def end_remains(self, run_id: str) -> None:
        """Nothing is left: a job object ends what is in it when its owner dies."""

    async def watch(self) -> None:
        """Nothing to collect: job objects end what is in them."""
