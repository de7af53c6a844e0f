"""What idle tunnels cost the Engine: a real Engine with its real WireGuard, and simulated peers that keep them up.

    PYTHONPATH=Data/Shared:Data/Agent:Data/Engine:tools:. unshare --net python -m bench.tunnels [COUNT] [SECONDS]

Needs root and WireGuard's programs; changes nothing outside of the network namespace it is started in. Prints figures
as JSON; ``./Borealis.sh bench --tunnels`` starts it and shows them.
"""

import asyncio
import base64
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil
from sqlalchemy import create_engine, insert
from tests.programs.programs import EngineProgram, wait_for

from bench.figures import Figure, core_share, pss_mb, tree
from borealis_engine.tunnel.tables import tunnels
from fleet.seed import seed_devices
from fleet.wireguard_peers import KEEPALIVE_SECONDS, PeerFleet

COUNT: Final = 500
SECONDS: Final = 120.0
UDP_PORT: Final = 30000


def main() -> int:
    """Measure here."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="borealis-tunnels-") as folder:
        figures = measure(Path(folder), count, seconds)
    print(json.dumps([figure.as_json() for figure in figures]))
    return 0


def figures_in_a_namespace() -> list[Figure]:
    """The figures, measured in a network namespace of its own. Raises ``CalledProcessError``."""
    command = ["unshare", "--net", sys.executable, "-m", "bench.tunnels"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [Figure(**figure) for figure in json.loads(done.stdout.splitlines()[-1])]


def measure(root: Path, count: int, seconds: float) -> list[Figure]:
    """``seconds``: how long the tunnels rest under our eyes; a handshake of each falls into two minutes."""
    engine = EngineProgram(root, environment={"BOREALIS_WIREGUARD_INTERFACE": f"wb{os.getpid()}"})
    engine.start()
    engine.stop()
    public = (root / "Engine" / "Certificates" / "VPN_Server" / "server_public.key").read_text().strip()
    fleet = PeerFleet(count, base64.b64decode(public), ephemerals=itertools.count())
    without = _rest(engine, 10)
    _seed(root, fleet)
    engine.start()
    try:
        return asyncio.run(_watch(engine, fleet, seconds, without))
    finally:
        engine.stop()


def _rest(engine: EngineProgram, seconds: float) -> float:
    """The share of a core of an Engine without tunnels."""
    engine.start()
    try:
        time.sleep(3)
        return core_share(tree(engine.pid), seconds)
    finally:
        engine.stop()


def _seed(root: Path, fleet: PeerFleet) -> None:
    """Devices, and a lease for each, as if an Engine before had been ended with them up."""
    devices = seed_devices(root / "Engine", len(fleet.peers))
    now = time.time()
    rows: list[dict[str, Any]] = [
        {
            "tunnel_id": f"bench{number}",
            "guid": device.guid,
            "hostname": device.hostname,
            "site_id": None,
            "address": f"10.255.{(number + 2) // 256}.{(number + 2) % 256}",
            "public_key": peer.public_key,
            "endpoint": f"127.0.0.1:{UDP_PORT}",
            "started_by": "bench",
            "started_at": now,
            "operators": '["bench"]',
            "allowed_ports": "[3389, 5900, 47002]",
            "last_used": now,
            "received": 0,
            "sent": 0,
            "ended_at": None,
            "reason": "",
        }
        for number, (device, peer) in enumerate(zip(devices, fleet.peers, strict=True))
    ]
    database = create_engine(f"sqlite:///{root / 'Engine' / 'database.db'}")
    with database.begin() as connection:
        connection.execute(insert(tunnels), rows)
    database.dispose()


async def _watch(engine: EngineProgram, fleet: PeerFleet, seconds: float, without: float) -> list[Figure]:
    wait_for("the interface", lambda: len(tree(engine.pid)) > 1, seconds=60)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: fleet, remote_addr=("127.0.0.1", UDP_PORT))
    count = len(fleet.peers)
    try:
        # Once around for the first handshakes, which come all in half a minute; then they rest.
        await fleet.idle(KEEPALIVE_SECONDS + 5)
        assert fleet.connected == count, f"{fleet.connected} of {count} have shaken hands"
        pids = tree(engine.pid)
        watching = loop.run_in_executor(None, core_share, pids, seconds)
        await fleet.idle(seconds)
        share = await watching
        own = await loop.run_in_executor(None, pss_mb, [engine.pid])
        others = [pid for pid in pids if pid != engine.pid and psutil.pid_exists(pid)]
        about = f"simulated peers, {seconds:.0f} s; Engine with wireguard-go and every program it starts"
        return [
            Figure(f"Engine CPU, {count} idle tunnels", share, "% of a core", "≤ 5", about),
            Figure("the same Engine without tunnels", without, "% of a core"),
            Figure(f"Engine memory, {count} idle tunnels", own, "MB PSS"),
            Figure("wireguard-go and guard", pss_mb(others), "MB PSS"),
        ]
    finally:
        transport.close()


if __name__ == "__main__":
    sys.exit(main())
