"""Lets signed-in users' agents in, without giving those users anything of SYSTEM's (contract 2, threats 11).

All agents of a device share its GUID and its key, and it enrols once. But a user must never read the key or the
refresh token. So the SYSTEM agent alone holds them, and hands over what a user's agent needs and no more: an
access token of 15 minutes for the context ``interactive`` that names this user, and whom to trust. It does so on a
Unix socket, to an account that the kernel names (``SO_PEERCRED``): nobody says there who they are. The Engine knows a
user's name from the token alone, so no user's agent gets what is meant for another user.

It also keeps the journal of interactive runs, for every user of the device: a run that one user's agent has begun
does not begin again in another's.
"""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from borealis_agent.core.errors import AgentError
from borealis_agent.http import AgentHttpClient
from borealis_agent.identity import AccessToken
from borealis_agent.link.callers import STRANGERS, Callers, peer_uid, person_of
from borealis_agent.trust import check_user
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
ACCEPTED_AT_ONCE: Final = 256
QUEUE: Final = 1024
PAUSE_SECONDS: Final = 5.0
MAX_LENT: Final = 64
"""Users whose tokens are kept at hand; who comes back later than that many others gets a new one."""
_LISTEN_MODE: Final = 0o666
"""Anybody may knock; whom the kernel names is what decides."""

log = logging.getLogger(__name__)


class Lender(Protocol):
    """Where tokens for the interactive context come from; :class:`TokenLender` fulfils it."""

    @property
    def guid(self) -> str:
        """This device's GUID."""

    async def lend(self, user: str, *, renew: bool) -> AccessToken:
        """A fresh access token that names ``user``, with ``renew`` not the last one again. Raises ``AgentError``."""


