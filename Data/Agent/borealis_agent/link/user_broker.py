"""Lets the signed-in user's agent in, without giving that user anything of SYSTEM's (contract 2, threats 11).

Both agents of a device share its GUID and its key, and it enrols once. But a user must never read the key or the
refresh token. So the SYSTEM agent alone holds them, and hands over what the user's agent needs and no more: an
access token of 15 minutes for the context ``interactive``, and whom to trust. It does so on a Unix socket, to an
account that the kernel names (``SO_PEERCRED``), and to one account at a time.

It also keeps the journal of interactive runs, for every user of the device: a run that one user's agent has begun
does not begin again in another's.
"""

import asyncio
import contextlib
import json
import logging
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from borealis_agent.core.errors import AgentError
from borealis_agent.http import AgentHttpClient
from borealis_agent.identity import AccessToken, TokenVault
from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_wire import strict_json
from borealis_wire.envelope import JOB_TYPE, SCREEN_TYPE, open_envelope
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.keys import VerifyKey
from borealis_wire.limits import KIB, MAX_ENVELOPE_PAYLOAD_BYTES, REFRESH_EARLY_SECONDS
from borealis_wire.orders import JobOrder, parse_job
from borealis_wire.refusal import Refused
from borealis_wire.screen import ScreenOrder, parse_screen

SOCKET_NAME: Final = "user-broker.sock"
MAX_LINE_BYTES: Final = 2 * MAX_ENVELOPE_PAYLOAD_BYTES + 64 * KIB
MAX_CONNECTIONS: Final = 16
FIRST_USER_UID: Final = 1000
NOBODY_UID: Final = 65534
REQUESTS_A_MINUTE: Final = 600
_LISTEN_MODE: Final = 0o666
"""Anybody may knock; whom the kernel names is what decides."""

log = logging.getLogger(__name__)


class Lender(Protocol):
    """Where tokens for the interactive context come from; :class:`TokenLender` fulfils it."""

    @property
    def guid(self) -> str:
        """This device's GUID."""

    async def lend(self, *, renew: bool) -> AccessToken:
        """A fresh access token, with ``renew`` another one than last time. Raises ``AgentError``."""


class TokenLender:
    """Lends the tokens of an ``AgentHttpClient`` of the interactive context, made when somebody first asks."""

    def __init__(self, *, make: Callable[[], AgentHttpClient], vault: Callable[[], TokenVault], clock: Clock) -> None:
        self._make = make
        self._vault = vault
        self._clock = clock
        self._client: AgentHttpClient | None = None

    @property
    def guid(self) -> str:
        """This device's GUID."""
        return self._http.guid

    async def lend(self, *, renew: bool) -> AccessToken:
        """A fresh access token. Raises ``AgentError``."""
        token = await (self._http.renew() if renew else self._http.ensure_authenticated())
        stored = self._vault().load_access(RunContext.INTERACTIVE)
        if stored is not None and stored.token == token:
            return stored
        return AccessToken(token, self._clock.now() + REFRESH_EARLY_SECONDS + 1)

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()

    @property
    def _http(self) -> AgentHttpClient:
        if self._client is None:
            self._client = self._make()
        return self._client


Claim = Callable[[JobOrder | ScreenOrder], Awaitable[None]]
"""Journals an interactive run, or a look at the screen, as begun. Raises ``Refused`` or ``OSError``."""


