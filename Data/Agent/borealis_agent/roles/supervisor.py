"""Brings the roles of one agent up, tells them what happens, and ends them; no failure of one reaches another."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast

from borealis_agent.core.config import number_setting
from borealis_agent.core.log import service_log
from borealis_agent.core.paths import AgentPaths
from borealis_agent.role_api import (
    ConfigPort,
    ExecutionPort,
    HasHealth,
    HearsConfig,
    HearsShutOut,
    JobHandler,
    JobOutcome,
    OutputSink,
    RegistersEvents,
    RoleContext,
    Stoppable,
    VerifiedJob,
)
from borealis_agent.role_api.contract import TakesEntryOrders, no_entry_orders, no_secrets
from borealis_agent.roles.guard import BLOCK_SECONDS, FAULTS, RoleBlocked, patiently, time_limit, words
from borealis_agent.roles.health import HealthBoard, RoleRejected, Stage
from borealis_agent.roles.inspection import inspect_role, role_files
from borealis_agent.roles.loading import facts_of, forget_role, load_role, serves
from borealis_agent.roles.probation import Probation
from borealis_agent.roles.socket_port import Door, Listeners, RoleSocket
from borealis_base.files import private_folder
from borealis_base.tasks import Supervisor
from borealis_wire.events import CONTEXT_HEADER_VALUES, SERVICE_MODES, RunContext, ScriptType

HOOK_SECONDS: Final = 30.0
PATIENCE: Final = "role_patience_seconds"
"""Setting of the agent: how long a role may hold up everything else, 10 s unless it says another."""
LEAST_PATIENCE: Final = 0.05
MOST_PATIENCE: Final = 300.0
STOP_SECONDS: Final = 5.0
TUNNEL_LOGS: Final = "VPN_Tunnel"

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class RoleHttp(Protocol):
    """What roles get of the REST door; ``http.AgentHttpClient`` fulfils it."""

    @property
    def base_url(self) -> str:
        """The Engine's address."""

    async def post_json(self, path: str, payload: Mapping[str, Any], *, require_auth: bool = True) -> dict[str, Any]:
        """Authenticated POST. Raises ``AgentError``."""


@dataclass(frozen=True, slots=True)
class RoleWorld:
    """Everything that a role context is made of. ``told``: a role emitted ``quick_job_result``."""

    folder: Path
    context: RunContext
    agent_id: Callable[[], str]
    config: ConfigPort
    execution: ExecutionPort
    http: RoleHttp
    paths: AgentPaths
    door: Callable[[], Door]
    told: Callable[[Any], bool]
    tasks: Supervisor
    extra: Mapping[str, Any] = field(default_factory=dict)
    open_secret: Callable[[str], str] | None = None
    take_entry_order: TakesEntryOrders | None = None


@dataclass(slots=True, eq=False)
class _Role:
    """A role that is up."""

    name: str
    path: Path
    instance: object
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)


