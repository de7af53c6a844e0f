"""Does what ``session`` decides: tokens, the socket, the greeting, waits. The only place that knows python-socketio."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import socketio
from engineio.base_client import connected_clients as engineio_clients

from borealis_agent.core.errors import AgentError, Fatal, Retryable
from borealis_agent.http import AgentHttpClient
from borealis_agent.link.ports import Inbox
from borealis_agent.link.session import (
    Action,
    Announce,
    CloseSocket,
    Event,
    GetToken,
    HelloAccepted,
    HelloRefused,
    OpenSocket,
    Say,
    SayHello,
    Session,
    SocketDown,
    SocketFailed,
    SocketUp,
    Started,
    State,
    Stopping,
    TokenFailed,
    TokenReady,
    Wait,
    WaitOver,
)
from borealis_base.clock import Clock
from borealis_wire import PROTOCOL_VERSION
from borealis_wire.events import SERVICE_MODES, DeviceEvent, EngineEvent
from borealis_wire.limits import MAX_MESSAGE_BYTES, MIB

CONNECT_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 2.0
CALL_SECONDS: Final = 15.0
_JOBS: Final = frozenset({EngineEvent.QUICK_JOB_RUN, EngineEvent.ANSIBLE_PLAYBOOK_RUN})
_CANCELS: Final = frozenset({EngineEvent.QUICK_JOB_CANCEL, EngineEvent.ANSIBLE_PLAYBOOK_CANCEL})

log = logging.getLogger(__name__)
_library_log = logging.getLogger("borealis.socketio")
_library_log.setLevel(logging.CRITICAL)  # what matters of it is said by ``session``, in words


class NotConnected(Retryable):
    """There is no socket now, or the Engine did not answer on it."""


class Link:
    """The socket of one agent; reconnects by itself as long as :meth:`run` runs."""

    def __init__(
        self,
        *,
        http: AgentHttpClient,
        inbox: Inbox,
        clock: Clock,
        rng: random.Random,
        hostname: Callable[[], str],
        wireguard_public_key: Callable[[], str] = str,
    ) -> None:
        self._http = http
        self._inbox = inbox
        self._clock = clock
        self._hostname = hostname
        self._wireguard_public_key = wireguard_public_key
        self._session = Session(rng)
        self._client: Any = None
        self._web: aiohttp.ClientSession | None = None
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._since = 0.0
        self._online = asyncio.Event()
        self._announced = False
        self._waiting: set[asyncio.Future[Any]] = set()
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def connected(self) -> bool:
        """Whether the Engine hears us now."""
        return self._online.is_set()

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener(online)`` at each change."""
        self._listeners.append(listener)

    async def emit(self, event: str, data: Any = None) -> None:
        """Send an event.

        Raises:
            NotConnected: nothing was sent.
        """
        if self._client is None or not self.connected:
            raise NotConnected("there is no socket to the Engine")
        await self._emit(event, data, None)

    async def call(self, event: str, data: Any = None, *, timeout: float = CALL_SECONDS) -> Any:
        """Send an event and give the Engine's acknowledgement.

        Raises:
            NotConnected: no socket, or it went before the answer came: it may have arrived or not.
            TimeoutError: no answer in ``timeout`` seconds.
        """
        if self._client is None or not self.connected:
            raise NotConnected("there is no socket to the Engine")
        return await self._call(event, data, timeout)

    async def run(self) -> None:
        """Keep a line; a supervised task that runs as long as the agent.

        Raises:
            Fatal: only a person can go on from here.
        """
        actions = self._session.handle(Started())
        try:
            while True:
                for action in actions:
                    await self._perform(action)
                actions = self._session.handle(await self._events.get())
        finally:
            self._session.handle(Stopping())
            self._announce(False)
            await self._close()

    # --- actions

    async def _perform(self, action: Action) -> None:
        match action:
            case Say(sentence, error):
                log.log(logging.ERROR if error else logging.INFO, "%s", sentence)
            case GetToken(renew):
                self._happened(await self._token(renew))
            case OpenSocket():
                self._happened(await self._open())
            case SayHello():
                self._happened(await self._greet())
            case CloseSocket():
                await self._close()
            case Announce(online):
                self._announce(online)
            case Wait(seconds):
                await self._clock.sleep(seconds)
                self._happened(WaitOver())

    def _happened(self, event: Event) -> None:
        self._events.put_nowait(event)

    async def _token(self, renew: bool) -> Event:
        try:
            await (self._http.renew() if renew else self._http.ensure_authenticated())
        except Fatal:
            raise
        except AgentError as error:
            return TokenFailed(str(error), getattr(error, "retry_after", None))
        return TokenReady()

    async def _open(self) -> Event:
        failure = SocketFailed()

        async def refused(data: Any = None) -> None:
            nonlocal failure
            failure = _read_refusal(data)

        async def down(reason: str = "") -> None:
            self._lost(client, reason)

        try:
            self._web = self._http.socket_session()
        except AgentError as error:
            return SocketFailed(detail=str(error))
        self._client = client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=self._web,
            request_timeout=CONNECT_SECONDS,
            logger=_library_log,
            engineio_logger=_library_log,
            websocket_extra_options={"max_msg_size": MAX_MESSAGE_BYTES + MIB},
        )
        client.on("connect_error", refused)
        client.on("disconnect", down)
        client.on("*", self._received)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.connect(
                    self._http.base_url,
                    headers=self._http.auth_headers(),
                    transports=["websocket"],
                    wait_timeout=CONNECT_SECONDS,
                )
        except TimeoutError:
            failure = SocketFailed(detail=f"no answer in {CONNECT_SECONDS:.0f} s")
        except (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, ValueError) as error:
            if not failure.code:
                failure = SocketFailed(detail=str(error) or type(error).__name__)
        else:
            self._since = self._clock.monotonic()
            return SocketUp()
        await self._close()
        return failure

    async def _greet(self) -> Event:
        hostname = self._hostname()
        hello = {
            "agent_id": self._http.agent_id(hostname),
            "service_mode": SERVICE_MODES[self._http.context],
            "hostname": hostname,
            "protocol_version": PROTOCOL_VERSION,
            "running": self._inbox.running_ids(),
        }
        if key := self._wireguard_public_key():
            hello["wireguard_public_key"] = key
        try:
            answer = await self._call(DeviceEvent.CONNECT_AGENT, hello, CALL_SECONDS)
        except (NotConnected, TimeoutError) as error:
            return HelloRefused(detail=str(error) or "no answer to connect_agent")
        if isinstance(answer, dict) and answer.get("status") == "ok":
            return HelloAccepted(str(answer.get("notice", ""))[:512])
        return _hello_refusal(answer)

    async def _close(self) -> None:
        client, web, self._client, self._web = self._client, self._web, None, None
        self._fail_waiting()
        if client is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.disconnect()
            _abandon(client)
        if web is not None:
            await web.close()

    def _announce(self, online: bool) -> None:
        if online and self._client is not None:
            self._online.set()
        elif not online:
            self._online.clear()
        if online == self._announced:
            return
        self._announced = online
        if online:
            self._inbox.session_began()
        for listener in self._listeners:
            listener(online)

    # --- what the library tells

    def _lost(self, client: Any, reason: str) -> None:
        if client is not self._client:
            return  # one that we hung up ourselves
        self._online.clear()  # at once: nobody may wait for an answer on it any more
        self._fail_waiting()
        self._happened(SocketDown(reason or "no reason", self._clock.monotonic() - self._since))

    async def _received(self, event: str, payload: Any = None, *_more: Any) -> Any:
        try:
            if event in _JOBS:
                return await self._inbox.job_arrived(payload)
            if event in _CANCELS:
                return await self._inbox.cancel_arrived(payload)
            if event == EngineEvent.SIGNING_KEYS_CHANGED:
                return await self._inbox.keys_arrived(payload)
            return await self._inbox.event_arrived(event, payload)
        except Exception:
            log.exception("event %s could not be handled", event)
            return None

    async def _emit(self, event: str, data: Any, callback: Callable[..., None] | None) -> None:
        try:
            await self._client.emit(event, data, callback=callback)
        except (socketio.exceptions.SocketIOError, AttributeError) as error:
            raise NotConnected("the socket has just gone") from error

    async def _call(self, event: str, data: Any, timeout: float) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(answer)

        def take(value: Any = None, *_more: Any) -> None:
            if not answer.done():
                answer.set_result(value)

        try:
            async with asyncio.timeout(timeout):
                await self._emit(event, data, take)
                return await answer
        finally:
            self._waiting.discard(answer)

    def _fail_waiting(self) -> None:
        for answer in list(self._waiting):
            if not answer.done():
                answer.set_exception(NotConnected("the socket went before the Engine answered"))


def _abandon(client: Any) -> None:
    """What the library keeps of a client that could not say good-bye, because nobody is at the other end any more."""
    for task in (client.eio.read_loop_task, client.eio.write_loop_task):
        if task is not None:
            task.cancel()
    with contextlib.suppress(ValueError):
        engineio_clients.remove(client.eio)


def _read_refusal(data: Any) -> SocketFailed:
    """What ``connect_error`` carries: ``{"message", "data": {"error", "detail"}}``, or only a text."""
    if not isinstance(data, dict):
        return SocketFailed(detail=str(data or "")[:512])
    inner = data.get("data")
    code = inner.get("error") if isinstance(inner, dict) else data.get("message")
    detail = inner.get("detail") if isinstance(inner, dict) else ""
    return SocketFailed(str(code or "")[:64], str(detail or "")[:512])


def _hello_refusal(answer: Any) -> HelloRefused:
    if not isinstance(answer, dict):
        return HelloRefused(detail="the answer to connect_agent cannot be read")
    return HelloRefused(str(answer.get("error", ""))[:64], str(answer.get("detail", ""))[:512])


__all__ = ["Link", "NotConnected", "State"]
