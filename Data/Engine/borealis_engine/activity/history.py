"""What operators read: runs, jobs and output within their sites. Reads only, and one deletion that is audited."""

import asyncio
from typing import Any

from sqlalchemy.engine import RowMapping

from borealis_base.clock import Clock
from borealis_engine.activity import recaps as recap_store
from borealis_engine.activity import store
from borealis_engine.activity.models import JobContent, RunQuery
from borealis_engine.activity.output import PAGE_CHUNKS, Chunk
from borealis_engine.activity.service import ActivityService
from borealis_engine.core.errors import NotFound
from borealis_engine.storage import Database
from borealis_wire.events import REFUSAL_ADVICE, TERMINAL_STATUSES, RefusalCode, RunStatus

ENGINE_ADVICE: dict[str, str] = {
    "expired": "No agent fetched the run in time. Check that the device is online, then send the job again.",
    "device_revoked": "The device was revoked or removed, so it gets no more work.",
    "device_lost": "The device took the run and never told how it ended. Check on the device what happened.",
    "cancelled_before_sent": "The run was cancelled before it left the Engine; nothing was executed.",
    "cancelled_unconfirmed": "The run was cancelled while it was under way to the device; it did not confirm.",
}
"""What to do about an end that the Engine decided, by reason."""


class ActivityHistory:
    """Runs for operators, as dictionaries in the REST shape. Times in Unix seconds (float)."""

    def __init__(self, *, db: Database, activity: ActivityService, clock: Clock) -> None:
        self._db = db
        self._activity = activity
        self._clock = clock

    async def page(self, query: RunQuery) -> tuple[list[dict[str, Any]], int | None]:
        """Runs newest first, and the ``before`` of the next page or None."""
        rows = await self._db.read(lambda conn: store.list_runs(conn, query))
        following = rows[-1]["id"] if len(rows) == query.limit else None
        return [self._shape(row) for row in rows], following

    async def run(self, sites: frozenset[int] | None, *, run_id: str = "", number: int | None = None) -> dict[str, Any]:
        """One run with output.

        Raises:
            NotFound: ``run_not_found``; also for one outside the caller's sites.
        """
        row = await self._db.read(lambda conn: store.get_run(conn, sites, run_id=run_id, number=number))
        if row is None:
            raise NotFound("run_not_found", "There is no such run, or it is not in your sites.")
        return self._shape(row)

    async def run_ids(self, sites: frozenset[int] | None, job_id: str) -> list[str]:
        """The run ids of a job that the caller may see; empty for an unknown job."""
        return await self._db.read(lambda conn: store.run_ids(conn, sites, job_id))

    async def content(self, sites: frozenset[int] | None, job_id: str) -> JobContent:
        """What a job says, for those who may see a run of it.

        Raises:
            NotFound: ``job_not_found``; also where no run of it is in the caller's sites.
        """
        if not await self.run_ids(sites, job_id):
            raise NotFound("job_not_found", "There is no such job, or none of its runs is in your sites.")
        return await self._activity.content(job_id)

    async def recap(self, sites: frozenset[int] | None, run_id: str) -> dict[str, Any]:
        """What became of a playbook's tasks: a row of ``ansible_play_recaps``.

        Raises:
            NotFound: ``recap_not_found``; also for a run outside the caller's sites.
        """
        row = await self._db.read(lambda conn: recap_store.load(conn, sites, run_id))
        if row is None:
            raise NotFound("recap_not_found", "There is no recap: no such playbook run, or it is not over yet.")
        return dict(row)

    async def recaps(
        self, sites: frozenset[int] | None, *, device: str = "", before: int | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Rows of ``ansible_play_recaps``, newest first."""
        rows = await self._db.read(
            lambda conn: recap_store.page(conn, sites, device=device, before=before, limit=limit)
        )
        return [dict(row) for row in rows]

    async def job(self, sites: frozenset[int] | None, job_id: str, *, limit: int = 5000) -> dict[str, Any]:
        """``{"job", "runs"}`` with the runs the caller may see, oldest first, with their output.

        Raises:
            NotFound: ``job_not_found``; also where no run of it is in the caller's sites.
        """
        query = RunQuery(sites=sites, job_id=job_id, limit=limit, with_output=True)
        rows = await self._db.read(lambda conn: store.list_runs(conn, query))
        if not rows:
            raise NotFound("job_not_found", "There is no such job, or none of its runs is in your sites.")
        content = await self._activity.content(job_id)
        runs = [self._shape(row) for row in reversed(rows)]
        return {
            "job": {
                "job_id": content.id,
                "script_name": content.script_name,
                "script_type": content.script_type,
                "script_sha256": content.script_sha256,
                "context": content.context.value,
                "timeout_seconds": content.timeout_seconds,
                "created_by": content.created_by,
                "created_at": content.created_at,
                "assembly_guid": content.assembly_guid,
                "assembly_version": content.assembly_version,
                "expires_at": content.expires_at,
                "done": all(run["status"] in TERMINAL_STATUSES for run in runs),
            },
            "runs": runs,
        }

    async def wait_finished(self, run_ids: list[str], seconds: float) -> bool:
        """Wait until all these runs are over, at most ``seconds``; True where they are."""
        with self._activity.waiters.watch(run_ids) as changed:
            return await self._wait(changed, lambda: not any(map(self._activity.live, run_ids)), seconds)

    async def wait_output(self, number: int, run_id: str, after_seq: int, seconds: float) -> tuple[list[Chunk], bool]:
        """Pieces of output above ``after_seq``, waiting for the first one; and whether the run is over."""
        deadline = self._clock.monotonic() + seconds
        with self._activity.waiters.watch([run_id]) as changed:
            while True:
                changed.clear()
                over = self._activity.live(run_id) is None
                chunks = await self._activity.output.read(number, run_id, after_seq)
                left = deadline - self._clock.monotonic()
                if chunks or over or left <= 0:
                    return chunks, over and len(chunks) < PAGE_CHUNKS
                await self._sleep_until(changed, left)

    async def _wait(self, changed: asyncio.Event, done: Any, seconds: float) -> bool:
        deadline = self._clock.monotonic() + seconds
        while not done():
            changed.clear()
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return False
            await self._sleep_until(changed, left)
        return True

    @staticmethod
    async def _sleep_until(changed: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return

    def _shape(self, row: RowMapping) -> dict[str, Any]:
        status, started_at = row["status"], row["started_at"]
        live = self._activity.live(row["run_id"])
        if live is not None and live.status == RunStatus.RUNNING:  # accepted, and not written yet
            status, started_at = live.status.value, started_at or live.accepted_at
        return {
            "device": row["hostname"],
            "guid": row["device_guid"],
            "run_id": row["run_id"],
            "activity_id": row["id"],
            "job_id": row["job_id"],
            "kind": row["kind"],
            "site_id": row["site_id"],
            "status": status,
            "exit_code": row["exit_code"],
            "stdout": row.get("stdout", ""),
            "stderr": row.get("stderr", ""),
            "has_stdout": bool(row["has_stdout"]),
            "has_stderr": bool(row["has_stderr"]),
            "started_at": started_at,
            "finished_at": row["finished_at"],
            "reason": row["reason"],
            "advice": advice(status, row["reason"]) if row["kind"] == "job" else "",
            "cancel_requested": row["cancel_requested_at"] is not None,
            "sent_at": row["sent_at"],
            "created_at": row["created_at"],
            "expires_at": row["expires_at"],
            "created_by": row["created_by"],
            "script_name": row["script_name"],
            "script_type": row["script_type"],
            "context": row["context"],
            "run_as_user": row["run_as_user"] or "",
            # Of a run it says more than who is planned only once it may have left.
            "ran_as_user": (row["ran_as_user"] or "") if row["sent_at"] is not None or row["kind"] != "job" else "",
            "assembly_guid": row["assembly_guid"],
            "assembly_version": row["assembly_version"],
        }


def advice(status: str, reason: str) -> str:
    """What an operator should do about an end; empty where the device's own words say it all."""
    if status == RunStatus.REFUSED:
        try:
            return REFUSAL_ADVICE[RefusalCode(reason)]
        except ValueError:
            return "The device did not say why in words that this Engine knows. See the agent's log."
    if status == RunStatus.INTERRUPTED and reason not in ENGINE_ADVICE:
        return "The run was cut off, by a crash or a restart of the device. It is not started again by itself."
    return ENGINE_ADVICE.get(reason, "")
