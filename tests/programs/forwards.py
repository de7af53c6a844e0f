"""``borealis forward`` as a program, and a server on the device's loopback for it to reach."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.programs.programs import DATA, base_environment, wait_for

SECONDS = 30.0
LEADS = re.compile(r"^(?:\[.*\]|[^\s\[\]]+):(\d+) leads to ", re.MULTILINE)


class Forwarding:
    """``borealis forward`` while it runs."""

    def __init__(self, root: Path, *words: str, before: tuple[str, ...] = ()) -> None:
        path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
        environment = {**base_environment(), "BOREALIS_ROOT": str(root), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        # Ctrl-C is heard also where the tests themselves run in the background, which has it ignored.
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", *before, sys.executable, "-m", "borealis_cli", "forward", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out = self.err = ""
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in ("out", "err")]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        stream = self.process.stdout if name == "out" else self.process.stderr
        assert stream is not None
        for text in stream:
            setattr(self, name, getattr(self, name) + text)

    def ports(self, count: int = 1) -> list[int]:
        """Where it listens, once it does."""

        def found() -> list[int]:
            assert self.process.poll() is None, self.out + self.err
            ports = [int(port) for port in LEADS.findall(self.out)]
            return ports if len(ports) >= count else []

        return wait_for(f"{count} forwards", found, seconds=60)

    def ended(self) -> int:
        """Its exit status, once it has one."""
        status = self.process.wait(SECONDS)
        for reader in self._readers:
            reader.join()
        return status

    def interrupt(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    def close(self) -> None:
        """However it stands."""
        if self.process.poll() is None:
            self.process.kill()
        self.ended()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def forwarding(root: Path, *words: str, before: tuple[str, ...] = ()) -> Iterator[Forwarding]:
    """Run it; it is gone afterwards."""
    program = Forwarding(root, *words, before=before)
    try:
        yield program
    finally:
        program.close()


@contextlib.contextmanager
def tcp_server(serve: Callable[[socket.socket], Any]) -> Iterator[int]:
    """A server on loopback, a thread for each connection; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(SECONDS)
        for thread in threads:
            thread.join(SECONDS)


def read_all(connection: socket.socket) -> bytes:
    """To the end. Raises ``OSError`` where it broke."""
    heard = bytearray()
    while data := connection.recv(65536):
        heard += data
    return bytes(heard)
