"""Building one Engine: every service in order, each with what it needs, none with more."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

import borealis_playbooks
from borealis_base.clock import Clock
from borealis_base.files import private_folder
from borealis_engine.activity import ActivityService, UseRecorder
from borealis_engine.activity import store as activity_store
from borealis_engine.api.app import create_api
from borealis_engine.api.server_api import RUNNING_KEY, Running
from borealis_engine.api.services import Services
from borealis_engine.app.entries import Entries, make_entries
from borealis_engine.audit import AuditLog
from borealis_engine.controller import Controller, Links
from borealis_engine.core.errors import Fatal
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.core.metrics import Metrics
from borealis_engine.core.settings import EngineSettings
from borealis_engine.credentials import CredentialService
from borealis_engine.devices import DeviceService
from borealis_engine.dispatch import Dispatcher
from borealis_engine.enrolment import AccessTokens, EngineCertificates, EnrolmentService
from borealis_engine.gateway import Gateway
from borealis_engine.jobs import JobService
from borealis_engine.library import SavedThings, ScriptLibrary
from borealis_engine.machines import MachineService
from borealis_engine.operators.service import OperatorService
from borealis_engine.overview import AgentBuild, OverviewService
from borealis_engine.screens import ScreenService
from borealis_engine.signing import SigningService
from borealis_engine.storage import Database, migrate
from borealis_engine.tunnel import make_tunnels
from borealis_engine.updates import Packages, UpdateService

log = get_logger("server")


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything of one Engine. ``asgi`` is what the web server serves."""

    services: Services
    metrics: Metrics
    gateway: Gateway
    entries: Entries
    asgi: Any
    started_at: float

    def figures(self) -> Mapping[str, Mapping[str, int]]:
        """The sizes of every room, for metrics and debugging."""
        services = self.services
        return {
            "storage": services.db.statistics(),
            "feed": services.feed.statistics(),
            "activity": services.activity.statistics(),
            "dispatch": services.dispatcher.statistics(),
            "gateway": self.gateway.statistics(),
            "screens": services.screens.statistics(),
            "updates": services.updates.statistics(),
            "controller": services.controller.statistics(),
            "tunnels": services.tunnels.statistics(),
            **self.entries.figures(),
            "tokens": services.access_tokens.statistics(),
        }

    def close(self) -> None:
        """Finish what the database has been given, and let go of threads."""
        self.services.operators.close()
        self.services.db.close()


async def build(settings: EngineSettings, *, clock: Clock, randomness: Randomness) -> Engine:
    """Open and start everything but the web server and the loops.

    Raises:
        Fatal: a person has to act; also where the database cannot be opened.
        OSError: disk full, read-only, or no right to write.
    """
    private_folder(settings.paths.root / "Data")
    try:
        db = Database(settings.database_url)
    except (SQLAlchemyError, ImportError) as error:
        raise _unusable(error) from error
    try:
        if await asyncio.to_thread(migrate, db.engine) and any(settings.paths.code_signing.glob("*.key")):
            # Not an error: it may have been moved to another kind of database. But nobody may miss it.
            log.error(
                "the database is new, and this Engine is not: its devices, operators and history are not there. If "
                "they should be, stop the Engine and restore the database; else set it up and approve its devices anew"
            )
        return await _start(settings, db, clock, randomness)
    except SQLAlchemyError as error:
        db.close()
        raise _unusable(error) from error
    except BaseException:
        db.close()
        raise


def _unusable(error: Exception) -> Fatal:
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    return Fatal(
        "database_unusable",
        f"The Engine cannot use its database: {reason}. Check that its folder is writable, that the disk has room, "
        "and BOREALIS_DATABASE_URL.",
    )


