"""Drives one update: what was ordered becomes a staged version, the agent ends for it, and the outcome is told."""

import asyncio
import contextlib
import logging
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from borealis_agent.core.config import number_setting
from borealis_agent.core.errors import AgentError
from borealis_agent.updating import judging
from borealis_agent.updating.ports import Engine, Health, Line, Runs, Steps
from borealis_base.clock import Clock
from borealis_base.files import private_folder
from borealis_base.trial import ENDED, FILE, TRIAL_SECONDS, Build, Update, read_update, write_update
from borealis_wire.events import DeviceEvent, RefusalCode, Rest
from borealis_wire.refusal import Refused
from borealis_wire.updates import UpdateOrder, UpdateStatus

TRIAL: Final = "update_trial_seconds"
LEAST_TRIAL: Final = 5.0
WAIT: Final = "update_wait_seconds"
DEFAULT_WAIT: Final = 3600.0
"""How long runs under way may keep an update that is ready waiting."""
LOOK_SECONDS: Final = 0.5
TELL_AGAIN_SECONDS: Final = 10.0

log = logging.getLogger(__name__)


class Restart(AgentError):
    """The agent ends in good order, to be started again as another version."""


@dataclass(frozen=True, slots=True)
class World:
    """Where an agent lives that replaces itself. ``starter``: see ``borealis_base.trial.STARTER``."""

    runtime: Path
    build: str
    release: str
    starter: str
    settings: Callable[[], Mapping[str, Any]]
    hostname: Callable[[], str]
    health: Callable[[], Health]


