"""Keeps one terminal and everything that runs in it, on Windows: a pseudo console, and a job object that ends it all.

As ``keeper`` on POSIX. The job is closed with this process, however it ends, and with the job everything in it. Typed
against the documented interface of Windows 10 1809 and later; not tried on Windows.
"""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import threading
from typing import Any, Final

from borealis_agent.capabilities.shell import frames
from borealis_agent.capabilities.shell.frames import FrameReader, frame

assert sys.platform == "win32"  # so that the other platform's type check passes over this file

PIECE: Final = 16 * 1024
CTRL_C: Final = b"\x03"
_EXTENDED_STARTUPINFO_PRESENT: Final = 0x00080000
_CREATE_UNICODE_ENVIRONMENT: Final = 0x00000400
_CREATE_SUSPENDED: Final = 0x00000004
_PSEUDOCONSOLE: Final = 0x00020016
_KILL_ON_JOB_CLOSE: Final = 0x00002000
_EXTENDED_LIMITS: Final = 9
_INFINITE: Final = 0xFFFFFFFF


class _Coord(ctypes.Structure):
    _fields_ = (("x", ctypes.c_short), ("y", ctypes.c_short))


class _StartupInfo(ctypes.Structure):
    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("reserved", ctypes.c_void_p),
        ("desktop", ctypes.c_void_p),
        ("title", ctypes.c_void_p),
        ("numbers", ctypes.c_uint32 * 8),
        ("show", ctypes.c_uint16),
        ("reserved2_size", ctypes.c_uint16),
        ("reserved2", ctypes.c_void_p),
        ("handles", ctypes.c_void_p * 3),
        ("attributes", ctypes.c_void_p),
    )


class _ProcessInformation(ctypes.Structure):
    _fields_ = (
        ("process", ctypes.c_void_p),
        ("thread", ctypes.c_void_p),
        ("process_id", ctypes.c_uint32),
        ("thread_id", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("sizes", ctypes.c_size_t * 2),
        ("active", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
        ("counters", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


def serve(inward: int, outward: int) -> int:
    """Keep one terminal: told what to start on ``inward``, tells on ``outward``. Returns when the shell is over."""
    import msvcrt

    for descriptor in (inward, outward):
        msvcrt.setmode(descriptor, os.O_BINARY)
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
        console = PseudoConsole(json.loads(told))
    except OSError as error:
        _write(outward, frame(frames.FAILED, f"The shell cannot be started: {error}.".encode()))
        return 1
    threading.Thread(target=_listen, args=(console, inward, reader, waiting), daemon=True).start()
    telling = threading.Thread(target=_tell, args=(console, outward), daemon=True)
    telling.start()
    status = console.wait()
    console.close()
    telling.join()
    with contextlib.suppress(OSError):
        _write(outward, frame(frames.EXIT, str(status).encode()))
    return 0


class PseudoConsole:
    """One shell in a pseudo console. Raises ``OSError`` where there is none to be had."""

    def __init__(self, start: dict[str, Any]) -> None:
        self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        self._kernel.CreateJobObjectW.restype = ctypes.c_void_p
        self._lock = threading.Lock()
        made = ctypes.c_void_p()
        self._console: ctypes.c_void_p | None = made
        from_us, self.typed = os.pipe()
        self.printed, to_us = os.pipe()
        try:
            self._make_console(made, _Coord(start["columns"], start["rows"]), from_us, to_us)
        finally:
            os.close(from_us)
            os.close(to_us)
        self._process = self._start(start)

    def resize(self, columns: int, rows: int) -> None:
        """It is this large now."""
        with self._lock:
            if self._console is not None:
                self._kernel.ResizePseudoConsole(self._console, _Coord(columns, rows))

    def wait(self) -> int:
        """Wait for the shell to end; gives its exit code."""
        self._kernel.WaitForSingleObject(ctypes.c_void_p(self._process.process), _INFINITE)
        code = ctypes.c_uint32()
        self._kernel.GetExitCodeProcess(ctypes.c_void_p(self._process.process), ctypes.byref(code))
        return int(code.value)

    def close(self) -> None:
        """End what is left on the console; whoever reads it then comes to its end."""
        with self._lock:
            console, self._console = self._console, None
        if console is not None:
            self._kernel.ClosePseudoConsole(console)

    def _make_console(self, made: ctypes.c_void_p, size: _Coord, inward: int, outward: int) -> None:
        import msvcrt

        handles = [ctypes.c_void_p(msvcrt.get_osfhandle(each)) for each in (inward, outward)]
        result = self._kernel.CreatePseudoConsole(size, *handles, 0, ctypes.byref(made))
        if result != 0:
            raise OSError(f"this Windows gives no pseudo console ({result & 0xFFFFFFFF:#x})")

    def _start(self, start: dict[str, Any]) -> _ProcessInformation:
        kernel = self._kernel
        size = ctypes.c_size_t()
        kernel.InitializeProcThreadAttributeList(None, 1, 0, ctypes.byref(size))
        attributes = (ctypes.c_byte * size.value)()
        self._must(kernel.InitializeProcThreadAttributeList(attributes, 1, 0, ctypes.byref(size)))
        self._must(
            kernel.UpdateProcThreadAttribute(
                attributes,
                0,
                ctypes.c_size_t(_PSEUDOCONSOLE),
                self._console,
                ctypes.c_size_t(ctypes.sizeof(ctypes.c_void_p)),
                None,
                None,
            )
        )
        info = _StartupInfo(cb=ctypes.sizeof(_StartupInfo), attributes=ctypes.addressof(attributes))
        made = _ProcessInformation()
        environment = "".join(f"{name}={text}\0" for name, text in sorted(start["environment"].items())) + "\0"
        # Suspended until it is in the job: not even its first child gets away.
        flags = _EXTENDED_STARTUPINFO_PRESENT | _CREATE_UNICODE_ENVIRONMENT | _CREATE_SUSPENDED
        self._must(
            kernel.CreateProcessW(
                None,
                ctypes.create_unicode_buffer(subprocess.list2cmdline(start["command"])),
                None,
                None,
                False,
                flags,
                ctypes.create_unicode_buffer(environment),
                str(start["folder"]),
                ctypes.byref(info),
                ctypes.byref(made),
            )
        )
        job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
        limits = _ExtendedLimits(flags=_KILL_ON_JOB_CLOSE)
        self._must(kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)))
        self._must(kernel.AssignProcessToJobObject(job, ctypes.c_void_p(made.process)))
        kernel.ResumeThread(ctypes.c_void_p(made.thread))
        kernel.CloseHandle(ctypes.c_void_p(made.thread))
        return made

    @staticmethod
    def _must(done: int) -> None:
        if not done:
            raise ctypes.WinError(ctypes.get_last_error())


def _listen(console: PseudoConsole, inward: int, reader: FrameReader, waiting: list[tuple[bytes, bytes]]) -> None:
    found = waiting
    with contextlib.suppress(OSError, ValueError):
        while True:
            for kind, told in found:
                if kind == frames.INPUT:
                    _write(console.typed, told)
                elif kind == frames.RESIZE:
                    console.resize(*frames.SIZE.unpack(told))
                elif kind == frames.SIGNAL and told == b"INT":
                    _write(console.typed, CTRL_C)
                elif kind == frames.END:
                    os._exit(0)  # the job takes everything with it
            data = os.read(inward, PIECE)
            if not data:
                break
            found = reader.feed(data)
    os._exit(0)


def _tell(console: PseudoConsole, outward: int) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(console.printed, PIECE):
            _write(outward, frame(frames.OUTPUT, data))


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
