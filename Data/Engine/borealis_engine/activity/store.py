"""The SQL of jobs and runs. Plain functions of a ``Connection``; the guards repeat ``activity.states`` in SQL.

A guarded UPDATE is the judge of every step: two steps that race are decided by the database, and memory
follows what it said.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping

from borealis_engine.activity import recaps
from borealis_engine.activity.models import JobContent, LiveRun, Outcome, RunQuery
from borealis_engine.activity.states import LIVE, TRANSITIONS, Party
from borealis_engine.activity.tables import jobs, run_numbers, runs
from borealis_wire.events import RunContext, RunStatus

_LIVE_VALUES: Final = sorted(status.value for status in LIVE)
_OVERTAKABLE: Final = sorted(status.value for status, to in TRANSITIONS.items() if to and status not in LIVE)
_LIVE_COLUMNS: Final = (
    runs.c.id,
    runs.c.run_id,
    runs.c.job_id,
    runs.c.device_guid,
    runs.c.hostname,
    runs.c.site_id,
    runs.c.context,
    runs.c.created_at,
    runs.c.expires_at,
    runs.c.status,
    runs.c.ended_by,
    runs.c.sent_at,
    runs.c.accepted_at,
    runs.c.cancel_requested_at,
    runs.c.run_as_user,
    runs.c.ran_as_user,
    jobs.c.timeout_seconds,
)
_LIST_COLUMNS: Final = (
    *(column for column in runs.c if column.name not in {"envelope", "stdout", "stderr"}),
    (runs.c.stdout != "").label("has_stdout"),
    (runs.c.stderr != "").label("has_stderr"),
    jobs.c.script_name,
    jobs.c.script_type,
    jobs.c.created_by,
    jobs.c.assembly_guid,
    jobs.c.assembly_version,
)
_IS_RUN: Final = runs.c.kind == "job"
_FULL_COLUMNS: Final = (*_LIST_COLUMNS, runs.c.stdout, runs.c.stderr)


def reserve_numbers(conn: Connection, count: int) -> int:
    """Take ``count`` run numbers; gives the first. They are never given again."""
    row = conn.execute(select(run_numbers.c.next_number).where(run_numbers.c.id == 1).with_for_update()).first()
    if row is None:
        conn.execute(insert(run_numbers).values(id=1, next_number=1 + count))
        return 1
    conn.execute(update(run_numbers).where(run_numbers.c.id == 1).values(next_number=row[0] + count))
    return int(row[0])


def insert_job(conn: Connection, job: JobContent) -> None:
    """Record a job."""
    conn.execute(
        insert(jobs),
        [
            {
                "id": job.id,
                "source": job.source,
                "script_name": job.script_name,
                "script_type": job.script_type,
                "script_sha256": job.script_sha256,
                "script": job.script,
                "script_signature": job.script_signature,
                "signing_key": job.signing_key,
                "variables": json.dumps(job.variables),
                "environment": json.dumps(job.environment),
                "files": json.dumps(job.files),
                "context": job.context.value,
                "timeout_seconds": job.timeout_seconds,
                "created_by": job.created_by,
                "created_at": job.created_at,
                "expires_at": job.expires_at,
                "assembly_guid": job.assembly_guid,
                "assembly_version": job.assembly_version,
                "playbook": None if job.playbook is None else json.dumps(job.playbook),
            }
        ],
    )


def insert_runs(conn: Connection, new: Sequence[LiveRun]) -> None:
    """Record runs, each with its envelope."""
    conn.execute(
        insert(runs),
        [
            {
                "id": run.id,
                "run_id": run.run_id,
                "job_id": run.job_id,
                "device_guid": run.guid,
                "hostname": run.hostname,
                "site_id": run.site_id,
                "context": run.context.value,
                "status": run.status.value,
                "ended_by": "",
                "envelope": json.dumps(run.envelope),
                "created_at": run.created_at,
                "expires_at": run.expires_at,
                "sent_at": run.sent_at,
                "stdout": "",
                "stderr": "",
                "reason": "",
                "run_as_user": run.run_as_user or None,
                "ran_as_user": run.ran_as_user or None,
            }
            for run in new
        ],
    )


def load_live(conn: Connection) -> list[LiveRun]:
    """All runs that are not over, oldest first, without envelopes."""
    query = (
        select(*_LIVE_COLUMNS)
        .join(jobs, jobs.c.id == runs.c.job_id)
        .where(_IS_RUN, runs.c.status.in_(_LIVE_VALUES))
        .order_by(runs.c.id)
    )
    return [_live(row) for row in conn.execute(query).mappings()]


def find_run(conn: Connection, run_id: str) -> LiveRun | None:
    """One run in any status, in the small form; no use of a device is one."""
    query = select(*_LIVE_COLUMNS).join(jobs, jobs.c.id == runs.c.job_id).where(_IS_RUN, runs.c.run_id == run_id)
    row = conn.execute(query).mappings().first()
    return _live(row) if row is not None else None


def load_envelopes(conn: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The sealed orders of some runs."""
    rows = conn.execute(select(runs.c.id, runs.c.envelope).where(runs.c.id.in_(ids)))
    return {row[0]: json.loads(row[1]) for row in rows}