class Updating:
    """One agent's updates, one at a time. :meth:`run` is a task that lives as long as the agent."""

    def __init__(
        self, world: World, *, engine: Engine, line: Callable[[], Line], runs: Runs, steps: Steps, clock: Clock
    ) -> None:
        self._world = world
        self._engine = engine
        self._line = line
        self._runs = runs
        self._steps = steps
        self._clock = clock
        self._path = world.runtime / "Run" / FILE
        self._folder = world.runtime / "Update"
        self._update: Update | None = None
        self._order: UpdateOrder | None = None
        self._looked = False
        self._wake = asyncio.Event()

    # --- for intake

    def check(self, order: UpdateOrder) -> None:
        """Whether an order that was verified may be followed now.

        Raises:
            Refused: with the code that the Engine is told.
        """
        world = self._world
        if not self._looked:
            raise Refused(RefusalCode.BUSY, "the agent has just started")
        judging.check_order(
            order, running=world.build, release=world.release, starter=world.starter, update=self._update
        )

    def follow(self, order: UpdateOrder) -> None:
        """Begin with an order that was checked, and is in the journal. What comes of it is told to the Engine.

        Raises:
            Refused: ``busy``: another one was begun in the meantime.
            OSError: it cannot be noted; nothing was begun.
        """
        if self._update is not None:
            raise Refused(RefusalCode.BUSY, "another update is under way")
        seconds = number_setting(self._world.settings(), TRIAL, otherwise=TRIAL_SECONDS, least=LEAST_TRIAL)
        roles = judging.well_roles(self._world.health())
        running = Build(self._world.build, Path(sys.prefix).name)
        self._keep(judging.begun(order, running=running, roles=roles, seconds=seconds))
        self._order = order
        self._wake.set()

    # --- for app

    async def run(self) -> None:
        """Finish what an earlier life began, then follow what comes.

        Raises:
            Restart: another version is to be started.
        """
        self._update = await asyncio.to_thread(self._found)
        self._looked = True
        while True:
            try:
                await self._step(self._update)
            except OSError as error:
                log.error("%s cannot be written (%s); tried again. Free some disk space", self._path, error)
                await self._clock.sleep(TELL_AGAIN_SECONDS)

    async def _step(self, update: Update | None) -> None:
        if update is None:
            self._wake.clear()
            await self._wake.wait()
        elif update.state in ENDED:
            await self._tell_end(update)
        elif judging.is_ours_on_trial(update, running=self._world.build):
            await self._prove(update)
        elif update.state == "confirmed":
            await self._settle(update)
        elif update.state == "preparing" and self._order is not None:
            await self._prepare(update, self._order)
        elif update.state == "trial":
            # Not ours: no pointer was moved, and what starts us has passed it over.
            self._keep(update.ended("rolled_back", "The version before was started instead."))
        else:
            self._update = judging.cut_off(update)

    def _found(self) -> Update | None:
        """What an earlier life left. Never raises."""
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
            update = read_update(self._path)
            if update is not None and update.state == "preparing":
                update = judging.cut_off(update)
                write_update(self._path, update)
        except OSError as error:
            log.error("%s cannot be used (%s): updates are not followed", self._path, error)
            return None
        return update

    # --- the old version's part

    async def _prepare(self, update: Update, order: UpdateOrder) -> None:
        """Fetch, verify, stage; then end for the new version, as soon as no script runs."""
        self._order = None
        log.info("update %s to build %s begins", update.request_id, order.build_id)
        try:
            await self._tell(update, UpdateStatus.STARTED)
            if order.build_id == self._world.build:
                self._keep(update.ended("installed"))
                return
            staged = await self._staged(order)
            await self._quiet(update)
        except (AgentError, OSError) as error:
            log.error("update %s came to nothing: %s", update.request_id, error)
            self._runs.take_no_more(False)
            self._came_to_nothing(update, str(error))
            return
        finally:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            self._keep(replace(update, state="trial", new=staged))
        except OSError as error:
            self._runs.take_no_more(False)
            self._came_to_nothing(update, f"The trial could not be noted ({error}).")
            return
        raise Restart(f"The agent ends to be started as build {staged.version}")

    async def _staged(self, order: UpdateOrder) -> Build:
        private_folder(self._folder)
        package, folder = self._folder / "package.tar.gz", self._folder / "package"
        await self._engine.download(f"{Rest.UPDATE}/{order.sha256}", package, size=order.size)
        await self._steps.unpack(package, folder, sha256=order.sha256, size=order.size)
        return await self._steps.adopt(folder, order.build_id)

    async def _quiet(self, update: Update) -> None:
        """Take no more work, and wait until what is under way has ended.

        Raises:
            Restart: never. AgentError: it did not end in time.
        """
        seconds = number_setting(self._world.settings(), WAIT, otherwise=DEFAULT_WAIT, least=0.0)
        deadline, told = self._clock.monotonic() + seconds, False
        self._runs.take_no_more(True)
        while count := self._runs.under_way():
            if not told:
                told = True
                await self._tell(update, UpdateStatus.WAITING, f"{count} scripts are under way.")
            if self._clock.monotonic() >= deadline:
                raise AgentError(f"{count} scripts were still under way after {seconds:.0f} s. Order the update again")
            await self._clock.sleep(LOOK_SECONDS)

    # --- the new version's part

    async def _prove(self, update: Update) -> None:
        """We are on trial: be connected, answered, and no worse than what was there before.

        Raises:
            Restart: we are worse.
        """
        while not await self._tell(update, UpdateStatus.STARTED):
            await self._clock.sleep(LOOK_SECONDS)
        worse = judging.worse_roles(update.roles, self._world.health())
        if worse:
            named = "; ".join(f"{name}: {reason}" for name, reason in worse.items())
            self._keep(replace(update, reason=f"Roles that worked before do not any more ({named})."[:1000]))
            raise Restart("The agent ends for the version before")
        self._keep(replace(update, state="confirmed"))
        log.info("update %s: this build has proved itself", update.request_id)

    async def _settle(self, update: Update) -> None:
        try:
            await self._steps.settle()
        except AgentError as error:
            log.error("the pointers could not be moved to the new version yet: %s", error)
            await self._clock.sleep(TELL_AGAIN_SECONDS)
        found = await asyncio.to_thread(self._again)
        self._update = found if found is not None else update.ended("installed")

    def _again(self) -> Update | None:
        with contextlib.suppress(OSError):
            return read_update(self._path)
        return self._update

    # --- telling

    async def _tell_end(self, update: Update) -> None:
        """Tell the outcome until the Engine has it, then forget the update."""
        status = judging.status_of(update)
        while status is not None and not await self._tell(update, status, update.reason):
            await self._clock.sleep(TELL_AGAIN_SECONDS if self._line().connected else LOOK_SECONDS)
        log.info("update %s ended: %s %s", update.request_id, update.state, update.reason)
        try:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
        except OSError as error:
            log.error("%s cannot be deleted (%s); the end of the update is told again", self._path, error)
            await self._clock.sleep(TELL_AGAIN_SECONDS)
            return
        self._update = None

    async def _tell(self, update: Update, status: UpdateStatus, error: str = "") -> bool:
        """Tell the Engine; whether it has heard."""
        if not self._line().connected:
            return False
        message = {
            "request_id": update.request_id,
            "hostname": self._world.hostname(),
            "status": status.value,
            "build_id": self._world.build,
            **({"error": error} if error else {}),
        }
        try:
            answer = await self._line().call(DeviceEvent.AGENT_SILENT_UPDATE_STATUS, message)
        except (AgentError, TimeoutError):
            return False
        return isinstance(answer, dict) and answer.get("status") == "ok"

    def _came_to_nothing(self, update: Update, why: str) -> None:
        """Told even where the disk takes no more; whoever starts next finds an update that was cut off."""
        self._update = update.ended("failed", why)
        with contextlib.suppress(OSError):
            write_update(self._path, self._update)

    def _keep(self, update: Update) -> None:
        """Write first, then believe. Raises ``OSError``."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_update(self._path, update)
        self._update = update
