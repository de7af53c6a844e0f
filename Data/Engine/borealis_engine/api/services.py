"""What the REST handlers call: one object that holds every service, built by ``borealis_engine.app``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from borealis_base.clock import Clock
    from borealis_engine.activity.service import ActivityService
    from borealis_engine.audit import AuditLog
    from borealis_engine.controller import Controller
    from borealis_engine.core.feed import ChangeFeed
    from borealis_engine.core.ids import Randomness
    from borealis_engine.core.settings import EngineSettings
    from borealis_engine.credentials import CredentialService
    from borealis_engine.desktops import DesktopService
    from borealis_engine.devices.service import DeviceService
    from borealis_engine.dispatch.service import Dispatcher
    from borealis_engine.enrolment.service import EnrolmentService
    from borealis_engine.enrolment.tls import EngineCertificates
    from borealis_engine.enrolment.tokens import AccessTokens
    from borealis_engine.forwards import ForwardService
    from borealis_engine.jobs.service import JobService
    from borealis_engine.library import SavedThings, ScriptLibrary
    from borealis_engine.machines import MachineService
    from borealis_engine.operators.service import OperatorService
    from borealis_engine.overview import OverviewService
    from borealis_engine.rdp import RdpService
    from borealis_engine.screens import ScreenService
    from borealis_engine.shells import Recordings, ShellService
    from borealis_engine.signing.service import SigningService
    from borealis_engine.storage import Database
    from borealis_engine.transfers import TransferService
    from borealis_engine.tunnel import TunnelService
    from borealis_engine.updates import UpdateService


class Services:
    """Every service of one Engine. Handlers take it as the keyword ``services``.

    A plain class, not a dataclass: the web framework would otherwise try to copy it field by field.
    """

    def __init__(
        self,
        *,
        settings: "EngineSettings",
        clock: "Clock",
        randomness: "Randomness",
        db: "Database",
        feed: "ChangeFeed",
        audit: "AuditLog",
        operators: "OperatorService",
        devices: "DeviceService",
        signing: "SigningService",
        activity: "ActivityService",
        dispatcher: "Dispatcher",
        jobs: "JobService",
        scripts: "ScriptLibrary",
        saved: "SavedThings",
        overview: "OverviewService",
        enrolment: "EnrolmentService",
        certificates: "EngineCertificates",
        access_tokens: "AccessTokens",
        screens: "ScreenService",
        updates: "UpdateService",
        credentials: "CredentialService",
        machines: "MachineService",
        controller: "Controller",
        tunnels: "TunnelService",
        shells: "ShellService",
        desktops: "DesktopService",
        recordings: "Recordings",
        transfers: "TransferService",
        forwards: "ForwardService",
        rdp: "RdpService",
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.randomness = randomness
        self.db = db
        self.feed = feed
        self.audit = audit
        self.operators = operators
        self.devices = devices
        self.signing = signing
        self.activity = activity
        self.dispatcher = dispatcher
        self.jobs = jobs
        self.scripts = scripts
        self.saved = saved
        self.overview = overview
        self.enrolment = enrolment
        self.certificates = certificates
        self.access_tokens = access_tokens
        self.screens = screens
        self.updates = updates
        self.credentials = credentials
        self.machines = machines
        self.controller = controller
        self.tunnels = tunnels
        self.shells = shells
        self.desktops = desktops
        self.recordings = recordings
        self.transfers = transfers
        self.forwards = forwards
        self.rdp = rdp
