"""Counting the fleet, for whoever looks now and every five minutes for the plots."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.activity import store as activity_store
from borealis_engine.core.errors import EngineError
from borealis_engine.core.log import get_logger
from borealis_engine.devices import DeviceQuery
from borealis_engine.enrolment import approval_store
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.overview import counting, store
from borealis_engine.overview.counting import CountedDevice
from borealis_engine.overview.models import FAILED, SLOT_SECONDS, Bars, Counts, Glance, Point, Series
from borealis_engine.storage import Database

DAY: Final = 24 * 3600.0
_ENGINE: Final = Principal(None, "engine", OperatorRole.ADMIN)
_Runs = dict[int, Counter[str]]
log = get_logger("overview")


class Devices(Protocol):
    """Finds devices from memory; implemented by ``devices.DeviceService``."""

    def find(self, actor: Principal, query: DeviceQuery) -> Sequence[CountedDevice]:
        """Devices that an operator may see."""


class OverviewService:
    """Counts and samples. ``agent_build`` gives the build of agents up to date, "" to go by the commonest."""

    def __init__(self, *, db: Database, clock: Clock, devices: Devices, agent_build: Callable[[], str] = str) -> None:
        self._db = db
        self._clock = clock
        self._devices = devices
        self._agent_build = agent_build

    async def glance(self, principal: Principal, *, site_id: int | None = None) -> Glance:
        """The fleet now, as far as this operator may see it; of one site where that is asked for.

        Raises:
            NotFound: ``site_not_found``, for a site they may not see as well.
        """
        build = self._build()
        devices = self._devices.find(principal, DeviceQuery(site_id=site_id))
        counts = sum(counting.count_by_site(devices, build).values(), Counts())
        now = self._clock.now()
        waiting, runs = await self._db.read(partial(_others, since=now - DAY))
        sites = _sites(principal, site_id)
        shown = [statuses for site, statuses in runs.items() if sites is None or site in sites]
        return Glance(
            at=now,
            counts=counts,
            agent_build=build,
            waiting=sum(number for site, number in waiting.items() if sites is None or site in sites),
            runs=sum(shown, Counter[str]()),
        )

    async def series(self, principal: Principal, *, hours: int, site_id: int | None = None) -> Series:
        """How it went in the last ``hours``, within the operator's sites, by the sites that devices were in then.

        Raises:
            NotFound: ``site_not_found``, for a site they may not see as well.
        """
        self._devices.find(principal, DeviceQuery(site_id=site_id, hostname="-"))  # refuses a site out of sight
        step, last = counting.step_for(hours), counting.slot_of(self._clock.now())
        first = last - hours * counting.HOURLY
        sites = _sites(principal, site_id)
        found = await self._db.read(partial(store.points, sites=sites, first=first, last=last, step=step))
        return Series(step * SLOT_SECONDS, found)

    async def bars(
        self, principal: Principal, *, hours: int, midnight: float, site_id: int | None = None
    ) -> tuple[Counter[str], Bars]:
        """Runs by status since ``midnight``, and bars over the last ``hours`` of which one begins there.

        ``midnight`` is the reader's last one (Unix seconds). The caller has been refused sites out of their sight.
        """
        now, sites = self._clock.now(), _sites(principal, site_id)
        step = counting.bar_seconds(hours)
        edges = counting.bar_edges(now, hours=hours, step=step, midnight=midnight)

        def work(connection: Connection) -> tuple[Counter[str], list[Counter[str]]]:
            def counted(since: float, until: float | None) -> Counter[str]:
                return Counter(activity_store.count_between(connection, sites, since, until))

            return counted(midnight, None), [counted(edge, edge + step) for edge in edges]

        today, found = await self._db.read(work)
        return today, Bars(step, [counting.bar(edge, counts) for edge, counts in zip(edges, found, strict=True)])

    async def sample(self) -> None:
        """Keep what there is now as the sample of this moment's slot, and drop what has grown old."""
        counts = counting.count_by_site(self._devices.find(_ENGINE, DeviceQuery()), self._build())
        now = self._clock.now()
        slot = counting.slot_of(now)

        def work(connection: Connection) -> None:
            waiting, runs = _others(connection, since=now - DAY)
            samples = {
                site: Point(
                    slot * SLOT_SECONDS,
                    counts.get(site, Counts()),
                    waiting.get(site, 0),
                    runs.get(site, Counter()).total(),
                    sum(runs.get(site, Counter())[status.value] for status in FAILED),
                )
                for site in {0, *counts, *waiting, *runs}
            }
            store.keep(connection, slot, samples)
            store.thin_out(connection, slot)

        await self._db.write(work)

    async def sample_loop(self) -> None:
        """Take a sample every five minutes, on the dot; a supervised task."""
        while True:
            now = self._clock.now()
            await self._clock.sleep((counting.slot_of(now) + 1) * SLOT_SECONDS - now)
            try:
                await self.sample()
            except EngineError as error:
                log.warning("no sample taken", error_code=error.code)

    def _build(self) -> str:
        # Of the whole fleet, also for who sees a part of it: what is up to date is the same for everybody.
        return self._agent_build() or counting.current_build(self._devices.find(_ENGINE, DeviceQuery()))


def _others(connection: Connection, *, since: float) -> tuple[dict[int, int], _Runs]:
    """What is not in memory, by site (0: none): devices that wait for approval, and runs by status."""
    runs: _Runs = {}
    for site_id, status, number in activity_store.count_since(connection, since):
        runs.setdefault(site_id or 0, Counter())[status] = number
    return {site_id or 0: number for site_id, number in approval_store.pending_by_site(connection)}, runs


def _sites(principal: Principal, site_id: int | None) -> frozenset[int] | None:
    return principal.sites if site_id is None else frozenset({site_id})