async def _start(settings: EngineSettings, db: Database, clock: Clock, randomness: Randomness) -> Engine:
    paths = settings.paths
    metrics, feed, audit = Metrics(), ChangeFeed(), AuditLog(db=db, clock=clock)
    certificates = EngineCertificates(settings=settings, clock=clock)
    await asyncio.to_thread(certificates.load)
    access_tokens = AccessTokens(folder=paths.auth_tokens, randomness=randomness)
    access_tokens.load()
    signing = SigningService(folder=paths.code_signing, clock=clock, randomness=randomness)
    await signing.start()
    operators = OperatorService(
        db=db, clock=clock, randomness=randomness, feed=feed, audit=audit, settings=settings, metrics=metrics
    )
    await operators.start()
    devices = DeviceService(db=db, clock=clock, randomness=randomness, feed=feed, audit=audit, metrics=metrics)
    await devices.start()
    credentials = CredentialService(
        db=db,
        clock=clock,
        randomness=randomness,
        folder=paths.stored_credentials,
        under_way=activity_store.under_way,
    )
    machines = MachineService(db=db, clock=clock, randomness=randomness, devices=devices, credentials=credentials)
    await machines.start()
    activity = ActivityService(db=db, clock=clock, feed=feed)
    await activity.start()
    dispatcher = Dispatcher(activity=activity, devices=devices, sealer=signing, clock=clock)
    await dispatcher.start()
    scripts = ScriptLibrary(db=db, clock=clock, randomness=randomness, feed=feed)
    jobs = JobService(
        db=db,
        clock=clock,
        randomness=randomness,
        devices=devices,
        signing=signing,
        activity=activity,
        dispatcher=dispatcher,
        scripts=scripts,
        machines=machines,
    )
    controller = Controller(
        folder=paths.controller,
        code_root=Path(borealis_playbooks.__file__).resolve().parents[1],
        clock=clock,
        devices=devices,
        machines=machines,
        credentials=credentials,
        signing=signing,
        activity=activity,
        reports=dispatcher,
    )
    enrolment = EnrolmentService(
        db=db,
        clock=clock,
        randomness=randomness,
        feed=feed,
        audit=audit,
        devices=devices,
        signing=signing,
        certificates=certificates,
        access_tokens=access_tokens,
        settings=settings,
        metrics=metrics,
    )
    uses = UseRecorder(db=db, clock=clock, feed=feed, randomness=randomness, activity=activity)
    await uses.start()
    screens = ScreenService(
        devices=devices, signing=signing, audit=audit, clock=clock, randomness=randomness, uses=uses
    )
    updates = UpdateService(
        db=db,
        clock=clock,
        randomness=randomness,
        feed=feed,
        devices=devices,
        signing=signing,
        packages=Packages(settings.paths.agent_package),
    )
    await updates.start()
    tunnels = make_tunnels(
        settings, db=db, clock=clock, randomness=randomness, uses=uses, devices=devices, signing=signing
    )
    await tunnels.start()
    entries = await make_entries(
        settings,
        db=db,
        clock=clock,
        randomness=randomness,
        audit=audit,
        uses=uses,
        devices=devices,
        operators=operators,
        signing=signing,
        tunnels=tunnels,
    )
    gateway = Gateway(
        settings=settings,
        clock=clock,
        metrics=metrics,
        feed=feed,
        devices=devices,
        access_tokens=access_tokens,
        operators=operators,
        dispatcher=dispatcher,
        runs=jobs.history,
        signing=signing,
        screens=screens,
        updates=updates,
        tunnels=tunnels,
        shells=entries.shells,
        streams=entries.streams,
    )
    dispatcher.bind_link(Links(gateway, controller))
    screens.bind_link(gateway)
    updates.bind_link(gateway)
    tunnels.bind_link(gateway)
    services = Services(
        settings=settings,
        clock=clock,
        randomness=randomness,
        db=db,
        feed=feed,
        audit=audit,
        operators=operators,
        devices=devices,
        signing=signing,
        activity=activity,
        dispatcher=dispatcher,
        jobs=jobs,
        scripts=scripts,
        saved=SavedThings(db=db, clock=clock),
        overview=OverviewService(
            db=db,
            clock=clock,
            devices=devices,
            agent_build=AgentBuild(settings.paths.agent_build, settings.agent_build),
        ),
        enrolment=enrolment,
        certificates=certificates,
        access_tokens=access_tokens,
        screens=screens,
        updates=updates,
        credentials=credentials,
        machines=machines,
        controller=controller,
        tunnels=tunnels,
        shells=entries.shells,
        desktops=entries.desktops,
        recordings=entries.recordings,
        transfers=entries.transfers,
        forwards=entries.forwards,
        rdp=entries.rdp,
    )
    rest = create_api(services, metrics=metrics)
    engine = Engine(services, metrics, gateway, entries, gateway.asgi(rest), clock.now())
    metrics.watch(engine.figures)
    metrics.waiting_writes.set_function(lambda: db.statistics()["waiting_writes"])
    rest.state[RUNNING_KEY] = Running(engine.started_at, engine.figures)
    return engine
