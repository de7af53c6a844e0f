"""Recaps of playbooks: what a device said about each task, brought into form, kept beside the run, and read."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.engine import RowMapping

from borealis_engine.activity.models import LiveRun, Outcome
from borealis_engine.activity.tables import ansible_play_recaps, jobs, runs
from borealis_engine.activity.text import storable
from borealis_wire.events import CONTEXT_HEADER_VALUES
from borealis_wire.messages import agent_id

# The agent has these names and bounds too, in what runs under Ansible's own Python and can import nothing of the wire.
COUNTS: Final = ("ok", "changed", "failed", "skipped", "unreachable", "rescued", "ignored")
RESULTS: Final = frozenset({"ok", "changed", "failed", "skipped", "unreachable"})
MAX_HOSTS: Final = 200
MAX_TASKS: Final = 400
MAX_RESULTS: Final = 1000
_MAX_COUNT: Final = 1_000_000


def clean_recap(given: Mapping[str, Any]) -> dict[str, Any]:
    """A recap in our form, bounded, whatever a device sent; empty where there is none.

    Returns:
        ``{"hosts": [{"host", "ok", "changed", ...}], "tasks": [{"play", "name", "action", "results": [{"host",
        "result", "message", "seconds", "ignored"}]}], "text", "check", "truncated", "problem"}``.
    """
    if not given:
        return {}
    hosts = given.get("hosts")
    listed = given.get("tasks")
    room = MAX_RESULTS
    tasks = []
    for task in listed[:MAX_TASKS] if isinstance(listed, list) else []:
        if not isinstance(task, Mapping):
            continue
        results = _results(task.get("hosts"), room)
        room -= len(results)
        tasks.append(
            {
                "play": _text(task.get("play"), 200),
                "name": _text(task.get("name"), 200),
                "action": _text(task.get("action"), 200),
                "results": results,
            }
        )
    return {
        "hosts": [
            {"host": _text(host, 253), **{name: _count(counts.get(name)) for name in COUNTS}}
            for host, counts in list(hosts.items() if isinstance(hosts, Mapping) else ())[:MAX_HOSTS]
            if isinstance(counts, Mapping)
        ],
        "tasks": tasks,
        "text": _text(given.get("text"), 8000),
        "check": given.get("check") is True,
        "truncated": given.get("truncated") is True or room <= 0,
        "problem": _text(given.get("problem"), 1000),
    }


def record(conn: Connection, run: LiveRun, outcome: Outcome, now: float) -> None:
    """Keep the recap of a run whose end is being recorded, in the same transaction."""
    name = conn.execute(select(jobs.c.script_name).where(jobs.c.id == run.job_id)).scalar_one()
    conn.execute(
        insert(ansible_play_recaps).values(
            run_id=run.run_id,
            hostname=run.hostname,
            agent_id=agent_id(run.hostname, run.guid, CONTEXT_HEADER_VALUES[run.context]),
            playbook_path="",
            playbook_name=name,
            scheduled_job_id=None,
            scheduled_run_id=None,
            activity_job_id=run.id,
            status=outcome.status.value,
            recap_text=outcome.recap["text"],
            recap_json=json.dumps(outcome.recap),
            started_ts=outcome.started_at,
            finished_ts=outcome.finished_at or now,
            created_at=now,
            updated_at=now,
        )
    )


def load(conn: Connection, sites: frozenset[int] | None, run_id: str) -> RowMapping | None:
    """The recap of one run within an operator's sites."""
    statement = _visible(sites).where(ansible_play_recaps.c.run_id == run_id)
    return conn.execute(statement).mappings().first()


def page(
    conn: Connection, sites: frozenset[int] | None, *, device: str, before: int | None, limit: int
) -> list[RowMapping]:
    """Recaps, newest first; ``device``: a GUID or hostname, all if empty."""
    statement = _visible(sites)
    if device:
        statement = statement.where((runs.c.device_guid == device) | (runs.c.hostname == device))
    if before is not None:
        statement = statement.where(ansible_play_recaps.c.id < before)
    return list(conn.execute(statement.order_by(ansible_play_recaps.c.id.desc()).limit(limit)).mappings())


def _visible(sites: frozenset[int] | None) -> Any:
    statement = select(ansible_play_recaps).join(runs, runs.c.run_id == ansible_play_recaps.c.run_id)
    return statement if sites is None else statement.where(runs.c.site_id.in_(sorted(sites)))


def _results(given: Any, room: int) -> list[dict[str, Any]]:
    found = []
    for host, result in list(given.items() if isinstance(given, Mapping) else ())[: max(0, room)]:
        if not isinstance(result, Mapping) or result.get("result") not in RESULTS:
            continue
        seconds = result.get("seconds")
        found.append(
            {
                "host": _text(host, 253),
                "result": result["result"],
                "message": _text(result.get("message"), 400),
                "seconds": float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < _MAX_COUNT else None,
                "ignored": result.get("ignored") is True,
            }
        )
    return found


def _text(value: Any, limit: int) -> str:
    return storable(value)[:limit] if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return min(value, _MAX_COUNT) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
