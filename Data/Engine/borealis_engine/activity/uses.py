"""What operators do with a device that no script runs for: looks at its screen, shells, tunnels. A row for each.

As upstream carries its tunnels among the runs (upstream-contract 7.2), a use is a row of the same table, of another
``kind``: it is listed, filtered, paged, deleted and pruned with them. It is no run: nothing is sent, nothing can be
cancelled or run again, no device can end it by a result, and counts of runs leave it out.

A tunnel outlives the Engine; its row does too, and is ended by the room that takes tunnels up again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from borealis_base.clock import Clock
from borealis_engine.activity import store
from borealis_engine.activity.announce import announce_use
from borealis_engine.activity.models import JobContent
from borealis_engine.activity.service import ActivityService
from borealis_engine.activity.states import Party
from borealis_engine.activity.tables import jobs, runs
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.storage import Database
from borealis_wire.events import RunContext, RunStatus

ENGINE_ENDED: Final = "The Engine ended before it did; when it was really over is not known."


class RowKind(StrEnum):
    """What a row of activity is: a job's run, or a use of which kind."""

    JOB = "job"
    SCREEN = "screen"
    SHELL = "shell"
    DESKTOP = "desktop"
    RDP = "rdp"
    FILES = "files"
    FORWARD = "forward"
    TUNNEL = "vpn_tunnel"
    """Upstream's word."""


SURVIVES: Final = frozenset({RowKind.JOB, RowKind.TUNNEL})
"""What goes on without the Engine, so that its next life does not close it."""


@dataclass(frozen=True, slots=True)
class Use:
    """One use that is on record. ``number`` is its place among the runs, ``run_id`` its name: of a tunnel the tunnel's
    own, of a recorded shell the recording's.
    """

    kind: RowKind
    number: int
    run_id: str
    name: str
    guid: str
    hostname: str
    site_id: int | None
    by: str


class UseRecorder:
    """Writes the rows of uses. ``start`` before the first."""

    def __init__(
        self, *, db: Database, clock: Clock, feed: ChangeFeed, randomness: Randomness, activity: ActivityService
    ) -> None:
        self._db = db
        self._clock = clock
        self._feed = feed
        self._randomness = randomness
        self._activity = activity

    async def start(self) -> None:
        """Close what an Engine that ended left open."""
        now = self._clock.now()
        await self._db.write(lambda conn: _close_all(conn, now))

    async def begin(
        self,
        kind: RowKind,
        name: str,
        *,
        guid: str,
        hostname: str,
        site_id: int | None,
        by: str,
        context: RunContext,
        user: str = "",
        run_id: str = "",
        along: Callable[[Connection], object] | None = None,
    ) -> Use:
        """Put on record that it began.

        Args:
            kind: which use.
            name: what lists show, for example ``Screen: live view of monitor 1``.
            guid: the device's.
            hostname: its name now.
            site_id: its site now.
            by: the operator's name.
            context: whose session on the device it is about.
            user: the account there, where a name is known.
            run_id: its name, where it has one already.
            along: what else is written, in the same transaction.

        Raises:
            Unavailable: not recorded.
        """
        number = await self._activity.take_numbers(1)
        use = Use(kind, number, run_id or self._randomness.uuid(), name, guid, hostname, site_id, by)
        now = self._clock.now()

        def work(conn: Connection) -> None:
            _insert(conn, use, context, user, now)
            if along is not None:
                along(conn)

        await self._db.write(work)
        announce_use(self._feed, use, RunStatus.RUNNING, "created")
        return use

    async def end(
        self,
        use: Use,
        status: RunStatus,
        reason: str = "",
        *,
        exit_code: int | None = None,
        user: str = "",
        along: Callable[[Connection], object] | None = None,
    ) -> None:
        """Put on record that it is over; a second end changes nothing.

        Args:
            use: which.
            status: how it ended.
            reason: why, a word or a sentence.
            exit_code: of what ran, where something did.
            user: the account on the device, where it is known by now.
            along: what else is written, in the same transaction.

        Raises:
            Unavailable: not recorded.
        """
        values: dict[str, Any] = {"status": status.value, "reason": reason[:512], "finished_at": self._clock.now()}
        values |= {"ended_by": Party.ENGINE.value, "exit_code": exit_code} | ({"ran_as_user": user} if user else {})

        def work(conn: Connection) -> bool:
            if along is not None:
                along(conn)
            return _close(conn, use, values)

        if await self._db.write(work):
            announce_use(self._feed, use, status, "updated")

    def tell(self, use: Use) -> None:
        """Something about one under way changed: who looks at it asks again."""
        announce_use(self._feed, use, RunStatus.RUNNING, "updated")

    async def under_way(self, kind: RowKind) -> dict[str, Use]:
        """Those of a kind that are not over, by ``run_id``."""
        return await self._db.read(lambda conn: _open(conn, kind))


def _insert(conn: Connection, use: Use, context: RunContext, user: str, now: float) -> None:
    content = JobContent(
        id=use.run_id,
        source=use.kind.value,
        script_name=use.name[:256],
        script_type=use.kind.value,
        script_sha256="",
        script=b"",
        script_signature="",
        signing_key="",
        context=context,
        timeout_seconds=0,
        created_by=use.by,
        created_at=now,
        expires_at=now,
    )
    store.insert_job(conn, content)
    conn.execute(
        insert(runs).values(
            id=use.number,
            run_id=use.run_id,
            job_id=use.run_id,
            kind=use.kind.value,
            device_guid=use.guid,
            hostname=use.hostname,
            site_id=use.site_id,
            context=context.value,
            ran_as_user=user or None,
            status=RunStatus.RUNNING.value,
            ended_by="",
            envelope="null",
            created_at=now,
            expires_at=now,
            started_at=now,
            stdout="",
            stderr="",
            reason="",
        )
    )


def _open(conn: Connection, kind: RowKind) -> dict[str, Use]:
    columns = (runs.c.id, runs.c.run_id, runs.c.device_guid, runs.c.hostname, runs.c.site_id)
    query = select(*columns, jobs.c.script_name, jobs.c.created_by).join(jobs, jobs.c.id == runs.c.job_id)
    open_rows = conn.execute(query.where(runs.c.kind == kind.value, runs.c.status == RunStatus.RUNNING.value))
    return {row[1]: Use(kind, row[0], row[1], row[5], row[2], row[3], row[4], row[6]) for row in open_rows}


def _close(conn: Connection, use: Use, values: dict[str, Any]) -> bool:
    open_row = (runs.c.id == use.number, runs.c.kind == use.kind.value, runs.c.status == RunStatus.RUNNING.value)
    return conn.execute(update(runs).where(*open_row).values(**values)).rowcount == 1


def _close_all(conn: Connection, now: float) -> None:
    left = (runs.c.kind.not_in(sorted(SURVIVES)), runs.c.status == RunStatus.RUNNING.value)
    values = {"status": RunStatus.INTERRUPTED.value, "reason": ENGINE_ENDED, "finished_at": now}
    conn.execute(update(runs).where(*left).values(ended_by=Party.ENGINE.value, **values))
