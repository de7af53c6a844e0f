"""An agent as a role sees it: records what the role asks for, and runs its background work."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from borealis_agent.role_api import JobFile, JobHandler, JobOutcome, OutputSink, RoleContext, VerifiedJob
from borealis_wire.events import SERVICE_MODES, RunContext, RunStatus, ScriptType


class FakeSocket:
    """Implements ``role_api.SocketPort``."""

    def __init__(self) -> None:
        self.connected = True
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.emitted: list[tuple[str, Any]] = []

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Directly or as a decorator."""

        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            self.handlers[event] = function
            return function

        return keep if handler is None else keep(handler)

    async def emit(self, event: str, data: Any = None, **_options: Any) -> None:
        """Kept."""
        self.emitted.append((event, data))

    async def call(self, event: str, data: Any = None, *, timeout: float = 20.0) -> Any:
        """Kept, and answered."""
        self.emitted.append((event, data))
        return {"status": "ok"}


class FakeConfig:
    """Implements ``role_api.ConfigPort``."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.written = 0

    def _write(self) -> None:
        self.written += 1

    def watch(self) -> bool:
        """Never changed from outside."""
        return False


class FakeExecution:
    """Implements ``role_api.ExecutionPort``: says what it would have run."""

    def __init__(self) -> None:
        self.ran: list[VerifiedJob] = []

    def interpreter_for(self, script_type: ScriptType) -> Sequence[str] | None:
        """One for every type."""
        return (script_type.value,)

    async def run(
        self,
        job: VerifiedJob,
        output: OutputSink,
        *,
        command: Sequence[str] | None = None,
        files: Sequence[JobFile] = (),
    ) -> JobOutcome:
        """A script that prints its own text and ends well."""
        self.ran.append(job)
        await output("stdout", job.script.decode())
        return JobOutcome(RunStatus.SUCCESS, 0, job.script.decode(), "", 1.0, 2.0)


class FakeAgent:
    """Make it on the event loop; ``ctx`` is what ``Role(ctx)`` gets."""

    def __init__(
        self, folder: Path, context: RunContext = RunContext.SYSTEM, config: dict[str, Any] | None = None
    ) -> None:
        self.sio = FakeSocket()
        self.execution = FakeExecution()
        self.posts: list[tuple[str, bytes]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.lines: list[str] = []
        self.job_handlers: dict[ScriptType, JobHandler] = {}
        self.ctx = RoleContext(
            sio=self.sio,
            agent_id=f"LAB-7_GUID_{context.value.upper()}",
            config=FakeConfig(config or {}),
            loop=asyncio.get_running_loop(),
            hooks={},
            service_mode=SERVICE_MODES[context],
            run_context=context,
            role_name="under test",
            execution=self.execution,
            state_folder=folder,
            log=self.lines.append,
            register_job_handler=self._register,
            post_json=self._post,
            start_task=self._start,
        )

    async def end(self) -> None:
        """As the agent does when it stops: cancel the background work and wait for it."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _post(self, path: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.posts.append((path, msgspec.json.encode(payload)))
        return {"status": "ok"}

    def _start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.append(task)
        return task

    def _register(self, types: Iterable[ScriptType], handler: JobHandler) -> None:
        for script_type in types:
            self.job_handlers.setdefault(script_type, handler)
