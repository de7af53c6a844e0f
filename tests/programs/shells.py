"""An operator's socket with shells, as the page has one, and programs of one machine that reach each other locally."""

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import socketio
from tests.programs.programs import EngineProgram
from tests.programs.web import web_session

SECONDS = 20.0


class Shell:
    """One shell as an operator sees it."""

    def __init__(self, desk: "Desk", guid: str, session_id: str = "") -> None:
        self.desk = desk
        self.guid = guid
        self.session_id = session_id or str(uuid.uuid4())
        self.text = ""
        self.seq = 0
        self.closed: dict[str, Any] | None = None
        self.hold: asyncio.Event | None = None
        """Output is acknowledged only once this is set."""
        desk.shells[self.session_id] = self

    async def open(self, **asked: Any) -> dict[str, Any]:
        """Open it, or with ``seen`` take it up again; gives the acknowledgement."""
        self.closed = None
        body = {"agent_id": self.guid, "session_id": self.session_id, **asked}
        answer = await self.desk.client.call("vpn_shell_open", body, timeout=45)
        assert isinstance(answer, dict)
        return answer

    async def type(self, text: str) -> dict[str, Any]:
        """Type."""
        body = {"session_id": self.session_id, "data": text}
        answer: dict[str, Any] = await self.desk.client.call("vpn_shell_send", body, timeout=SECONDS)
        return answer

    async def resize(self, columns: int, rows: int) -> None:
        """Another size."""
        body = {"session_id": self.session_id, "cols": columns, "rows": rows}
        await self.desk.client.call("vpn_shell_resize", body, timeout=SECONDS)

    async def close(self, **asked: Any) -> None:
        """Close it."""
        await self.desk.client.call("vpn_shell_close", {"session_id": self.session_id, **asked}, timeout=SECONDS)

    async def until(self, wanted: str | Callable[[str], bool], *, seconds: float = SECONDS) -> str:
        """Wait until it printed this; gives everything up to there, which is forgotten."""

        def found() -> int:
            if isinstance(wanted, str):
                at = self.text.find(wanted)
                return -1 if at < 0 else at + len(wanted)
            return len(self.text) if wanted(self.text) else -1

        await self.desk.until(lambda: found() >= 0, lambda: f"{wanted!r} in {self.text[-2000:]!r}", seconds)
        end = found()
        printed, self.text = self.text[:end], self.text[end:]
        return printed

    async def until_closed(self) -> dict[str, Any]:
        """Wait until it is over; gives what was told."""
        await self.desk.until(lambda: self.closed is not None, lambda: f"the end; {self.text[-500:]!r}", SECONDS)
        assert self.closed is not None
        return self.closed


class Desk:
    """An operator's socket."""

    def __init__(self, client: socketio.AsyncClient) -> None:
        self.client = client
        self.shells: dict[str, Shell] = {}
        self._changed = asyncio.Event()
        client.on("vpn_shell_output", self._output)
        client.on("vpn_shell_closed", self._closed)

    async def _output(self, told: dict[str, Any]) -> None:
        shell = self.shells[told["session_id"]]
        shell.text += told["data"]
        shell.seq = told["seq"]
        self._changed.set()
        if shell.hold is not None:
            await shell.hold.wait()

    async def _closed(self, told: dict[str, Any]) -> None:
        self.shells[told["session_id"]].closed = told
        self._changed.set()

    async def until(self, probe: Callable[[], bool], what: Callable[[], str], seconds: float) -> None:
        """Wait for something that only what arrives can bring about."""
        try:
            async with asyncio.timeout(seconds):
                while not probe():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited {seconds:.0f} s for {what()}") from None


@contextlib.asynccontextmanager
async def desk_at(engine: EngineProgram, *, token: str = "") -> AsyncIterator[Desk]:
    """Sit down as the Engine's owner, or with a token."""
    secret = token or (engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    tls = ssl.create_default_context(cafile=str(engine.ca_file))
    async with web_session(tls) as web:
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=web)
        desk = Desk(client)
        await client.connect(engine.url, headers={"Authorization": f"Bearer {secret}"}, transports=["websocket"])
        try:
            yield desk
        finally:
            await client.disconnect()
