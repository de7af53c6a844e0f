"""What reaches into devices through their tunnels: shells, and whatever else has an entry there."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from borealis_base.clock import Clock
from borealis_engine.activity import UseRecorder
from borealis_engine.app.ways import KnownTunnels, LocalWay, TunnelWay
from borealis_engine.audit import AuditLog
from borealis_engine.core.ids import Randomness
from borealis_engine.core.settings import EngineSettings
from borealis_engine.desktops import STAY_KIND as DESKTOP
from borealis_engine.desktops import STREAM_PATH as DESKTOP_STREAM
from borealis_engine.desktops import DesktopService, Policies
from borealis_engine.devices import DeviceService
from borealis_engine.forwards import FORWARDS, ForwardService
from borealis_engine.forwards import STREAM_PATH as FORWARD_STREAM
from borealis_engine.lines import Stays, Streams, Way
from borealis_engine.operators.service import OperatorService
from borealis_engine.rdp import RDP, KnownCertificates, RdpService
from borealis_engine.rdp import STREAM_PATH as RDP_STREAM
from borealis_engine.shells import Recordings, ShellService
from borealis_engine.signing import SigningService
from borealis_engine.storage import Database
from borealis_engine.transfers import STAYS as FILES_STAYS
from borealis_engine.transfers import TransferService
from borealis_engine.tunnel import TunnelService


@dataclass(frozen=True, slots=True)
class Entries:
    """The rooms that use a way to a device. ``streams``: what they show at the socket door, by path."""

    recordings: Recordings
    shells: ShellService
    desktops: DesktopService
    rdp: RdpService
    transfers: TransferService
    forwards: ForwardService
    streams: Mapping[str, Streams]
    stays: Mapping[str, Stays] = field(default_factory=dict)
    """Who is connected, by what it is called among the loops."""

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs as long as the Engine."""
        return {
            "shells": self.shells.run_loop,
            "recordings": self.recordings.run_loop,
            "old recordings": self.recordings.prune_loop,
            **{name: stays.run_loop for name, stays in self.stays.items()},
        }

    def figures(self) -> dict[str, Mapping[str, int]]:
        """Sizes, for metrics and debugging."""
        return {
            "shells": self.shells.statistics(),
            "rdp": self.rdp.statistics(),
            **{name: {"open": len(one)} for name, one in self.stays.items()},
        }

    def end_all(self) -> None:
        """Who is connected is told that the Engine ends. Never waits."""
        for stays in self.stays.values():
            stays.end_all()


async def make_entries(
    settings: EngineSettings,
    *,
    db: Database,
    clock: Clock,
    randomness: Randomness,
    audit: AuditLog,
    uses: UseRecorder,
    devices: DeviceService,
    operators: OperatorService,
    signing: SigningService,
    tunnels: TunnelService,
) -> Entries:
    """Make and start them. Raises ``OSError`` where the recordings' folder cannot be had."""
    way: Way = TunnelWay(tunnels, settings.tunnel, public_url=settings.public_url)
    if settings.tunnel.local:
        way = LocalWay(way)
    recordings = Recordings(
        db=db,
        audit=audit,
        clock=clock,
        randomness=randomness,
        folder=settings.paths.recordings,
        settings=settings.shells,
    )
    await recordings.start()
    account: dict[str, Any] = {
        "devices": devices,
        "rights": operators,
        "uses": uses,
        "audit": audit,
        "clock": clock,
        "randomness": randomness,
    }
    shells = ShellService(**account, signing=signing, way=way, port=settings.tunnel.shell_port, recorders=recordings)
    operators.on_rights_changed(shells.rights_changed)
    stays = {
        "desktops": Stays(DESKTOP, **account),
        "remote desktops by RDP": Stays(RDP, **account),
        "files": Stays(FILES_STAYS, **account),
        "forwards": Stays(FORWARDS, **account),
    }
    reaching: dict[str, Any] = {"signing": signing, "way": way, "clock": clock, "randomness": randomness}
    desktops = DesktopService(
        stays=stays["desktops"],
        policies=Policies(db=db, clock=clock, devices=devices),
        port=settings.tunnel.desktop_port,
        **reaching,
    )
    rdp = RdpService(
        stays=stays["remote desktops by RDP"],
        way=way,
        tunnels=KnownTunnels(tunnels),
        certificates=KnownCertificates(db=db, clock=clock),
        clock=clock,
        randomness=randomness,
        mountpoint=settings.paths.rdp,
        port=settings.tunnel.rdp_port,
        most=settings.tunnel.rdp_sessions,
    )
    transfers = TransferService(stays=stays["files"], audit=audit, port=settings.tunnel.files_port, **reaching)
    forwards = ForwardService(stays=stays["forwards"], port=settings.tunnel.forward_port, **reaching)
    for one in stays.values():
        operators.on_rights_changed(one.rights_changed)
    return Entries(
        recordings=recordings,
        shells=shells,
        desktops=desktops,
        rdp=rdp,
        transfers=transfers,
        forwards=forwards,
        streams={DESKTOP_STREAM: desktops, RDP_STREAM: rdp, FORWARD_STREAM: forwards},
        stays=stays,
    )