class RoleSupervisor:
    """The roles of one agent; fulfils ``intake.ports.Router``."""

    def __init__(self, world: RoleWorld) -> None:
        self._world = world
        self._patience = number_setting(
            world.config.data, PATIENCE, otherwise=BLOCK_SECONDS, least=LEAST_PATIENCE, most=MOST_PATIENCE
        )
        self.health = HealthBoard(seconds=self._patience)
        self._listeners = Listeners(self.health, seconds=self._patience)
        self._roles: dict[str, _Role] = {}
        self._handlers: dict[ScriptType, tuple[str, JobHandler]] = {}
        self._background: dict[str, set[asyncio.Task[None]]] = {}
        self._configured = False

    @property
    def names(self) -> list[str]:
        """Roles that are up, in the order in which they came up."""
        return list(self._roles)

    @property
    def hears_config(self) -> bool:
        """Whether some role wants the Engine's ``agent_config``."""
        return any(isinstance(role.instance, HearsConfig) for role in self._roles.values())

    async def load(self) -> None:
        """Bring up every role of the folder that serves this context. Never raises for a role's sake."""
        owners = trusted_owners()
        probation = Probation(self._world.paths.settings / "Roles" / f"starting-{self._world.context.value}.json")
        for path in role_files(self._world.folder):
            name = path.stem
            try:
                facts = inspect_role(path, trusted_owners=owners)
                name = facts.name or name
                if serves(facts, self._world.context):
                    key = probation.begin(path)
                    try:
                        await self._bring_up(path)
                    finally:
                        probation.passed(key)
            except RoleRejected as error:
                self.health.rejected(name, error)
        probation.end()
        log.info("roles: %s", ", ".join(self._roles) or "none")

    async def stop_all(self, *, seconds: float = STOP_SECONDS) -> None:
        """End every role, the last one first; one that does not end in ``seconds`` is left behind."""
        for role in reversed(list(self._roles.values())):
            await self._stop(role, seconds)
            self._forget(role)

    # --- intake.ports.Router

    def job_handler(self, script_type: ScriptType) -> JobHandler | None:
        """The handler that a role registered for this type."""
        found = self._handlers.get(script_type)
        return found[1] if found else None

    def hears(self, event: str) -> bool:
        """Whether some role listens to this event in upstream's way."""
        return self._listeners.hears(event)

    async def tell(self, event: str, payload: Any) -> Any:
        """Let all listeners of an event hear it."""
        return await self._listeners.tell(event, payload)

    async def config_arrived(self, roles: list[dict[str, Any]]) -> None:
        """Hand ``agent_config`` to the roles that want it. An empty one stops those, if one was in force before."""
        was_configured, self._configured = self._configured, bool(roles)
        for role in list(self._roles.values()):
            if not isinstance(role.instance, HearsConfig):
                continue
            try:
                async with asyncio.timeout(HOOK_SECONDS):
                    if not roles and was_configured and isinstance(role.instance, Stoppable):
                        await self._call(role.instance.stop_all)
                    await self._call(role.instance.on_config, [dict(item) for item in roles])
            except FAULTS as error:  # whatever a drop-in does, the others go on
                self.health.degraded(role.name, "on_config", error)

    async def shut_out(self, reason: str) -> None:
        """Let the roles that keep something open for the Engine close it: it does not want this device any more."""
        for role in list(self._roles.values()):
            if isinstance(role.instance, HearsShutOut):
                try:
                    async with asyncio.timeout(HOOK_SECONDS):
                        await self._call(role.instance.shut_out, reason)
                except FAULTS as error:  # whatever one does, the others close theirs
                    self.health.degraded(role.name, "shut_out", error)

    # --- bringing up

    async def _bring_up(self, path: Path) -> None:
        module = load_role(path, seconds=self._patience)
        facts = self._guarded(path, "load", lambda: facts_of(path, module))
        try:
            if facts.name in self._roles:
                taken = self._roles[facts.name].path.name
                raise RoleRejected(path.name, "bind", f"the name {facts.name!r} is taken by {taken}")
            if not serves(facts, self._world.context):
                return
            instance = self._guarded(path, "bind", lambda: module.Role(self._context_for(facts.name)))
            role = _Role(facts.name, path, instance)
            await self._register_events(role)
        except RoleRejected:
            if facts.name not in self._roles:
                self._drop(facts.name)
            forget_role(path)
            raise
        self._roles[facts.name] = role
        self.health.running(facts.name, path.name)
        if isinstance(instance, HasHealth):
            self.health.reporter(facts.name, instance.health_report)

    def _guarded(self, path: Path, stage: Stage, work: Callable[[], Result]) -> Result:
        try:
            with time_limit(self._patience):
                return work()
        except RoleRejected:
            raise
        except FAULTS as error:
            raise RoleRejected(path.name, stage, words(error)) from error

    async def _register_events(self, role: _Role) -> None:
        try:
            if isinstance(role.instance, RegistersEvents):
                async with asyncio.timeout(HOOK_SECONDS):
                    await self._call(role.instance.register_events)
        except FAULTS as error:
            raise RoleRejected(role.path.name, "register_events", words(error)) from error

    async def _call(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        """Call a hook, sync or async; neither may hold up the agent."""
        with time_limit(self._patience):
            value = hook(*arguments)
        return await patiently(value, self._patience)

    def _context_for(self, name: str) -> RoleContext:
        world, label = self._world, CONTEXT_HEADER_VALUES[self._world.context]
        logger = service_log(world.paths.logs, _file_name(name), context_label=label)

        loop = asyncio.get_running_loop()

        def say(message: object) -> None:
            # From whichever thread, and without holding up a run for the opening of a file.
            loop.call_soon_threadsafe(logger.info, "%s", message)

        return RoleContext(
            sio=RoleSocket(name, self._listeners, world.door, world.told),
            agent_id=world.agent_id(),
            config=world.config,
            loop=loop,
            hooks=self._hooks(),
            service_mode=SERVICE_MODES[world.context],
            run_context=world.context,
            role_name=name,
            execution=world.execution,
            state_folder=private_folder(world.paths.settings / "Roles" / _file_name(name)),
            log=say,
            register_job_handler=lambda types, handler: self._register_handler(name, types, handler),
            post_json=world.http.post_json,
            start_task=lambda title, work: self._start_task(name, title, work),
            extra=world.extra,
            open_secret=world.open_secret or no_secrets,
            take_entry_order=world.take_entry_order or no_entry_orders,
        )

    def _hooks(self) -> dict[str, Any]:
        """Upstream's hooks by their names (upstream-contract 6.1)."""
        world, label = self._world, CONTEXT_HEADER_VALUES[self._world.context]

        def log_agent(message: object, fname: str = "agent.log", scope: str | None = None) -> None:
            stem = _file_name(Path(fname).name.removesuffix(".log")) or "agent"
            # Upstream's one folder below the logs; a role names no other.
            folder = world.paths.logs / TUNNEL_LOGS if Path(fname).parent.name == TUNNEL_LOGS else world.paths.logs
            target = log if stem == "agent" else service_log(folder, stem, context_label=scope or label)
            target.info("%s", message)

        def send_service_control(message: object) -> None:
            # Upstream's named pipe between its two processes; ours share nothing that way.
            log.debug("-- a role sent a service control message, which nobody takes here: %s", type(message).__name__)

        return {
            "get_server_url": lambda: world.http.base_url,
            "http_client": lambda: world.http,
            "log_agent": log_agent,
            "send_service_control": send_service_control,
            "service_mode": SERVICE_MODES[world.context],
            "role_health_registry": self.health,
        }

    def _register_handler(self, name: str, types: Iterable[ScriptType], handler: JobHandler) -> None:
        async def watched(job: VerifiedJob, output: OutputSink) -> JobOutcome:
            try:
                return cast(JobOutcome, await self._call(handler, job, output))
            except (SystemExit, KeyboardInterrupt, RoleBlocked) as error:
                self.health.degraded(name, "run", error)
                raise RuntimeError(f"role {name}: {words(error)}") from error

        for script_type in types:
            first = self._handlers.setdefault(ScriptType(script_type), (name, watched))
            if first[0] != name:
                log.warning("role %s wants %s scripts, which role %s runs already", name, script_type, first[0])

    def _start_task(self, name: str, title: str, work: Coroutine[Any, Any, object]) -> "asyncio.Task[None]":
        async def watched() -> None:
            try:
                await patiently(work, self._patience)
            except FAULTS as error:  # shown in the role's health, stops nothing else
                self.health.degraded(name, "run", error)

        task = self._world.tasks.start(f"{name}: {title}", watched())
        mine = self._background.setdefault(name, set())
        mine.add(task)
        task.add_done_callback(mine.discard)
        # Cancelled before its first step, the task never touched ``work``; closing what ended does nothing.
        task.add_done_callback(lambda _: work.close())
        return task

    # --- ending

    async def _stop(self, role: _Role, seconds: float) -> None:
        if isinstance(role.instance, Stoppable):
            try:
                async with asyncio.timeout(seconds):
                    await self._call(role.instance.stop_all)
            except FAULTS as error:  # the others still want to be stopped
                self.health.degraded(role.name, "stop_all", error)
        self.health.stopped(role.name)

    def _forget(self, role: _Role) -> None:
        self._roles.pop(role.name, None)
        self._drop(role.name)
        forget_role(role.path)

    def _drop(self, name: str) -> None:
        """Take back everything that was registered under a name."""
        self._listeners.remove_role(name)
        self._handlers = {kind: entry for kind, entry in self._handlers.items() if entry[0] != name}
        for task in self._background.pop(name, set()):
            task.cancel()


def trusted_owners() -> frozenset[int]:
    """Whose role files this agent runs: root's, its own account's, and those of whoever owns the agent's own code."""
    if sys.platform == "win32":
        return frozenset()
    return frozenset({0, os.geteuid(), Path(__file__).stat().st_uid})


def _file_name(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name).strip(".")[:64]
