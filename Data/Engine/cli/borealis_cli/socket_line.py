"""The Engine's socket for one command: Socket.IO's few frames over a WebSocket, in one thread beside the caller's."""

import contextlib
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from borealis_cli.errors import Refusal, Unreachable
from borealis_cli.places import Target
from borealis_cli.trust import pinned_context

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
MAX_MESSAGE: Final = 1024 * 1024

Hear = Callable[[str, dict[str, Any]], None]


class SocketLine:
    """One connection. ``hear`` is called with each event in the line's own thread, and acknowledges by returning."""

    def __init__(self, socket: "ClientConnection", hear: Hear) -> None:
        self._socket = socket
        self._hear = hear
        self._answers: dict[int, tuple[threading.Event, list[Any]]] = {}
        self._next = 0
        self._lock = threading.Lock()
        self.closed = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    @classmethod
    def connect(cls, target: Target, hear: Hear) -> Self:
        """Connect as the operator of ``target``.

        Raises:
            Unreachable: no answer, or another certificate than the pinned one.
            Refusal: not signed in.
        """
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        parts = urlsplit(target.url)
        url = f"wss://{parts.netloc}/socket.io/?EIO=4&transport=websocket"
        try:
            socket = connect(
                url,
                ssl=pinned_context(target.ca_pem),
                additional_headers={"Authorization": f"Bearer {target.token}"},
                compression=None,
                proxy=None,
                open_timeout=CONNECT_SECONDS,
                ping_interval=None,
                max_size=MAX_MESSAGE,
            )
            opening = socket.recv(CONNECT_SECONDS)
            socket.send("40")
            answer = str(socket.recv(CONNECT_SECONDS))
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Unreachable(f"The Engine at {target.url} opens no socket ({error}).") from error
        if not str(opening).startswith("0") or not answer.startswith("40"):
            socket.close()
            raise _refused(answer)
        line = cls(socket, hear)
        line._thread.start()
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self._socket.close()

    def call(self, event: str, payload: Any, *, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Send an event and wait for its acknowledgement.

        Raises:
            Refusal: the Engine said no.
            Unreachable: the connection is lost, or no answer came.
        """
        done, box = threading.Event(), []  # type: ignore[var-annotated]
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._answers[number] = (done, box)
        try:
            self._send(f"42{number}{json.dumps([event, payload], ensure_ascii=False)}")
            if not done.wait(seconds) or not box:
                raise Unreachable("The connection to the Engine was lost, or it does not answer.")
        finally:
            self._answers.pop(number, None)
        answer = box[0] if isinstance(box[0], dict) else {}
        if answer.get("status") != "ok":
            code = str(answer.get("error") or "")
            raise Refusal(403 if code == "forbidden" else 409, code, str(answer.get("detail") or "The Engine said no."))
        return answer

    # --- in the line's own thread

    def _read(self) -> None:
        with contextlib.suppress(Exception):  # however it ended: it ended, and whoever waits is told so
            for frame in self._socket:
                if isinstance(frame, str):
                    self._take(frame)
        self.closed.set()
        for done, _ in list(self._answers.values()):
            done.set()

    def _take(self, frame: str) -> None:
        if frame == "2":
            self._send("3")
        elif frame.startswith("43"):
            number, data = _numbered(frame[2:])
            waiting = self._answers.get(-1 if number is None else number)
            if waiting is not None and isinstance(data, list):
                waiting[1].append(data[0] if data else None)
                waiting[0].set()
        elif frame.startswith("42"):
            number, data = _numbered(frame[2:])
            if isinstance(data, list) and len(data) > 1 and isinstance(data[1], dict):
                self._hear(str(data[0]), data[1])
            if number is not None:
                self._send(f"43{number}[]")

    def _send(self, frame: str) -> None:
        try:
            self._socket.send(frame)
        except Exception as error:
            raise Unreachable("The connection to the Engine was lost.") from error


def _numbered(text: str) -> tuple[int | None, Any]:
    digits = len(text) - len(text.lstrip("0123456789"))
    return (int(text[:digits]) if digits else None), json.loads(text[digits:])


def _refused(answer: str) -> Refusal:
    with contextlib.suppress(ValueError, AttributeError):
        told = json.loads(answer[2:])["data"]
        return Refusal(401, str(told["error"]), str(told["detail"]))
    return Refusal(401, "unauthorized", "The Engine let this socket not in. Sign in: borealis login URL")
