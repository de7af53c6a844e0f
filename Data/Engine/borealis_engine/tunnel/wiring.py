"""Makes the room for one Engine: the driver of this system, and where the key lies."""

import sys
from pathlib import Path

from borealis_base.clock import Clock
from borealis_engine.activity import UseRecorder
from borealis_engine.core.ids import Randomness
from borealis_engine.core.settings import EngineSettings
from borealis_engine.core.tunnel_settings import TunnelSettings
from borealis_engine.devices import DeviceService
from borealis_engine.storage import Database
from borealis_engine.tunnel.absent import NoWires
from borealis_engine.tunnel.models import KeyFiles
from borealis_engine.tunnel.ports import Sealer, Wires
from borealis_engine.tunnel.service import TunnelService


def make_tunnels(
    settings: EngineSettings,
    *,
    db: Database,
    clock: Clock,
    randomness: Randomness,
    uses: UseRecorder,
    devices: DeviceService,
    signing: Sealer,
    wires: Wires | None = None,
) -> TunnelService:
    """The service, not started. ``wires``: another driver than this system's, for tests."""
    folder = settings.tunnel.key_root or settings.paths.vpn_server
    files = KeyFiles(folder / "server_private.key", folder / "server_public.key")
    return TunnelService(
        db=db,
        clock=clock,
        randomness=randomness,
        uses=uses,
        devices=devices,
        signing=signing,
        settings=settings.tunnel,
        wires=wires or _wires(settings.tunnel, files.private),
        key_files=files,
        history_days=settings.job_history_days,
    )


def _wires(settings: TunnelSettings, private_key: Path) -> Wires:
    if sys.platform == "win32":
        return NoWires("an Engine on Windows has none")
    from borealis_engine.tunnel.linux import LinuxWires

    return LinuxWires(settings, private_key)
