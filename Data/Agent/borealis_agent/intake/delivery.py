"""Sends results until the Engine has acknowledged them: by the socket, or by REST where there is none (contract 4)."""

import asyncio
import logging
import random
from collections import deque
from typing import Any, Final

import msgspec

from borealis_agent.core.errors import AgentError, Fatal, Retryable
from borealis_agent.http import RequestRejected
from borealis_agent.intake.ports import Door
from borealis_agent.intake.ports import Rest as RestPort
from borealis_agent.outbox import Spool
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_wire.events import DeviceEvent, Rest
from borealis_wire.messages import JobResult

MAX_IN_FLIGHT: Final = 4
MAX_MENTIONS: Final = 256
ACK_SECONDS: Final = 20.0
SHORTEN_AFTER: Final = 3
GIVE_UP_AFTER: Final = 6

log = logging.getLogger(__name__)


class Delivery:
    """Drives the outbox. ``keep`` and ``mention`` never wait; :meth:`run` does the sending."""

    def __init__(self, *, spool: Spool, door: Door, rest: RestPort, clock: Clock, rng: random.Random) -> None:
        self._spool = spool
        self._door = door
        self._rest = rest
        self._clock = clock
        self._rng = rng
        self._backoff = Backoff(first=1.0, longest=60.0)
        self._wake = asyncio.Event()
        self._mentions: deque[JobResult] = deque(maxlen=MAX_MENTIONS)
        self._in_flight: set[str] = set()
        self._rejected: dict[str, int] = {}
        self._not_before = 0.0
        self._tasks: Supervisor | None = None

    def keep(self, result: JobResult) -> None:
        """Put a result into the outbox and send it; the two do not wait for each other."""
        self._spool.add_result(result)
        self._pump()

    def mention(self, result: JobResult) -> None:
        """Send a refusal once; bounded, so that a flood of forged jobs costs nothing."""
        self._mentions.append(result)
        self._pump()

    def session_began(self) -> None:
        """The Engine hears us again: send everything that waits, now."""
        self._backoff.reset()
        self._not_before = 0.0
        self._pump()

    async def run(self) -> None:
        """Send as long as the agent runs."""
        async with Supervisor() as tasks:
            self._tasks = tasks
            try:
                while True:
                    self._wake.clear()
                    self._pump()
                    await self._wake.wait()
                    pause = self._not_before - self._clock.monotonic()
                    if pause > 0:
                        await self._clock.sleep(pause)
                    self._spool.write_again()
            finally:
                self._tasks = None

    async def flush(self, seconds: float) -> None:
        """Give what waits a last chance; used when the agent ends."""
        deadline = self._clock.monotonic() + seconds
        while self._door.connected and self._spool.waiting() and self._clock.monotonic() < deadline:
            self._pump()
            await self._clock.sleep(0.02)

    def _pump(self) -> None:
        tasks = self._tasks
        if tasks is None or self._clock.monotonic() < self._not_before:
            self._wake.set()
            return
        while self._mentions and len(self._in_flight) < MAX_IN_FLIGHT:
            result = self._mentions.popleft()
            name = f"refusal {result.run_id} {id(result)}"
            self._in_flight.add(name)
            tasks.start("send a refusal", self._send_mention(name, result))
        for run_id in self._spool.waiting():
            if len(self._in_flight) >= MAX_IN_FLIGHT:
                break
            if run_id not in self._in_flight:
                self._in_flight.add(run_id)
                tasks.start(f"send result {run_id}", self._send(run_id))

    async def _send_mention(self, name: str, result: JobResult) -> None:
        try:
            await self._deliver(result)
        except AgentError as error:
            log.debug("-- a refusal was not heard: %s", error)
        finally:
            self._in_flight.discard(name)
            self._pump()

    async def _send(self, run_id: str) -> None:
        try:
            result = await self._spool.result(run_id)
            if result is None:
                self._spool.acknowledged(run_id)  # it cannot be read back any more, which was logged
                return
            if self._rejected.get(run_id, 0) >= SHORTEN_AFTER:
                result = shortened(result)
            await self._deliver(result)
        except Retryable as error:
            self._later(error)
        except RequestRejected as error:
            self._was_rejected(run_id, error)
        except Fatal as error:
            log.error("results cannot be sent: %s", error.diagnostics())
            self._later(Retryable("", retry_after=60.0))
        except AgentError as error:
            self._later(Retryable(str(error)))
        else:
            self._rejected.pop(run_id, None)
            self._backoff.reset()
            self._spool.acknowledged(run_id)
        finally:
            self._in_flight.discard(run_id)
            self._pump()

    async def _deliver(self, result: JobResult) -> None:
        """Return when the Engine has it.

        Raises:
            Retryable: not now. RequestRejected: not like this.
        """
        payload: dict[str, Any] = msgspec.structs.asdict(result)
        if not self._door.connected:
            _check_answer(await self._rest.post_json(Rest.SCRIPT_RESULT, payload))
            return
        try:
            answer = await self._door.call(DeviceEvent.QUICK_JOB_RESULT, payload, timeout=ACK_SECONDS)
        except TimeoutError as error:
            raise Retryable("the Engine did not acknowledge a result in time") from error
        _check_answer(answer)

    def _later(self, error: Retryable) -> None:
        delay = max(self._backoff.next_delay(self._rng), error.retry_after or 0.0)
        self._not_before = self._clock.monotonic() + delay
        log.debug("-- results wait %.0f s: %s", delay, error)

    def _was_rejected(self, run_id: str, error: RequestRejected) -> None:
        count = self._rejected[run_id] = self._rejected.get(run_id, 0) + 1
        log.error("the Engine does not take the result of run %s (%d times now): %s", run_id, count, error)
        if count >= GIVE_UP_AFTER:
            self._rejected.pop(run_id, None)
            self._spool.acknowledged(run_id)
            log.error("the result of run %s was given up: the Engine takes it in no form", run_id)
        else:
            self._later(Retryable(""))


def shortened(result: JobResult) -> JobResult:
    """A result without its output: better a status alone than nothing."""
    reason = result.reason or "the Engine did not take the result with its output"
    return msgspec.structs.replace(result, stdout="", stderr="", reason=reason[:1024], context={}, recap={})


def _check_answer(answer: Any) -> None:
    if isinstance(answer, dict):
        if answer.get("status") == "ok":
            return
        code = str(answer.get("error", ""))[:64]
        if code in {"unavailable", "rate_limited", "service_unavailable", "internal_error", "unauthorized"}:
            raise Retryable(f"the Engine cannot take a result now ({code})")
        raise RequestRejected(0, code or "unreadable", str(answer.get("detail", ""))[:512])
    raise Retryable("the Engine's answer to a result cannot be read")
