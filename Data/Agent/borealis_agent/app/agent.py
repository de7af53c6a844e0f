"""One agent's life: which rooms come up in which order, and how they go down again."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from borealis_agent import VERSION
from borealis_agent.app.rooms import Rooms, spool_of
from borealis_agent.app.service_manager import ALIVE, ENDING, READY, ServiceManager
from borealis_agent.app.watchdog import Watchdog
from borealis_agent.capabilities.update.child import Steps
from borealis_agent.core.errors import AgentError, Fatal
from borealis_agent.core.settings import AgentSettings
from borealis_agent.intake import Delivery, Intake
from borealis_agent.link import HeartbeatLoop, Link, PollingLoop
from borealis_agent.platform import machine
from borealis_agent.platform.life import end_earlier, label_children
from borealis_agent.roles import RoleSupervisor, RoleWorld
from borealis_agent.updating import Updating, World
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock, SystemClock
from borealis_base.tasks import Supervisor
from borealis_base.trial import STARTER
from borealis_base.user_task import failure_in
from borealis_wire.entry import EntryKind, Order
from borealis_wire.events import DeviceEvent, RunContext
from borealis_wire.secrets import open_secret

FAREWELL_SECONDS: Final = 2.0
SESSION_SECONDS: Final = 2.0
USERS: Final = "agents of signed-in users"
"""Where among the roles operators read why there are none."""

log = logging.getLogger(__name__)


class Agent:
    """One agent: its rooms, and the order in which they come up and go down. Make it on the event loop."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        roles_folder: Path,
        environ: Mapping[str, str],
        tasks: Supervisor,
        build_id: str = "",
        clock: Clock | None = None,
        watched: bool = False,
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._clock = clock or SystemClock()
        self._rng = random.Random()  # noqa: S311  jitter
        self._watched = watched
        self._manager = ServiceManager(environ)
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._rooms = rooms = Rooms(settings, environ=environ, clock=self._clock, rng=self._rng)
        self._config, self._http, self._spool = rooms.config, rooms.http, rooms.spool
        self._roles = self._make_roles(roles_folder, build_id)
        self._delivery = Delivery(
            spool=self._spool, door=_LateDoor(lambda: self._link), rest=self._http, clock=self._clock, rng=self._rng
        )
        self._intake = Intake(
            trust=rooms.trust,
            rest=self._http,
            context=settings.run_context,
            spool=self._spool,
            router=self._roles,
            results=self._delivery,
            door=lambda: self._link,
            tasks=tasks,
            clock=self._clock,
            claim=rooms.user_door.claim if rooms.user_door is not None else None,
            updater=lambda: self._updating,
            user=rooms.user,
        )
        self._link = Link(
            http=self._http,
            inbox=self._intake,
            clock=self._clock,
            rng=self._rng,
            hostname=machine.hostname,
            wireguard_public_key=rooms.wireguard_public_key,
        )
        self._heartbeat = HeartbeatLoop(http=self._http, clock=self._clock, role_health=self._health, build_id=build_id)
        self._polling = PollingLoop(
            http=self._http, link=self._link, inbox=self._intake, clock=self._clock, rng=self._rng
        )
        self._updating = self._make_updating(environ, build_id)
        self._link.on_change(self._heartbeat.session_changed)
        self._link.on_change(self._polling.session_changed)
        self._link.on_change(self._session_changed)
        self._http.on_shut_out(self._shut_out)

    async def run(self) -> None:
        """Work until told to end.

        Raises:
            Fatal: only a person can go on from here.
        """
        rights = "" if machine.is_privileged() else ", with the rights of that account and no more"
        log.info("agent starts: %s as %s%s", self._settings.context_label, machine.current_user(), rights)
        _on_signals(self._stop.set)
        try:
            if self._watched:
                self._watch_over_us()
            self._vital("collect orphans", self._rooms.executor.watch())
            self._vital("deliver results", self._delivery.run())
            self._vital("watch the settings file", self._watch_config())
            if self._settings.autostart:
                self._vital("the desktop's session", self._end_with_session(os.getppid()))
            self._vital("begin", self._begin())
            await self._stop.wait()
            await self._end()
        finally:
            self._tasks.cancel_all()
            await self._spool.close()
            await self._http.close()
        if self._failure is not None:
            raise self._failure

    async def _begin(self) -> None:
        """Who are we, then the roles, then the line: a job must not come before the role that runs it."""
        if self._watched:
            await self._leave_nothing_of_before()
        await self._until_known()
        await self._roles.load()
        # Before they are reported as Interrupted: what was cut off must not go on working in secret.
        await self._rooms.executor.end_remains([run.run_id for run in self._spool.interrupted()])
        self._intake.report_interrupted()
        # What is there now stays for good: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        self._vital("line to the Engine", self._link.run())
        self._vital("polling", self._polling.run())
        self._vital("heartbeats", self._heartbeat.run())
        if self._settings.run_context is RunContext.SYSTEM:
            self._vital("the signed-in user's agent", self._rooms.broker().run())
        if self._updating is not None:
            self._vital("updates", self._updating.run())

    async def _leave_nothing_of_before(self) -> None:
        """What an agent that was killed had started for itself ends; only where the process, and its environment, is
        ours. Before any role starts something anew.
        """
        home = spool_of(self._settings)
        if ended := await end_earlier(home, label_children(home, os.environ)):
            log.info("ended %d processes that an earlier life of this agent had left", ended)

    async def _until_known(self) -> None:
        """Return when this device has a GUID; one that was enrolled before need not wait for its Engine."""
        backoff, said = Backoff(first=2.0, longest=60.0), ""
        # A user's agent asks the SYSTEM agent first: the device may have been enrolled anew since.
        known = bool(self._http.guid) and self._rooms.user_door is None
        while not known:
            try:
                await self._http.ensure_authenticated()
                known = True
            except Fatal:
                raise
            except AgentError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("not enrolled yet: %s", error.diagnostics())
                wait = max(backoff.next_delay(self._rng), getattr(error, "retry_after", None) or 0.0)
                await self._clock.sleep(wait)

    async def _end(self) -> None:
        log.info("the agent is told to end")
        self._manager.tell(ENDING)
        await self._intake.stop()
        await self._delivery.flush(FAREWELL_SECONDS)
        await self._roles.stop_all()

    def _vital(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        """A task without which there is no agent: what ends it ends the agent, in good order."""

        async def watched() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  # carried out of the loop by ``run``
                self._failure = self._failure or error
                self._stop.set()

        self._tasks.start(name, watched())

    def _watch_over_us(self) -> None:
        """Only where the process is ours: what the watchdog ends is all of it."""
        path = spool_of(self._settings) / "standstill"
        watchdog = Watchdog(
            path,
            settings=lambda: self._config.data,
            memory=machine.own_memory,
            alive=lambda: self._manager.tell(ALIVE),
        )
        watchdog.tell_last()
        self._manager.tell(READY)
        self._vital("watchdog", watchdog.run())

    async def _watch_config(self) -> None:
        while True:
            await self._clock.sleep(self._config.interval)
            if self._config.watch():
                log.info("-- %s was read again", self._config.path.name)

    async def _end_with_session(self, started_by: int) -> None:
        """Nobody else ends what a desktop started: with it gone, the user has signed out."""
        while os.getppid() == started_by:
            await self._clock.sleep(SESSION_SECONDS)
        log.info("the session that started this agent has ended")
        self._stop.set()

    def _make_roles(self, folder: Path, build_id: str) -> RoleSupervisor:
        return RoleSupervisor(
            RoleWorld(
                folder=folder,
                context=self._settings.run_context,
                agent_id=lambda: self._http.agent_id(machine.hostname()),
                config=self._config,
                execution=self._rooms.executor,
                http=self._http,
                paths=self._settings.paths,
                door=lambda: self._link,
                told=self._told_by_role,
                tasks=self._tasks,
                extra={"agent_build_id": build_id, "agent_root": str(self._settings.paths.root)},
                open_secret=lambda sealed: open_secret(sealed, self._rooms.identity.key),
                take_entry_order=self._take_entry_order,
            )
        )

    def _health(self) -> Mapping[str, Mapping[str, Any]]:
        """Of the roles; and why signed-in users have no agent, where the installer could not see to that."""
        roles = self._roles.health.report()
        if self._settings.run_context is RunContext.SYSTEM and (
            reason := failure_in(self._settings.paths.root / "Run")
        ):
            roles[USERS] = {"state": "degraded", "reason": reason}
        return roles

    def _make_updating(self, environ: Mapping[str, str], build_id: str) -> Updating | None:
        if self._settings.run_context is not RunContext.SYSTEM:
            return None
        paths, starter = self._settings.paths, environ.get(STARTER, "")
        return Updating(
            World(
                runtime=paths.root,
                build=build_id,
                release=VERSION,
                starter=starter,
                settings=lambda: self._config.data,
                hostname=machine.hostname,
                health=self._roles.health.report,
            ),
            engine=self._http,
            line=lambda: self._link,
            runs=self._intake,
            steps=Steps(python=starter, runtime=paths.root, environ=environ, log=paths.logs / "updater.log"),
            clock=self._clock,
        )

    def _session_changed(self, online: bool) -> None:
        if online and self._roles.hears_config:
            self._tasks.start("ask for the roles' configuration", self._ask_for_config())

    def _shut_out(self, reason: str) -> None:
        self._tasks.start("close what is open for the Engine", self._roles.shut_out(reason))

    async def _ask_for_config(self) -> None:
        """The answer is ``agent_config``; whoever misses it asks again with the next session."""
        with contextlib.suppress(AgentError):
            await self._link.emit(DeviceEvent.REQUEST_CONFIG, {"agent_id": self._http.agent_id(machine.hostname())})

    def _told_by_role(self, payload: Any) -> bool:
        return self._intake.told_by_role(payload)

    async def _take_entry_order(self, kind: EntryKind[Order], envelope: Any) -> Order:
        return await self._intake.entry_orders.take(kind, envelope)


class _LateDoor:
    """The link, which is made after those who use it."""

    def __init__(self, link: Callable[[], Link]) -> None:
        self._link = link

    @property
    def connected(self) -> bool:
        """Whether the Engine hears us now."""
        return self._link().connected

    async def call(self, event: str, data: Any = None, *, timeout: float = 15.0) -> Any:
        """Send and wait for the acknowledgement."""
        return await self._link().call(event, data, timeout=timeout)


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows: the loop there hears no signals
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
        except (ValueError, RuntimeError):
            return  # not the main thread: whoever runs us there ends us in another way
