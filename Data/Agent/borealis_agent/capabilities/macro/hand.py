"""Types, in the child process (see ``asking``): one request, one answer, and an end in good order.

A request is ``{"handle", "title", "take"}`` (see ``Hand.aim``) with ``keys``, the name of a key, or ``text``. Whoever
asked ends it by closing the pipe, or by ending themselves: typing stops after the key under way, and nothing is left
pressed.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Final, Protocol

from borealis_agent.capabilities.framing import framed
from borealis_agent.capabilities.macro.errors import CannotType, Stopped
from borealis_wire.key_names import Chord, parse_chord

LEAVE_SECONDS: Final = 3.0
"""A screen that does not answer keeps this process no longer than that, once nobody asks any more."""
_NO_LIBRARY: Final = "The agent lacks what it types with ({name}). Install the agent again; its requirements name it."


class Hand(Protocol):
    """Types on one kind of desktop; the methods raise ``CannotType`` and ``Stopped``."""

    def aim(self, handle: int, title: str, *, take: bool) -> None:
        """Choose the window to type into; ``take``: give it the focus."""

    def press(self, chord: Chord) -> None:
        """Press and release a key."""

    def type(self, text: str) -> None:
        """Type a text."""

    def close(self) -> None:
        """Leave the keyboard as it was. Never raises."""


class Typist:
    """Keeps the hand from one request to the next."""

    def __init__(self, stop: Callable[[], bool], make: Callable[[Callable[[], bool]], Hand] | None = None) -> None:
        self._stop = stop
        self._make = make or _hand_here
        self._hand: Hand | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """``{}``, or ``{"error": sentence}``. Never raises."""
        try:
            if self._hand is None:
                self._hand = self._make(self._stop)
            self._hand.aim(request["handle"], request["title"], take=request["take"])
            if "keys" in request:
                self._hand.press(parse_chord(request["keys"]))
            else:
                self._hand.type(request["text"])
        except CannotType as error:
            return {"error": str(error)}
        except Stopped:
            return {"error": "It was stopped."}
        except ImportError as error:
            return {"error": _NO_LIBRARY.format(name=error.name or error)}
        except Exception as error:  # noqa: BLE001  # whatever a desktop does, the answer says so
            return {"error": f"The desktop does not let it type: {str(error).strip() or type(error).__name__}."}
        return {}

    def close(self) -> None:
        """Leave the keyboard as it was."""
        if self._hand is not None:
            self._hand.close()


def serve(requests: BinaryIO, answers: BinaryIO) -> int:
    """Answer until nobody asks any more."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    over = threading.Event()
    threading.Thread(target=_read, args=(requests, lines, over), daemon=True).start()
    typist = Typist(over.is_set)
    while (line := lines.get()) is not None:
        answer = framed(typist.answer(json.loads(line)))
        try:
            answers.write(answer)
            answers.flush()
        except OSError:  # whoever asked is gone: the end of the requests comes next
            continue
    typist.close()
    return 0


def _read(requests: BinaryIO, lines: "queue.SimpleQueue[bytes | None]", over: threading.Event) -> None:
    """In a thread of its own: the end is heard while a text is being typed."""
    for line in requests:
        lines.put(line)
    over.set()
    lines.put(None)
    time.sleep(LEAVE_SECONDS)
    os._exit(1)


def _hand_here(stop: Callable[[], bool]) -> Hand:
    if sys.platform == "win32":
        from borealis_agent.capabilities.macro.win32 import WindowsHand

        return WindowsHand(stop)
    else:  # noqa: RET505  # the type check for Windows then passes over it
        from borealis_agent.capabilities.macro.x11 import XHand

        return XHand(stop)
