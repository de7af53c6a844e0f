"""Put devices into an Engine's database, as if each had enrolled: thousands in a second.

Uses the Engine's own rooms, on an Engine that is stopped. Enrolment itself is limited by address (40 in a minute),
which is right for an Engine and no use for a fleet of 5,000.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from borealis_base.clock import SystemClock
from borealis_engine.core.ids import SystemRandomness
from borealis_engine.core.paths import EnginePaths
from borealis_engine.devices.admission import admit
from borealis_engine.devices.models import DeviceAuth
from borealis_engine.enrolment.tokens import AccessTokens
from borealis_engine.storage import Database
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey


@dataclass(frozen=True, slots=True)
class SeededDevice:
    """What a simulated device needs to connect. The access token holds for 15 minutes."""

    guid: str
    hostname: str
    key_seed: bytes
    access_token: str


def seed_devices(
    engine_root: Path, count: int, *, prefix: str = "sim", site_id: int | None = None
) -> list[SeededDevice]:
    """Admit ``count`` devices and issue their access tokens.

    Args:
        engine_root: the folder ``Engine`` of an Engine that has run once and is stopped now.
        count: how many.
        prefix: of their host names.
        site_id: where they go.
    """
    return asyncio.run(_seed(EnginePaths(engine_root), count, prefix, site_id))


async def _seed(paths: EnginePaths, count: int, prefix: str, site_id: int | None) -> list[SeededDevice]:
    randomness, now = SystemRandomness(), time.time()
    tokens = AccessTokens(folder=paths.auth_tokens, randomness=randomness)
    tokens.load()
    seeds = [hashlib.sha256(f"{prefix}-{number}".encode()).digest() for number in range(count)]

    def work(connection: Any) -> list[DeviceAuth]:
        admitted = []
        for number, seed in enumerate(seeds):
            public = SigningKey.from_seed(seed).public
            admitted.append(
                admit(
                    connection,
                    guid=None,
                    hostname=f"{prefix}-{number:05d}",
                    fingerprint=public.fingerprint,
                    public_key_spki=public.spki,
                    site_id=site_id,
                    now=now,
                    randomness=randomness,
                )
            )
        return admitted

    database = Database(f"sqlite:///{paths.database}")
    try:
        admitted = await database.write(work)
    finally:
        database.close()
    clock = SystemClock()
    return [
        SeededDevice(auth.guid, auth.hostname, seed, tokens.issue(auth, RunContext.SYSTEM, clock.now()))
        for auth, seed in zip(admitted, seeds, strict=True)
    ]