class TokenLender:
    """Lends the tokens of one ``AgentHttpClient`` for each user, made when that user first asks."""

    def __init__(self, *, make: Callable[[str], AgentHttpClient], guid: Callable[[], str], clock: Clock) -> None:
        self._make = make
        self._guid = guid
        self._clock = clock
        self._clients: dict[str, AgentHttpClient] = {}

    @property
    def guid(self) -> str:
        """This device's GUID."""
        return self._guid()

    async def lend(self, user: str, *, renew: bool) -> AccessToken:
        """A fresh access token that names ``user``. Raises ``AgentError``."""
        client = self._clients.pop(user, None) or self._make(user)
        self._clients[user] = client  # last in the order: lent most lately
        while len(self._clients) > MAX_LENT:
            await self._clients.pop(next(iter(self._clients))).close()
        # Enrolled anew since: the token at hand is of a device that is not ours any more.
        renew = renew or client.guid != self._guid()
        token = await (client.renew() if renew else client.ensure_authenticated())
        if client.access is not None and client.access.token == token:
            return client.access
        return AccessToken(token, self._clock.now() + REFRESH_EARLY_SECONDS + 1, user)

    async def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            await client.close()


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
        person: Callable[[int], str | None] = person_of,
    ) -> None:
        self._path = path
        self._lender = lender
        self._pinned = pinned
        self._trusted = trusted
        self._claim = claim
        self._clock = clock
        self._person = person
        self._callers = Callers()

    async def run(self) -> None:
        """Serve as long as the agent runs; an agent that cannot have the socket goes on without it and says so."""
        if sys.platform == "win32":
            return  # there both agents use one folder, whose access list names the users
        try:
            listener = _listen(self._path)
        except OSError as error:
            log.error("the signed-in user's agent cannot be let in at %s: %s", self._path, error)
            return
        loop = asyncio.get_running_loop()
        async with Supervisor() as tasks:
            loop.add_reader(listener, self._answer_door, listener, tasks)
            try:
                await asyncio.Event().wait()
            finally:
                loop.remove_reader(listener)
                listener.close()
                self._path.unlink(missing_ok=True)

    def _answer_door(self, listener: socket.socket, tasks: Supervisor) -> None:
        """Let in or turn away all who wait, at once: a queue that one user fills would shut out the others."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no file descriptor is left: some may be in a moment
                loop = asyncio.get_running_loop()
                loop.remove_reader(listener)
                tasks.start("let users' agents in again", self._try_again(listener, tasks))
                log.warning("users' agents cannot be let in for a moment: %s", error)
                return
            uid = peer_uid(connection)
            user = self._admit(uid)
            if user is None:
                connection.close()
            else:
                connection.setblocking(False)
                tasks.start("a user's agent", self._serve(connection, uid, user))

    async def _try_again(self, listener: socket.socket, tasks: Supervisor) -> None:
        await self._clock.sleep(PAUSE_SECONDS)
        asyncio.get_running_loop().add_reader(listener, self._answer_door, listener, tasks)

    async def _serve(self, connection: socket.socket, uid: int, user: str) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=connection, limit=MAX_LINE_BYTES)
            try:
                await self._converse(uid, user, reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            if self._callers.worth_a_line(uid, self._clock.monotonic()):
                log.warning("the agent of %s was cut off: %s", user, error)
        finally:
            if self._callers.leave(uid):
                log.debug("-- %s has no agent here any more", user)

    def _admit(self, uid: int) -> str | None:
        now = self._clock.monotonic()
        # Counted first: whoever floods is turned away before the account is looked up.
        if not self._callers.enter(uid, now):
            if self._callers.worth_a_line(uid, now):
                log.warning("uid %d has too many connections to this agent; further ones are refused", uid)
            return None
        user = self._person(uid)
        if user is None:
            self._callers.forget(uid)
            if self._callers.worth_a_line(STRANGERS, now):
                log.warning("uid %d asked for a user's agent's token and is not a person who signs in; refused", uid)
        return user

    async def _converse(self, uid: int, user: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if not self._callers.may_ask(uid, self._clock.monotonic()):
                raise ValueError("it asks too often")
            answer = await self._answer(uid, user, line)
            writer.write(json.dumps(answer).encode("ascii") + b"\n")
            await writer.drain()

    async def _answer(self, uid: int, user: str, line: bytes) -> dict[str, Any]:
        request = strict_json.loads(line, max_bytes=MAX_LINE_BYTES)
        if not isinstance(request, dict):
            raise ValueError("a request is an object")
        match request.get("op"):
            case "token":
                renew = request.get("renew") is True
                if renew and not self._callers.may_renew(uid, self._clock.monotonic()):
                    return _error("too_often", "another token was asked for too often", 60.0)
                return await self._token(user, renew=renew)
            case "claim":
                return await self._claimed(user, request.get("envelope"))
        return _error("unknown_request", "the SYSTEM agent knows no such request", 300.0)

    async def _token(self, user: str, *, renew: bool) -> dict[str, Any]:
        try:
            access = await self._lender.lend(user, renew=renew)
        except AgentError as error:
            return _error("no_token", str(error), getattr(error, "retry_after", None) or 15.0)
        return {
            "status": "ok",
            "guid": self._lender.guid,
            "access_token": access.token,
            "expires_at": access.expires_at,
            "user": user,
            "pinned": self._pinned(),
        }

    async def _claimed(self, user: str, envelope: Any) -> dict[str, Any]:
        try:
            order = self._opened(envelope)
            if order.device_guid != self._lender.guid:
                raise Refused(RefusalCode.WRONG_DEVICE, "sealed for another device")
            if order.context is not RunContext.INTERACTIVE:
                raise Refused(RefusalCode.WRONG_CONTEXT, "only interactive runs are claimed here")
            check_user(order.user, user)
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


def _listen(path: Path) -> socket.socket:
    if sys.platform == "win32":
        raise OSError("there are no such sockets here")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(_LISTEN_MODE)
        listener.listen(QUEUE)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _error(code: str, detail: str, retry_after: float) -> dict[str, Any]:
    return {"status": "error", "error": code, "detail": detail, "retry_after": retry_after}
