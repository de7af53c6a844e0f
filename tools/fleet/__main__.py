"""``python -m fleet``: N simulated devices against an Engine on this machine, until ended; a line each second.

Seeds the devices itself, so start it with the Engine stopped, or give ``--seeded FILE`` from ``--seed-only``.
"""

import argparse
import asyncio
import base64
import json
import signal
import ssl
import sys
from pathlib import Path

from borealis_engine.core.paths import EnginePaths
from borealis_wire.keys import VerifyKey
from fleet.fleet import Fleet
from fleet.seed import SeededDevice, seed_devices


def main() -> int:
    """Parse, seed or run."""
    parser = argparse.ArgumentParser(prog="fleet", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="BOREALIS_ROOT of the Engine")
    parser.add_argument("--url", default="https://localhost:5000")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--work-seconds", type=float, default=0.0)
    parser.add_argument("--seed-only", type=Path, help="write the devices to this file and end")
    parser.add_argument("--seeded", type=Path, help="devices from an earlier --seed-only")
    options = parser.parse_args()
    paths = EnginePaths(options.root / "Engine")
    if options.seed_only:
        store(options.seed_only, seed_devices(paths.root, options.count))
        return 0
    seeded = load(options.seeded) if options.seeded else seed_devices(paths.root, options.count)
    asyncio.run(run(paths, seeded, options.url, options.work_seconds))
    return 0


async def run(paths: EnginePaths, seeded: list[SeededDevice], url: str, work_seconds: float) -> None:
    """Keep the fleet connected until a signal comes."""
    tls = ssl.create_default_context(cafile=str(paths.certificates / "borealis-server-bundle.pem"))
    key = VerifyKey.from_spki((paths.code_signing / "borealis-script-ed25519.pub").read_bytes())
    fleet = Fleet(seeded, url=url, tls=tls, trusted={key.key_id: key}, work_seconds=work_seconds)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fleet.stay(stop))
        while not stop.is_set():
            ran = sum(device.ran for device in fleet.devices)
            print(json.dumps({"connected": fleet.connected, "of": len(fleet.devices), "ran": ran}), flush=True)
            await asyncio.sleep(1)
    await fleet.close()


def store(path: Path, seeded: list[SeededDevice]) -> None:
    """Write devices, their keys and tokens, to a private file."""
    rows = [[one.guid, one.hostname, base64.b64encode(one.key_seed).decode(), one.access_token] for one in seeded]
    path.touch(0o600)
    path.write_text(json.dumps(rows))


def load(path: Path) -> list[SeededDevice]:
    """Read what :func:`store` wrote."""
    return [
        SeededDevice(guid, hostname, base64.b64decode(seed), token)
        for guid, hostname, seed, token in json.loads(path.read_text())
    ]


if __name__ == "__main__":
    sys.exit(main())
