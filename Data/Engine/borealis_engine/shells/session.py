"""One operator at one shell: what came of its output, and how it ends. Holds the connection, decides nothing."""

import codecs
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Protocol

from borealis_engine.activity import Use
from borealis_engine.devices import DeviceRecord
from borealis_engine.operators.permissions import Principal
from borealis_engine.shells.line import ShellLine
from borealis_wire import shell_lines
from borealis_wire.lines import BadLine

MAX_PIECE: Final = 64 * 1024
LOST: Final = "The connection to the device was lost. The shell lives on there for a few minutes."


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of output as text. ``seq``: how many bytes of the shell's output it is complete up to."""

    text: str
    seq: int


class Recorder(Protocol):
    """Hears what a shell prints; ``recording.Recording`` fulfils it."""

    recording_id: str

    def output(self, text: str) -> None:
        """It printed this. Never waits, never raises."""

    def resized(self, columns: int, rows: int) -> None:
        """It has this size now."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended. ``lost``: the shell may be there still, and can be taken up again."""

    reason: str
    status: int | None = None
    lost: bool = False


class Session:
    """An operator at a shell. ``principal`` is who opened it; nobody else ever gets it."""

    def __init__(
        self,
        *,
        session_id: str,
        guid: str,
        hostname: str,
        site_id: int | None,
        agent_id: str,
        principal: Principal,
        address: str,
        opened_at: float,
        record: DeviceRecord,
        recorder: Recorder | None = None,
    ) -> None:
        self.session_id = session_id
        self.guid = guid
        self.hostname = hostname
        self.site_id = site_id
        self.agent_id = agent_id
        self.principal = principal
        self.address = address
        self.opened_at = opened_at
        self.record = record
        """The device's, which is kept up to date."""
        self.recorder = recorder
        self.use: Use | None = None
        """Its row in activity."""
        self.user = ""
        self.shell = ""
        self.line: ShellLine | None = None
        self.ended: Ended | None = None
        self.alone_since: float | None = None
        """On the steady clock, while the operator is not connected."""
        self.on_record = False
        """The audit log has its end."""
        self.turn = 0
        """Counts connections of the operator; what belongs to an earlier one has no say any more."""
        self._recorded = 0

    def began(self, line: ShellLine) -> None:
        """A connection to the shell is there."""
        self.line = line
        self.ended = None
        self.alone_since = None
        self.user, self.shell = str(line.opened.get("user", ""))[:256], str(line.opened.get("shell", ""))[:64]

    async def outputs(self, turn: int) -> AsyncGenerator[Output, None]:
        """What the shell prints, until the session has ended, or another connection took this one's place.

        Asking for the next piece is what lets the device go on: who does not ask holds the shell up, and no other.
        """
        line = self.line
        assert line is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            position = shell_lines.seq_of(line.opened)
            while self.ended is None and self.turn == turn:
                message = await line.read()
                if message is None or self.turn != turn:
                    break
                if message["type"] == "stdout":
                    data, position = shell_lines.data_of(message), shell_lines.seq_of(message)
                    # What came together goes on together: each piece is acknowledged, which costs more than its bytes.
                    while len(data) < MAX_PIECE and (more := line.next_at_hand("stdout")) is not None:
                        data, position = data + shell_lines.data_of(more), shell_lines.seq_of(more)
                    text = decoder.decode(data)
                    held = len(decoder.getstate()[0])
                    if text:
                        self._record(text, position - held)
                        yield Output(text, position - held)
                elif message["type"] == "exit":
                    if rest := decoder.decode(b"", final=True):
                        yield Output(rest, position)
                    status = message.get("status")
                    self.end(Ended(str(message.get("reason") or "")[:500], status if isinstance(status, int) else 0))
        except (OSError, BadLine):
            pass
        if self.turn == turn:
            self.end(Ended(LOST, lost=True))

    def end(self, how: Ended) -> bool:
        """It ends like this; only the first word counts. True where this was it. Closes nothing."""
        if self.ended is not None:
            return False
        self.ended = how
        return True

    async def type(self, text: str) -> None:
        """Send what was typed. Lost where there is no connection, which the reader of outputs tells."""
        if self.line is not None and self.ended is None:
            with contextlib.suppress(OSError):
                await self.line.type(text.encode("utf-8", "replace"))

    async def resize(self, columns: int, rows: int) -> None:
        """The operator's window has this size now."""
        if self.line is not None and self.ended is None:
            if self.recorder is not None:
                self.recorder.resized(columns, rows)
            with contextlib.suppress(OSError):
                await self.line.write("resize", cols=columns, rows=rows)

    async def signal(self, name: str) -> None:
        """Send a signal to what runs in the foreground."""
        if self.line is not None and self.ended is None:
            with contextlib.suppress(OSError):
                await self.line.write("signal", name=name)

    def _record(self, text: str, seq: int) -> None:
        if self.recorder is None or seq <= self._recorded:
            return
        data = text.encode("utf-8", "replace")
        # What is sent again after a lost connection is in the recording already.
        known = max(0, self._recorded - (seq - len(data)))
        self.recorder.output(data[known:].decode("utf-8", "replace") if known else text)
        self._recorded = seq


@dataclass(frozen=True, slots=True)
class Seat:
    """The operator's connection to a session. Only the newest one counts."""

    session: Session
    turn: int

    @property
    def current(self) -> bool:
        """Whether no newer one took its place."""
        return self.session.turn == self.turn
