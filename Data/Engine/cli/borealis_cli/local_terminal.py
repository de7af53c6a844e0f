"""The operator's own terminal while a remote shell has it: raw, with its size, and what is typed as it comes."""

import contextlib
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final, TextIO

READ_BYTES: Final = 8 * 1024
WAIT_SECONDS: Final = 0.25
END_OF_INPUT: Final = b"\x04"
_ESCAPE: Final = b"~."


class Leave(Exception):
    """The operator typed ``~.`` at the beginning of a line."""


class Typed:
    """What is typed, without the way out: ``~.`` after Enter. Pure."""

    def __init__(self) -> None:
        self._fresh = True
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What is to be sent of it. Raises ``Leave``."""
        passed = bytearray()
        for byte in data:
            each = bytes([byte])
            if self._held:
                if self._held + each == _ESCAPE:
                    raise Leave
                passed += self._held
                self._held = b""
            elif self._fresh and each == _ESCAPE[:1]:
                self._held = each
                continue
            passed += each
            self._fresh = each in {b"\r", b"\n"}
        return bytes(passed)


def size() -> tuple[int, int]:
    """Columns and rows of the window; 80 and 24 where there is none."""
    found = shutil.get_terminal_size()
    return max(1, min(found.columns, 1000)), max(1, min(found.lines, 1000))


@contextlib.contextmanager
def raw(stdin: TextIO) -> Iterator[bool]:
    """Hand every key through while this lasts; False where nobody sits at a terminal, and nothing is changed."""
    if sys.platform == "win32" or not stdin.isatty():
        yield False
        return
    import termios
    import tty

    descriptor = stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield True
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def resized(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` whenever the window's size changes, where the system says so."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGWINCH, lambda *_: tell())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def keys(stdin: TextIO, stopped: Callable[[], bool]) -> Iterator[bytes]:
    """What is typed, and now and then nothing, to see to other things; ends with the input or when stopped."""
    if sys.platform == "win32":
        # There is no waiting for a console and for something else at once: line by line.
        for line in stdin:
            if stopped():
                return
            yield line.encode("utf-8")
        return
    descriptor = stdin.fileno()
    while not stopped():
        ready, _, _ = select.select([descriptor], [], [], WAIT_SECONDS)
        if not ready:
            yield b""
            continue
        data = os.read(descriptor, READ_BYTES)
        if not data:
            return
        yield data