class UserBroker:
    """The SYSTEM agent's end."""

    def __init__(
        self,
        path: Path,
        *,
        lender: Lender,
        pinned: Callable[[], dict[str, Any]],
        trusted: Callable[[], Mapping[str, VerifyKey]],
        claim: Claim,
        clock: Clock,
        may_enter: Callable[[int], bool] | None = None,
    ) -> None:
        self._path = path
        self._lender = lender
        self._pinned = pinned
        self._trusted = trusted
        self._claim = claim
        self._clock = clock
        self._may_enter = may_enter or is_person
        self._holder: int | None = None
        self._connections: dict[int, int] = {}

    async def run(self) -> None:
        """Serve as long as the agent runs; an agent that cannot have the socket goes on without it and says so."""
        if sys.platform == "win32":
            return  # there both agents use one folder, whose access list names the users
        try:
            listener = _listen(self._path)
        except OSError as error:
            log.error("the signed-in user's agent cannot be let in at %s: %s", self._path, error)
            return
        async with Supervisor() as tasks:
            loop = asyncio.get_running_loop()
            try:
                while True:
                    connection, _ = await loop.sock_accept(listener)
                    connection.setblocking(False)
                    tasks.start("a user's agent", self._serve(connection))
            finally:
                listener.close()
                self._path.unlink(missing_ok=True)

    async def _serve(self, connection: socket.socket) -> None:
        uid = peer_uid(connection)
        if not self._admit(uid):
            connection.close()
            return
        reader, writer = await asyncio.open_connection(sock=connection, limit=MAX_LINE_BYTES)
        try:
            await self._converse(uid, reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.warning("the agent of uid %d was cut off: %s", uid, error)
        finally:
            self._leave(uid)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _admit(self, uid: int) -> bool:
        if not self._may_enter(uid):
            log.warning("uid %d asked for the user's agent's token and is not a person who signs in; refused", uid)
            return False
        if sum(self._connections.values()) >= MAX_CONNECTIONS:
            return False
        self._connections[uid] = self._connections.get(uid, 0) + 1
        if self._holder is None:
            self._holder = uid
            log.info("uid %d is the signed-in user of this device now", uid)
        return True

    def _leave(self, uid: int) -> None:
        self._connections[uid] -= 1
        if self._connections[uid] == 0:
            del self._connections[uid]
            if self._holder == uid:
                self._holder = next(iter(self._connections), None)

    async def _converse(self, uid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began, count = self._clock.monotonic(), 0
        while line := await reader.readline():
            if self._clock.monotonic() - began > 60:
                began, count = self._clock.monotonic(), 0
            count += 1
            if count > REQUESTS_A_MINUTE:
                raise ValueError("it asks too often")
            answer = await self._answer(uid, line)
            writer.write(json.dumps(answer).encode("ascii") + b"\n")
            await writer.drain()

    async def _answer(self, uid: int, line: bytes) -> dict[str, Any]:
        request = strict_json.loads(line, max_bytes=MAX_LINE_BYTES)
        if not isinstance(request, dict):
            raise ValueError("a request is an object")
        if uid != self._holder:
            return _error("in_use", "another user is signed in on this device; one at a time has an agent", 60.0)
        match request.get("op"):
            case "token":
                return await self._token(renew=request.get("renew") is True)
            case "claim":
                return await self._claimed(request.get("envelope"))
        return _error("unknown_request", "the SYSTEM agent knows no such request", 300.0)

    async def _token(self, *, renew: bool) -> dict[str, Any]:
        try:
            access = await self._lender.lend(renew=renew)
        except AgentError as error:
            return _error("no_token", str(error), getattr(error, "retry_after", None) or 15.0)
        return {
            "status": "ok",
            "guid": self._lender.guid,
            "access_token": access.token,
            "expires_at": access.expires_at,
            "pinned": self._pinned(),
        }

    async def _claimed(self, envelope: Any) -> dict[str, Any]:
        try:
            order = self._opened(envelope)
            if order.device_guid != self._lender.guid:
                raise Refused(RefusalCode.WRONG_DEVICE, "sealed for another device")
            if order.context is not RunContext.INTERACTIVE:
                raise Refused(RefusalCode.WRONG_CONTEXT, "only interactive runs are claimed here")
            if order.expires_at <= self._clock.now():
                raise Refused(RefusalCode.EXPIRED, "expired")
            await self._claim(order)
        except Refused as refusal:
            return {"status": "refused", "reason": refusal.code.value, "detail": refusal.detail}
        except OSError as error:
            return _error("disk", f"the journal cannot be written ({error})", 30.0)
        return {"status": "ok"}

    def _opened(self, envelope: Any) -> JobOrder | ScreenOrder:
        if isinstance(envelope, dict) and envelope.get("payloadType") == SCREEN_TYPE:
            return parse_screen(open_envelope(envelope, expected_type=SCREEN_TYPE, trusted=self._trusted()).payload)
        return parse_job(open_envelope(envelope, expected_type=JOB_TYPE, trusted=self._trusted()).payload)


def peer_uid(connection: socket.socket) -> int:
    """Who is at the other end, by the kernel's word; -1 where it does not say."""
    if sys.platform != "linux":
        return -1
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def is_person(uid: int) -> bool:
    """Whether a user id is an account that somebody signs in to: not root, no service, with a shell."""
    if not FIRST_USER_UID <= uid < NOBODY_UID or sys.platform == "win32":
        return False
    import pwd

    try:
        shell = pwd.getpwuid(uid).pw_shell
    except KeyError:
        return False
    return Path(shell).name not in {"nologin", "false", ""}


def _listen(path: Path) -> socket.socket:
    if sys.platform == "win32":
        raise OSError("there are no such sockets here")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(_LISTEN_MODE)
        listener.listen(8)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _error(code: str, detail: str, retry_after: float) -> dict[str, Any]:
    return {"status": "error", "error": code, "detail": detail, "retry_after": retry_after}
