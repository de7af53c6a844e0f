"""The composition root: builds every room of the agent, gives each what it needs, runs them under one supervisor.

Called by ``agent.py``. What ends the agent, and with which exit status:

* 0: SIGTERM or SIGINT (Ctrl-C). Scripts that run are ended and reported as Interrupted, with what they printed;
  what the Engine does not take within two seconds waits in the outbox for the next start.
* 3: only a person can go on (``Fatal``). One sentence on standard error and in the log.
* 1: a fault of ours. Traceback in ``agent.error.log``.
"""

import asyncio
import contextlib
import gc
import logging
import random
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from borealis_agent.core import log as agent_log
from borealis_agent.core.config import AgentConfig
from borealis_agent.core.errors import AgentError, Fatal
from borealis_agent.core.ids import SystemRandomness
from borealis_agent.core.settings import AgentSettings
from borealis_agent.enrolment import CodeBook, EnrolmentFlow
from borealis_agent.execution import Executor, interpreters_for, starter_for
from borealis_agent.http import AgentHttpClient, Enroller
from borealis_agent.identity import DeviceIdentity, open_identity
from borealis_agent.intake import Delivery, Intake
from borealis_agent.link import (
    SOCKET_NAME,
    BorrowingEnroller,
    HeartbeatLoop,
    Link,
    PollingLoop,
    TokenLender,
    UserBroker,
    UserDoor,
    pinned_to_json,
)
from borealis_agent.outbox import Spool, open_spool
from borealis_agent.platform import machine
from borealis_agent.platform.protection import protection_for
from borealis_agent.roles import RoleSupervisor, RoleWorld
from borealis_agent.trust import TrustStore
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock, SystemClock
from borealis_base.files import exclusive_lock, private_folder
from borealis_base.tasks import Supervisor
from borealis_wire.events import RunContext
from borealis_wire.orders import JobOrder

PERSON_MUST_ACT: Final = 3
LOCK_SECONDS: Final = 15.0
FAREWELL_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


def run(settings: AgentSettings, *, roles_folder: Path, environ: Mapping[str, str], build_id: str = "") -> int:
    """Run an agent until it ends; gives the exit status. Never raises."""
    try:
        refuse_root_as_user(settings.run_context)
        with _prepared(settings):
            asyncio.run(_main(settings, roles_folder, environ, build_id))
            log.info("the agent has ended")
    except Fatal as error:
        return say_fatal(error)
    except KeyboardInterrupt:
        return 0
    except Exception as error:
        log.exception("the agent ended by a fault of its own")
        _say(f"The agent ended by a fault of its own ({type(error).__name__}); see Logs/agent.error.log.")
        return 1
    return 0


def say_fatal(error: Fatal) -> int:
    """One sentence for a person, in the log and on standard error; gives the exit status."""
    log.critical("%s", error.diagnostics())
    _say(error.diagnostics())
    return PERSON_MUST_ACT


def refuse_root_as_user(context: RunContext) -> None:
    """The CURRENTUSER agent is a user's: what it runs must never run as root (contract 4).

    Raises:
        Fatal: root started it.
    """
    if context is RunContext.INTERACTIVE and sys.platform != "win32" and machine.is_privileged():
        raise Fatal(
            "The CURRENTUSER agent never runs as root: its scripts have the rights of the signed-in user",
            advice="Start it in that user's session, or give --system-service to run the SYSTEM agent.",
        )


def spool_of(settings: AgentSettings) -> Path:
    """The spool of this agent; two that share a root have one each."""
    spool = settings.paths.spool
    return spool if settings.run_context is RunContext.SYSTEM else spool / "currentuser"


