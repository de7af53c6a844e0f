"""The socket as roles get it: no connect, no disconnect, and nothing unverified (house E)."""

import inspect
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from borealis_agent.core.errors import AgentError
from borealis_agent.roles.guard import BLOCK_SECONDS, FAULTS, patiently, time_limit
from borealis_agent.roles.health import HealthBoard
from borealis_wire.events import DeviceEvent

AGENT_ONLY: Final[frozenset[str]] = frozenset(
    {
        DeviceEvent.CONNECT_AGENT,
        DeviceEvent.QUICK_JOB_OUTPUT,
        DeviceEvent.QUICK_JOB_RESULT,
    }
)
"""What only the agent itself tells the Engine. A result of a run that was handed to the role goes by the outbox."""
Handler = Callable[..., Any]
log = logging.getLogger(__name__)


class Door(Protocol):
    """The way to the Engine; ``link.Link`` fulfils it."""

    @property
    def connected(self) -> bool:
        """Whether the Engine hears us now."""

    async def emit(self, event: str, data: Any = None) -> None:
        """Send. Raises ``AgentError``."""

    async def call(self, event: str, data: Any = None, *, timeout: float = 15.0) -> Any:
        """Send and wait for the acknowledgement. Raises ``AgentError`` or ``TimeoutError``."""


class Listeners:
    """Which roles listen to which events, in upstream's way."""

    def __init__(self, health: HealthBoard, *, seconds: float = BLOCK_SECONDS) -> None:
        self._health = health
        self._seconds = seconds
        self._by_event: dict[str, list[tuple[str, Handler]]] = {}

    def add(self, role: str, event: str, handler: Handler) -> None:
        """One handler a role and event, as with the library itself: a later one takes the place of the earlier."""
        kept = [entry for entry in self._by_event.get(event, []) if entry[0] != role]
        self._by_event[event] = [*kept, (role, handler)]

    def remove_role(self, role: str) -> None:
        """Nothing of this role hears anything any more."""
        for event, entries in list(self._by_event.items()):
            self._by_event[event] = [entry for entry in entries if entry[0] != role]

    def overstepped(self, role: str, event: str) -> None:
        """A role sent what is not its to send; it was not sent."""
        self._health.degraded(role, "run", PermissionError(f"it sent {event}, which is the agent's own; not sent"))

    def hears(self, event: str) -> bool:
        """Whether somebody listens."""
        return bool(self._by_event.get(event))

    async def tell(self, event: str, payload: Any) -> Any:
        """Let every listener hear it; gives the first answer that is not None. One that fails stops no other."""
        answer: Any = None
        for role, handler in list(self._by_event.get(event, [])):
            try:
                with time_limit(self._seconds):
                    given = handler() if payload is None and not _takes_argument(handler) else handler(payload)
                given = await patiently(given, self._seconds)
            except FAULTS as error:  # whatever a drop-in does, the others go on
                self._health.degraded(role, "run", error)
                continue
            answer = given if answer is None else answer
        return answer


class RoleSocket:
    """Implements ``role_api.SocketPort`` for one role; has the few methods of python-socketio that roles use."""

    def __init__(self, role: str, listeners: Listeners, door: Callable[[], Door], told: Callable[[Any], bool]) -> None:
        self._role = role
        self._listeners = listeners
        self._door = door
        self._told = told

    @property
    def connected(self) -> bool:
        """Whether the Engine hears us now."""
        return self._door().connected

    def on(self, event: str, handler: Handler | None = None, namespace: str | None = None) -> Any:
        """Register a handler, directly or as a decorator. For sealed events it hears verified payloads only."""
        del namespace  # there is one

        def register(function: Handler) -> Handler:
            self._listeners.add(self._role, event, function)
            return function

        return register if handler is None else register(handler)

    def event(self, function: Handler) -> Handler:
        """Register a handler for the event of its own name."""
        self._listeners.add(self._role, getattr(function, "__name__", "event"), function)
        return function

    async def emit(self, event: str, data: Any = None, **options: Any) -> None:
        """Send; lost where there is no socket, as upstream's roles expect. Results of jobs are never lost."""
        if event in AGENT_ONLY:
            self._of_the_agent(event, data)
            return
        callback = options.get("callback")
        try:
            if callback is None:
                await self._door().emit(event, data)
                return
            answer = callback(await self._door().call(event, data))
            if inspect.isawaitable(answer):
                await answer
        except (AgentError, TimeoutError) as error:
            log.debug("-- %s: %s was not sent: %s", self._role, event, error)

    async def call(self, event: str, data: Any = None, *, timeout: float = 20.0, **_options: Any) -> Any:
        """Send and wait for the acknowledgement.

        Raises:
            TimeoutError: no answer in ``timeout`` seconds, or no socket.
        """
        if event in AGENT_ONLY:
            return {"status": "ok"} if self._of_the_agent(event, data) else {"status": "refused"}
        try:
            return await self._door().call(event, data, timeout=timeout)
        except AgentError as error:
            raise TimeoutError(str(error)) from error

    def _of_the_agent(self, event: str, data: Any) -> bool:
        """Whether this was the end of a run that the role was handed."""
        if event == DeviceEvent.QUICK_JOB_RESULT and self._told(data):
            return True
        self._listeners.overstepped(self._role, event)
        return False


def _takes_argument(handler: Handler) -> bool:
    try:
        return any(
            parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL}
            for parameter in inspect.signature(handler).parameters.values()
        )
    except (TypeError, ValueError):
        return True
