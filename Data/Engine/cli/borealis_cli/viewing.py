"""A desktop for a VNC viewer on this machine: one local TCP connection, carried by a WebSocket of the Engine's."""

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from borealis_cli.client import EngineClient
from borealis_cli.errors import FAILED, CliError
from borealis_cli.streams import address_of, explained, options_of
from borealis_cli.surroundings import Surroundings
from borealis_cli.text import clean

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

HERE: Final = "127.0.0.1"
PIECE: Final = 64 * 1024
LOOK_SECONDS: Final = 0.2
"""How often somebody who waits looks whether Ctrl-C was pressed."""


class LocalViewer:
    """One viewer at one desktop.

    Args:
        around: where to say what goes on.
        client: the Engine, as the operator.
        asked: what is asked of it, as its REST API has it.
    """

    def __init__(self, around: Surroundings, client: EngineClient, asked: dict[str, Any]) -> None:
        self._around = around
        self._client = client
        self._asked = asked
        self._opened = threading.Event()
        self._over = threading.Event()
        self._closed: dict[str, Any] = {}

    def run(self, port: int) -> int:
        """Wait for a viewer on ``port`` (0: any), and carry it to its end; gives the exit status.

        Raises:
            CliError: nobody can listen there, or the desktop is not to be had.
        """
        with self._viewer(port) as viewer:
            ticket = self._client.post("/api/desktop/session", self._asked)
            with _stream(self._client, ticket) as stream:
                reading = threading.Thread(target=self._from_engine, args=(stream, viewer), daemon=True)
                reading.start()
                self._to_engine(stream, viewer)
                with contextlib.suppress(Exception):
                    stream.close()
                reading.join()
        detail = clean(str(self._closed.get("detail") or "The desktop is closed."))
        if self._closed.get("error"):
            raise CliError(detail)
        self._around.note(detail)
        return 0 if self._opened.is_set() else FAILED

    @contextlib.contextmanager
    def _viewer(self, port: int) -> Any:
        try:
            listener = socket.create_server((HERE, port), backlog=1)
        except OSError as error:
            raise CliError(f"{HERE} port {port} cannot be listened on: {error.strerror or error}.") from error
        with listener:
            listener.settimeout(LOOK_SECONDS)
            number = listener.getsockname()[1]
            self._around.say(f"One VNC viewer may connect to {HERE} port {number} now. Ctrl-C ends it.")
            self._around.stdout.flush()
            viewer = None
            while viewer is None:
                with contextlib.suppress(TimeoutError):
                    viewer, _ = listener.accept()
        # Nobody else gets in behind it: the desktop is for who asked.
        with viewer:
            viewer.settimeout(None)
            yield viewer

    def _to_engine(self, stream: "ClientConnection", viewer: socket.socket) -> None:
        while not self._opened.wait(LOOK_SECONDS):
            if self._over.is_set():
                return
        with contextlib.suppress(Exception):  # however it ended: what the Engine said of it is heard by the other
            while data := viewer.recv(PIECE):
                stream.send(data)

    def _from_engine(self, stream: "ClientConnection", viewer: socket.socket) -> None:
        with contextlib.suppress(Exception):
            for frame in stream:
                if isinstance(frame, bytes):
                    viewer.sendall(frame)
                else:
                    self._hear(frame)
        self._over.set()
        with contextlib.suppress(OSError):
            viewer.shutdown(socket.SHUT_RDWR)

    def _hear(self, frame: str) -> None:
        told = json.loads(frame)
        if told.get("event") == "wait":
            self._around.note(f"{clean(str(told.get('why')))} ({told.get('seconds')} s)")
        elif told.get("event") == "opened":
            self._opened.set()
        elif told.get("event") == "closed":
            self._closed = told


@contextlib.contextmanager
def _stream(client: EngineClient, ticket: dict[str, Any]) -> Any:
    """The WebSocket that a ticket is for. Raises ``Unreachable``."""
    from websockets.sync.client import connect

    with explained(client):
        stream = connect(address_of(client, ticket), **options_of(client), ping_interval=None)
    with stream:
        yield stream
