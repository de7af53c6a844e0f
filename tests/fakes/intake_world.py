"""An intake with its neighbours: real spool, real verification, roles and socket that a test controls."""

import asyncio
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.fakes.fake_clock import DEFAULT_NOW, FakeClock
from tests.fakes.fake_http import FakeHttp
from tests.fakes.jobs import ENGINE_KEY

from borealis_agent.intake import Delivery, Intake
from borealis_agent.link import NotConnected
from borealis_agent.outbox import open_spool
from borealis_agent.role_api import JobHandler, JobOutcome, OutputSink, VerifiedJob
from borealis_base.tasks import Supervisor
from borealis_wire.events import RunContext, RunStatus, ScriptType
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.refusal import Refused


class FakeTrust:
    """Trusts one key; ``next_keys`` appear at the next reload."""

    def __init__(self, key: SigningKey = ENGINE_KEY) -> None:
        self.trusted: Mapping[str, VerifyKey] = {key.public.key_id: key.public}
        self.next_keys: Mapping[str, VerifyKey] | None = None
        self.statements: list[Any] = []
        self.failure: Exception | None = None

    def reload(self) -> bool:
        if self.next_keys is None:
            return False
        self.trusted, self.next_keys = self.next_keys, None
        return True

    def apply_statement(self, payload: Any) -> bool:
        self.statements.append(payload)
        if self.failure is not None:
            raise self.failure
        return True


class FakeDoor:
    """A socket: remembers what was called; ``answer`` says what the Engine says."""

    def __init__(self) -> None:
        self.connected = True
        self.calls: list[tuple[str, Any]] = []
        self.answer: Callable[[str, Any], Any] = lambda _event, _data: {"status": "ok"}

    async def call(self, event: str, data: Any = None, *, timeout: float = 15.0) -> Any:
        del timeout
        if not self.connected:
            raise NotConnected("no socket")
        self.calls.append((str(event), data))
        await asyncio.sleep(0)
        answer = self.answer(str(event), data)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def emit(self, event: str, data: Any = None) -> None:
        await self.call(event, data)

    def of(self, event: str) -> list[Any]:
        return [data for name, data in self.calls if name == event]


class Script:
    """A role's handler that ends when a test says so."""

    def __init__(self) -> None:
        self.jobs: list[VerifiedJob] = []
        self.cancelled: list[str] = []
        self.go = asyncio.Event()
        self.sink: OutputSink | None = None
        self.failure: Exception | None = None

    async def __call__(self, job: VerifiedJob, sink: OutputSink) -> JobOutcome:
        self.jobs.append(job)
        self.sink = sink
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job.order.run_id)
            raise
        if self.failure is not None:
            raise self.failure
        return JobOutcome(RunStatus.SUCCESS, 0, "out", "", DEFAULT_NOW, DEFAULT_NOW + 1)


class FakeRouter:
    """Roles: one handler for bash; listeners where a test adds some."""

    def __init__(self, handler: JobHandler | None) -> None:
        self.handlers: dict[ScriptType, JobHandler] = {ScriptType.BASH: handler} if handler else {}
        self.listeners: dict[str, Callable[[Any], Any]] = {}
        self.told: list[tuple[str, Any]] = []
        self.configs: list[Any] = []

    def job_handler(self, script_type: ScriptType) -> JobHandler | None:
        return self.handlers.get(script_type)

    def hears(self, event: str) -> bool:
        return event in self.listeners

    async def tell(self, event: str, payload: Any) -> Any:
        self.told.append((str(event), payload))
        listener = self.listeners.get(event)
        return listener(payload) if listener else None

    async def config_arrived(self, roles: list[dict[str, Any]]) -> None:
        self.configs.append(roles)


class IntakeWorld:
    """Use as ``async with IntakeWorld(folder) as world``."""

    def __init__(
        self,
        folder: Path,
        *,
        context: RunContext = RunContext.SYSTEM,
        max_runs: int = 8,
        clock: FakeClock | None = None,
        claim: Any = None,
        updater: Callable[[], Any] = lambda: None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.trust, self.door, self.http, self.script = FakeTrust(), FakeDoor(), FakeHttp(), Script()
        self.router = FakeRouter(self.script)
        self.spool = open_spool(folder, clock=self.clock, known_device=False)
        self.tasks = Supervisor()
        self.delivery = Delivery(
            spool=self.spool, door=self.door, rest=self.http, clock=self.clock, rng=random.Random(0)
        )
        self.intake = Intake(
            trust=self.trust,
            rest=self.http,
            context=context,
            spool=self.spool,
            router=self.router,
            results=self.delivery,
            door=lambda: self.door,
            tasks=self.tasks,
            clock=self.clock,
            max_runs=max_runs,
            claim=claim,
            updater=updater,
        )

    async def __aenter__(self) -> Self:
        await self.tasks.__aenter__()
        self.tasks.start("delivery", self.delivery.run())
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.tasks.cancel_all()
        await self.tasks.__aexit__(None, None, None)
        await self.spool.close()

    async def settle(self) -> None:
        """Let everything go on as far as it can without time passing."""
        for _ in range(3):
            await self.spool.flush()
            for _ in range(30):
                await asyncio.sleep(0)

    @property
    def results(self) -> list[dict[str, Any]]:
        """Results that the Engine was sent by the socket."""
        return self.door.of("quick_job_result")


def refused(code: Any) -> Refused:
    """A refusal to raise."""
    return Refused(code, "a test says so")