def load_job(conn: Connection, job_id: str) -> JobContent | None:
    """One job with script and files."""
    row = conn.execute(select(jobs).where(jobs.c.id == job_id)).mappings().first()
    if row is None:
        return None
    members = dict(row)
    for name in ("variables", "files"):
        members[name] = tuple(json.loads(members[name]))
    members["environment"] = json.loads(members["environment"])
    members["playbook"] = None if members["playbook"] is None else json.loads(members["playbook"])
    members["context"] = RunContext(members["context"])
    return JobContent(**members)


def under_way(conn: Connection, wanted: Sequence[str]) -> set[str]:
    """Which of these runs are not over."""
    found: set[str] = set()
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        query = select(runs.c.run_id).where(runs.c.run_id.in_(some), runs.c.status.in_(_LIVE_VALUES))
        found.update(conn.execute(query).scalars())
    return found


def mark_sent(conn: Connection, run: int, now: float, user: str = "") -> bool:
    """Note that a run may leave the Engine, to this user's agent; False where it ended or is to be cancelled.

    Idempotent: it keeps the time at which it was first noted.
    """
    guard = and_(runs.c.status == RunStatus.PENDING.value, runs.c.cancel_requested_at.is_(None))
    values = {"sent_at": func.coalesce(runs.c.sent_at, now), "ran_as_user": user or None}
    return conn.execute(update(runs).where(runs.c.id == run, guard).values(**values)).rowcount == 1


_MARK_RUNNING: Final = (
    update(runs)
    .where(runs.c.id == bindparam("number"), runs.c.status == RunStatus.PENDING.value, runs.c.sent_at.is_not(None))
    .values(status=RunStatus.RUNNING.value, accepted_at=bindparam("at"), started_at=bindparam("at"))
)


def mark_running(conn: Connection, accepted: Iterable[tuple[int, float]]) -> None:
    """Note for several runs when the device accepted them; those that ended meanwhile stay as they are."""
    conn.execute(_MARK_RUNNING, [{"number": number, "at": at} for number, at in accepted])


def record_outcome(conn: Connection, run: LiveRun, outcome: Outcome, now: float) -> bool:
    """Record how the device ended a run; False where that is not its to say (any more), e.g. a repeat."""
    values: dict[str, Any] = {
        "status": outcome.status.value,
        "ended_by": Party.DEVICE.value,
        "exit_code": outcome.exit_code,
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "reason": outcome.reason,
        "finished_at": outcome.finished_at or now,
        "accepted_at": run.accepted_at,
        "ran_as_user": run.ran_as_user or None,
    }
    if outcome.started_at is not None or run.accepted_at is not None:
        values["started_at"] = outcome.started_at or run.accepted_at
    changed = conn.execute(
        update(runs).where(runs.c.id == run.id, runs.c.sent_at.is_not(None), _device_may_end()).values(**values)
    )
    if changed.rowcount == 1 and outcome.recap:
        recaps.record(conn, run, outcome, now)
    return changed.rowcount == 1


def end_by_engine(conn: Connection, run: int, to: RunStatus, *, source: RunStatus, reason: str, now: float) -> bool:
    """Record an end that the Engine decided; False where the run is in another status than ``source`` by now."""
    changed = conn.execute(
        update(runs)
        .where(runs.c.id == run, runs.c.status == source.value)
        .values(status=to.value, ended_by=Party.ENGINE.value, reason=reason, finished_at=now)
    )
    return changed.rowcount == 1


def cancel_unsent(conn: Connection, run: int, *, reason: str, now: float) -> bool:
    """Cancel a run that never left; False where it has, or is over."""
    changed = conn.execute(
        update(runs)
        .where(runs.c.id == run, runs.c.status == RunStatus.PENDING.value, runs.c.sent_at.is_(None))
        .values(status=RunStatus.CANCELLED.value, ended_by=Party.ENGINE.value, reason=reason, finished_at=now)
    )
    return changed.rowcount == 1


def request_cancel(conn: Connection, run: int, *, now: float) -> bool:
    """Note that a run under way is to be cancelled; False where it is over."""
    changed = conn.execute(
        update(runs).where(runs.c.id == run, runs.c.status.in_(_LIVE_VALUES)).values(cancel_requested_at=now)
    )
    return changed.rowcount == 1


