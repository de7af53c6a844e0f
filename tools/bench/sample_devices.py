"""Devices as a company has them: what agents would have told of themselves, put beside seeded keys and names."""

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam

from borealis_engine.core.paths import EnginePaths
from borealis_engine.devices.tables import devices
from borealis_engine.overview.models import SLOT_SECONDS, Counts, Point
from borealis_engine.overview.store import keep
from borealis_engine.storage import Database
from fleet.seed import SeededDevice

SITES: Final = ("Hamburg", "Bremen", "Lübeck", "Kiel", "Rostock", "Schwerin", "Oldenburg", "Flensburg")
_SYSTEMS: Final = (
    "Debian GNU/Linux 12 (bookworm)",
    "Ubuntu 24.04.1 LTS",
    "Microsoft Windows 11 Pro 24H2 Build 26100.2033",
    "Microsoft Windows 10 Enterprise 22H2 Build 19045.5011",
    "Microsoft Windows Server 2022 Standard 21H2 Build 20348.2762",
)
_KINDS: Final = ("Laptop", "Workstation", "Server", "Virtual Machine")
_DAY: Final = 86_400


def remember(paths: EnginePaths, count: int, *, now: float) -> None:
    """Put the last day of ``count`` devices into the overview: most are on by day. The Engine is stopped.

    Args:
        now: Unix seconds of the newest sample.
    """
    last = int(now) // SLOT_SECONDS

    def work(connection: Connection) -> None:
        for slot in range(last - _DAY // SLOT_SECONDS, last):
            at = slot * SLOT_SECONDS
            by_day = 0.5 - 0.5 * math.cos(2 * math.pi * (at % _DAY) / _DAY)
            online = round(count * (0.35 + 0.5 * by_day))
            counts = Counts(online=online, offline=count - online)
            keep(connection, slot, {0: Point(at, counts, 0, 0, 0)})

    _write(paths, work)


def describe(paths: EnginePaths, seeded: Sequence[SeededDevice], site_ids: Sequence[int]) -> None:
    """Fill the columns of seeded devices; the same for the same number of devices. The Engine is stopped."""
    dice = random.Random(len(seeded))
    rows = [_row(dice, device, number, site_ids) for number, device in enumerate(seeded)]

    def work(connection: Connection) -> None:
        changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0]}
        statement = devices.update().where(devices.c.guid == bindparam("which")).values(changed)
        named = [{f"new_{name}": value for name, value in row.items()} for row in rows]
        connection.execute(
            statement, [{**row, "which": device.guid} for row, device in zip(named, seeded, strict=True)]
        )

    _write(paths, work)


def _write(paths: EnginePaths, work: Callable[[Connection], None]) -> None:
    async def write() -> None:
        database = Database(f"sqlite:///{paths.database}")
        try:
            await database.write(work)
        finally:
            database.close()

    asyncio.run(write())


def _row(dice: random.Random, device: SeededDevice, number: int, site_ids: Sequence[int]) -> dict[str, Any]:
    now = time.time()
    seen = now - dice.randint(600, 90 * _DAY)  # offline, all of them: the changes are that they come back
    return {
        "reported_hostname": device.hostname,
        "description": dice.choice(("", "", "Reception", "Machine hall, left of the door", "Loan device")),
        "site_id": dice.choice((None, *site_ids)),
        "operating_system": dice.choice(_SYSTEMS),
        "device_type": dice.choice(_KINDS),
        "domain": dice.choice(("", "WORKGROUP", "corp.example")),
        "internal_ip": f"10.{dice.randint(0, 40)}.{dice.randint(0, 255)}.{number % 250 + 1}",
        "external_ip": f"203.0.113.{dice.randint(1, 254)}",
        "address": f"203.0.113.{dice.randint(1, 254)}",
        "last_user": f"person{dice.randint(1, 2500)}",
        "last_reboot": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seen - dice.randint(0, 40 * _DAY))),
        "last_seen": seen,
        "uptime": dice.randint(60, 40 * _DAY),
        "cpu_percent": round(dice.uniform(0, 100), 1),
        "memory_percent": round(dice.uniform(10, 95), 1),
        "agent_build_id": dice.choice(("2f6d1c90aa31", "8842be01cd07")),
    }