@contextlib.contextmanager
def _prepared(settings: AgentSettings) -> Iterator[None]:
    """Folders, log, and the lock that keeps a second agent away from our journal."""
    paths = settings.paths
    lock = exclusive_lock(spool_of(settings) / "lock", timeout=LOCK_SECONDS)
    try:
        for folder in (paths.logs, paths.settings, paths.spool, spool_of(settings)):
            private_folder(folder)
        agent_log.configure(paths.logs, context_label=settings.context_label, verbose=settings.verbose)
        lock.__enter__()
    except TimeoutError as error:
        raise Fatal(
            f"Another {settings.context_label} agent runs in {paths.root} already",
            advice="Stop that one first, or give this one another BOREALIS_ROOT.",
        ) from error
    except OSError as error:
        raise Fatal(
            f"The agent cannot write in {paths.root} ({error})",
            advice="Free some disk space, or give its account the right to write there.",
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


async def _main(settings: AgentSettings, roles_folder: Path, environ: Mapping[str, str], build_id: str) -> None:
    try:
        async with Supervisor() as tasks:
            agent = Agent(settings, roles_folder=roles_folder, environ=environ, build_id=build_id, tasks=tasks)
            await agent.run()
    except BaseExceptionGroup as group:
        # A supervisor gathers what went wrong below it; here it is one thing, or the first of several.
        raise _first_of(group) from group


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


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
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._tasks = tasks
        self._clock = clock or SystemClock()
        self._rng = random.Random()  # noqa: S311  jitter
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._config = AgentConfig(settings.config_path, clock=self._clock)
        self._trust = TrustStore(settings.paths.trusted_server, clock=self._clock)
        self._identity = self._open_identity()
        self._executor = self._make_executor()
        self._spool = self._open_spool()
        self._door = self._user_door()
        self._http = self._make_http()
        self._roles = self._make_roles(roles_folder, build_id)
        self._delivery = Delivery(
            spool=self._spool, door=_LateDoor(lambda: self._link), rest=self._http, clock=self._clock, rng=self._rng
        )
        self._intake = Intake(
            trust=self._trust,
            rest=self._http,
            context=settings.run_context,
            spool=self._spool,
            router=self._roles,
            results=self._delivery,
            door=lambda: self._link,
            tasks=tasks,
            clock=self._clock,
            claim=self._door.claim if self._door is not None else None,
        )
        self._link = Link(
            http=self._http, inbox=self._intake, clock=self._clock, rng=self._rng, hostname=machine.hostname
        )
        self._heartbeat = HeartbeatLoop(
            http=self._http, clock=self._clock, role_health=self._roles.health.report, build_id=build_id
        )
        self._polling = PollingLoop(
            http=self._http, link=self._link, inbox=self._intake, clock=self._clock, rng=self._rng
        )
        self._link.on_change(self._heartbeat.session_changed)
        self._link.on_change(self._polling.session_changed)

    async def run(self) -> None:
        """Work until told to end.

        Raises:
            Fatal: only a person can go on from here.
        """
        rights = "" if machine.is_privileged() else ", with the rights of that account and no more"
        log.info("agent starts: %s as %s%s", self._settings.context_label, machine.current_user(), rights)
        _on_signals(self._stop.set)
        try:
            self._vital("collect orphans", self._executor.watch())
            self._vital("deliver results", self._delivery.run())
            self._vital("watch the settings file", self._watch_config())
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
        await self._until_known()
        await self._roles.load()
        self._intake.report_interrupted()
        # What is there now stays for good: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        self._vital("line to the Engine", self._link.run())
        self._vital("polling", self._polling.run())
        self._vital("heartbeats", self._heartbeat.run())
        if self._settings.run_context is RunContext.SYSTEM:
            self._vital("the signed-in user's agent", self._broker().run())

    async def _until_known(self) -> None:
        backoff, said = Backoff(first=2.0, longest=60.0), ""
        while not self._http.guid:
            try:
                await self._http.ensure_authenticated()
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

    async def _watch_config(self) -> None:
        while True:
            await self._clock.sleep(self._config.interval)
            if self._config.watch():
                log.info("-- %s was read again", self._config.path.name)

    # --- the rooms

    def _open_identity(self) -> DeviceIdentity:
        settings = self._settings
        codes = CodeBook(settings, clock=self._clock, config=self._config)
        identity, _ = open_identity(
            paths=settings.paths,
            context=settings.run_context,
            ca_pin=self._trust.ca_pin,
            offered=codes.has_unused_token(),
            clock=self._clock,
            randomness=SystemRandomness(),
            protection=protection_for(settings.run_context),
        )
        return identity

    def _open_spool(self) -> Spool:
        folder = spool_of(self._settings)
        try:
            return open_spool(folder, clock=self._clock, known_device=self._identity.load_guid() is not None)
        except OSError as error:
            raise Fatal(
                f"The journal in {folder} can be neither read nor written ({error})",
                advice="Free some disk space, or give the agent's account the right to write there.",
            ) from error

    def _make_executor(self) -> Executor:
        paths = self._settings.paths
        executor = Executor(
            temp=paths.temp,
            outputs=spool_of(self._settings) / "output",
            clock=self._clock,
            interpreters=interpreters_for(privileged=machine.is_privileged()),
            starter=starter_for(self._clock),
            context=self._settings.run_context,
            environ=self._environ,
        )
        try:
            executor.prepare()
        except OSError as error:
            raise Fatal(
                f"The folder {paths.temp} cannot be used ({error})",
                advice="Free some disk space, or give the agent's account the right to write there.",
            ) from error
        return executor

    def _user_door(self) -> UserDoor | None:
        """The way to the SYSTEM agent, for a signed-in user's agent that has a folder of its own."""
        shared = self._settings.shared_root
        if self._settings.run_context is RunContext.SYSTEM or self._settings.paths.root == shared:
            return None
        if sys.platform == "win32":
            return None
        owners = {0}
        with contextlib.suppress(OSError):
            owners.add(shared.stat().st_uid)
        return UserDoor(shared / "Run" / SOCKET_NAME, trusted_uids=frozenset(owners))

    def _make_http(self) -> AgentHttpClient:
        own = EnrolmentFlow(
            settings=self._settings,
            identity=self._identity,
            trust=self._trust,
            clock=self._clock,
            randomness=SystemRandomness(),
            rng=self._rng,
            config=self._config,
        )
        enroller: Enroller = own
        if self._door is not None:
            enroller = BorrowingEnroller(
                door=self._door,
                identity=self._identity,
                trust=self._trust,
                own=own,
                clock=self._clock,
                rng=self._rng,
            )
        return self._client(self._settings, self._identity, enroller)

    def _client(self, settings: AgentSettings, identity: DeviceIdentity, enroller: Enroller | None) -> AgentHttpClient:
        return AgentHttpClient(
            settings=settings,
            identity=identity,
            trust=self._trust,
            clock=self._clock,
            randomness=SystemRandomness(),
            rng=self._rng,
            enroller=enroller,
        )

    def _make_roles(self, folder: Path, build_id: str) -> RoleSupervisor:
        return RoleSupervisor(
            RoleWorld(
                folder=folder,
                context=self._settings.run_context,
                agent_id=lambda: self._http.agent_id(machine.hostname()),
                config=self._config,
                execution=self._executor,
                http=self._http,
                paths=self._settings.paths,
                door=lambda: self._link,
                told=self._told_by_role,
                tasks=self._tasks,
                extra={"agent_build_id": build_id},
            )
        )

    def _told_by_role(self, payload: Any) -> bool:
        return self._intake.told_by_role(payload)

    def _broker(self) -> UserBroker:
        """Where the signed-in user's agent comes for its tokens."""
        context = RunContext.INTERACTIVE
        identity = DeviceIdentity(
            key=self._identity.key,
            paths=self._settings.paths,
            context=context,
            clock=self._clock,
            randomness=SystemRandomness(),
            protection=protection_for(self._settings.run_context),
        )
        claims: Spool | None = None

        async def claim(order: JobOrder) -> None:
            nonlocal claims
            if claims is None:
                # Made with the first interactive run; until then there is nothing that could have been lost.
                claims = open_spool(self._settings.paths.spool / "claims", clock=self._clock, known_device=False)
            await claims.claim(order)

        return UserBroker(
            self._settings.paths.root / "Run" / SOCKET_NAME,
            lender=TokenLender(
                make=lambda: self._client(replace(self._settings, run_context=context), identity, None),
                vault=lambda: identity.vault(self._trust.ca_pin),
                clock=self._clock,
            ),
            pinned=lambda: pinned_to_json(self._trust, self._http.base_url),
            trusted=lambda: self._trust.trusted,
            claim=claim,
            clock=self._clock,
        )


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


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