def list_runs(conn: Connection, query: RunQuery) -> list[RowMapping]:
    """Rows for operators."""
    columns = _FULL_COLUMNS if query.with_output else _LIST_COLUMNS
    statement = select(*columns).join(jobs, jobs.c.id == runs.c.job_id).where(*_visible(query.sites))
    if query.device:
        statement = statement.where(or_(runs.c.device_guid == query.device, runs.c.hostname == query.device))
    if query.statuses:
        statement = statement.where(runs.c.status.in_(sorted(query.statuses)))
    if query.created_by:
        statement = statement.where(jobs.c.created_by == query.created_by)
    if query.since is not None:
        statement = statement.where(runs.c.created_at >= query.since)
    if query.until is not None:
        statement = statement.where(runs.c.created_at < query.until)
    for word in query.text.split():
        statement = statement.where(
            or_(jobs.c.script_name.icontains(word, autoescape=True), runs.c.hostname.icontains(word, autoescape=True))
        )
    if query.kind:
        statement = statement.where(runs.c.kind == query.kind)
    if query.job_id:
        statement = statement.where(runs.c.job_id == query.job_id)
    if query.before is not None:
        statement = statement.where(runs.c.id < query.before)
    return list(conn.execute(statement.order_by(runs.c.id.desc()).limit(query.limit)).mappings())


def run_ids(conn: Connection, sites: frozenset[int] | None, job_id: str) -> list[str]:
    """Run ids of a job."""
    return list(conn.execute(select(runs.c.run_id).where(runs.c.job_id == job_id, *_visible(sites))).scalars())


def get_run(
    conn: Connection, sites: frozenset[int] | None, *, run_id: str = "", number: int | None = None
) -> RowMapping | None:
    """One row with output, by uuid or by number."""
    key = runs.c.run_id == run_id if number is None else runs.c.id == number
    statement = select(*_FULL_COLUMNS).join(jobs, jobs.c.id == runs.c.job_id).where(key, *_visible(sites))
    return conn.execute(statement).mappings().first()


def delete_history(conn: Connection, hostname: str, sites: frozenset[int] | None) -> int:
    """Delete the finished runs of a device by its name; gives how many."""
    ended = runs.c.status.not_in(_LIVE_VALUES)
    count = conn.execute(delete(runs).where(runs.c.hostname == hostname, ended, *_visible(sites))).rowcount
    _delete_empty_jobs(conn)
    return int(count)


def count_since(conn: Connection, since: float) -> list[tuple[int | None, str, int]]:
    """How many runs began after ``since`` (Unix seconds): site, status, number."""
    query = (
        select(runs.c.site_id, runs.c.status, func.count())
        .where(_IS_RUN, runs.c.created_at > since)
        .group_by(runs.c.site_id, runs.c.status)
    )
    return [(row[0], row[1], row[2]) for row in conn.execute(query)]


def count_between(conn: Connection, sites: frozenset[int] | None, since: float, until: float | None) -> dict[str, int]:
    """How many runs within ``sites`` began from ``since`` on and before ``until`` (Unix seconds), by status."""
    query = select(runs.c.status, func.count()).where(_IS_RUN, runs.c.created_at >= since, *_visible(sites))
    if until is not None:
        query = query.where(runs.c.created_at < until)
    return {row[0]: row[1] for row in conn.execute(query.group_by(runs.c.status))}


def prune(conn: Connection, before: float) -> int:
    """Delete runs that ended before ``before``, and jobs without runs; gives how many runs."""
    ended = runs.c.status.not_in(_LIVE_VALUES)
    count = conn.execute(delete(runs).where(ended, runs.c.finished_at < before)).rowcount
    _delete_empty_jobs(conn)
    return int(count)


def _delete_empty_jobs(conn: Connection) -> None:
    conn.execute(delete(jobs).where(~select(runs.c.id).where(runs.c.job_id == jobs.c.id).exists()))


def _visible(sites: frozenset[int] | None) -> list[ColumnElement[bool]]:
    return [] if sites is None else [runs.c.site_id.in_(sorted(sites))]


def _device_may_end() -> ColumnElement[bool]:
    return or_(
        runs.c.status.in_(_LIVE_VALUES),
        and_(runs.c.ended_by == Party.ENGINE.value, runs.c.status.in_(_OVERTAKABLE)),
    )


def _live(row: RowMapping) -> LiveRun:
    return LiveRun(
        id=row["id"],
        run_id=row["run_id"],
        job_id=row["job_id"],
        guid=row["device_guid"],
        hostname=row["hostname"],
        site_id=row["site_id"],
        context=RunContext(row["context"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        timeout_seconds=row["timeout_seconds"],
        status=RunStatus(row["status"]),
        ended_by=Party(row["ended_by"]),
        sent_at=row["sent_at"],
        accepted_at=row["accepted_at"],
        cancel_requested=row["cancel_requested_at"] is not None,
        offers=0 if row["sent_at"] is None else 1,
        run_as_user=row["run_as_user"] or "",
        ran_as_user=row["ran_as_user"] or row["run_as_user"] or "",
    )
