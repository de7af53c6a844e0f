"""What a role file must have, may have, and is given (contract 7)."""

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from borealis_agent.role_api.jobs import JobFile, JobHandler, JobOutcome, OutputSink, VerifiedJob
from borealis_wire.entry import EntryKind, Order
from borealis_wire.events import RefusalCode, RunContext, ScriptType
from borealis_wire.refusal import Refused

Handler = TypeVar("Handler", bound=Callable[..., Any])


def no_secrets(sealed: str) -> str:
    """For an agent without a key."""
    raise ValueError("this agent cannot open secrets")


class TakesEntryOrders(Protocol):
    """Verifies the order that a connection came with, and never gives it twice."""

    async def __call__(self, kind: EntryKind[Order], envelope: Any) -> Order:
        """The order in an envelope. Raises ``Refused``."""


async def no_entry_orders(kind: EntryKind[Order], envelope: Any) -> Order:
    """For an agent that nobody enters."""
    raise Refused(RefusalCode.UNSUPPORTED_TYPE, "this agent takes no such orders")


class SocketPort(Protocol):
    """The guarded socket: handlers of sealed events hear verified payloads only; no connect, no disconnect."""

    @property
    def connected(self) -> bool:
        """Whether the Engine hears us now."""

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Register a handler, directly or as a decorator that gives the handler back."""

    async def emit(self, event: str, data: Any = None, **options: Any) -> None:
        """Send an event; ``quick_job_result`` goes through the outbox and is never lost."""

    async def call(self, event: str, data: Any = None, *, timeout: float = 20.0) -> Any:
        """Send an event and wait for the Engine's acknowledgement.

        Raises:
            TimeoutError: no answer in ``timeout`` seconds.
        """


class ConfigPort(Protocol):
    """The agent's settings as upstream's roles know them."""

    @property
    def data(self) -> dict[str, Any]:
        """The settings; change them, then call ``_write()``."""

    def _write(self) -> None:
        """Store the settings."""

    def watch(self) -> bool:
        """Reload if the file changed; true if it did."""


class ExecutionPort(Protocol):
    """Runs scripts of verified jobs in this agent's own account."""

    def interpreter_for(self, script_type: ScriptType) -> Sequence[str] | None:
        """The command that interprets this type here, or None where it is not installed."""

    async def run(
        self,
        job: VerifiedJob,
        output: OutputSink,
        *,
        command: Sequence[str] | None = None,
        files: Sequence[JobFile] = (),
    ) -> JobOutcome:
        """Run a job's script to its end, its time-out, or cancellation; leaves no process and no file.

        Args:
            job: what to run.
            output: hears its output live.
            command: what interprets it, the script's path is appended; by default what its type says.
            files: of the role's own, beside the job's files in the script's folder.
        """


@dataclass(frozen=True, slots=True)
class RoleHealth:
    """State of one role, as operators see it. ``state``: running, degraded, rejected or stopped."""

    name: str
    state: Literal["running", "degraded", "rejected", "stopped"]
    file: str = ""
    stage: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RoleContext:
    """All that a role gets; no globals. The first six attributes have upstream's names and forms."""

    sio: SocketPort
    agent_id: str
    config: ConfigPort
    loop: AbstractEventLoop
    hooks: Mapping[str, Any]
    service_mode: str
    run_context: RunContext
    role_name: str
    execution: ExecutionPort
    state_folder: Path
    """A folder of this role's own, kept over re-staging."""
    log: Callable[[str], None]
    """Write a line to ``Agent/Logs/<role>.log`` and ``agent.log``."""
    register_job_handler: Callable[[Iterable[ScriptType], JobHandler], None]
    """Run jobs of these script types; the first role to ask gets a type."""
    post_json: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    """Authenticated POST to the Engine. A value may be ``msgspec.Raw``: JSON text that is passed on as it is."""
    start_task: Callable[[str, Any], Any]
    """Run a coroutine in the background until the role is stopped; a failure shows in the role's health."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    open_secret: Callable[[str], str] = no_secrets
    """Open a secret of an order, which was sealed for this device's key. Raises ``ValueError``."""
    take_entry_order: TakesEntryOrders = no_entry_orders
    """The order in an envelope that came with a connection: verified, and never given twice. Raises ``Refused``."""


class RoleModule(Protocol):
    """A role file, seen as a module. Read-only: a plain ``list[str]`` matches ``ROLE_CONTEXTS``."""

    @property
    def ROLE_NAME(self) -> str:  # noqa: N802
        """The role's name."""

    @property
    def ROLE_CONTEXTS(self) -> Sequence[str]:  # noqa: N802
        """``system``, ``interactive`` or both."""

    @property
    def Role(self) -> Callable[[Any], object]:  # noqa: N802
        """Called with the context."""


@runtime_checkable
class RegistersEvents(Protocol):
    """A role that wants to register handlers."""

    def register_events(self) -> Awaitable[None] | None:
        """Called once after construction."""


@runtime_checkable
class HearsConfig(Protocol):
    """A role that hears the Engine's ``agent_config``."""

    def on_config(self, roles: list[dict[str, Any]], /) -> Awaitable[None] | None:
        """Called with the whole list, at each change."""


@runtime_checkable
class Stoppable(Protocol):
    """A role with something to stop."""

    def stop_all(self) -> Awaitable[None] | None:
        """Called at empty configuration and at shutdown, with a deadline."""


@runtime_checkable
class HearsShutOut(Protocol):
    """A role that keeps something open for the Engine."""

    def shut_out(self, reason: str, /) -> Awaitable[None] | None:
        """Called when the Engine revoked this device, or takes its tokens no more: close it."""


@runtime_checkable
class HasHealth(Protocol):
    """A role that reports more than running or rejected."""

    def health_report(self) -> Mapping[str, Any]:
        """Small JSON object; may hold ``state`` and ``reason``."""


class BaseRole:
    """Comfort for roles of the house; drop-ins need not inherit it."""

    def __init__(self, ctx: RoleContext) -> None:
        self.ctx = ctx
