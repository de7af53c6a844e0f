"""SQL of rollouts and updates. Plain functions of a connection."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from borealis_engine.updates.models import LIVE, Rollout, RolloutState, Update, UpdateState
from borealis_engine.updates.tables import agent_rollouts, agent_updates

KEPT_ROLLOUTS: Final = 200
_ROLLOUT: Final = tuple(one.name for one in fields(Rollout) if one.name != "updates")
_UPDATE: Final = tuple(one.name for one in fields(Update))


def add(connection: Connection, rollout: Rollout) -> None:
    """Keep a new rollout with its updates, and drop what has grown old."""
    connection.execute(insert(agent_rollouts), _row(rollout, _ROLLOUT))
    connection.execute(insert(agent_updates), [_row(one, _UPDATE) for one in rollout.updates.values()])
    columns = agent_rollouts.c
    kept = select(columns.rollout_id).order_by(columns.created_at.desc()).limit(KEPT_ROLLOUTS)
    old = (columns.state != RolloutState.RUNNING.value) & columns.rollout_id.not_in(kept)
    connection.execute(delete(agent_rollouts).where(old))


def save(connection: Connection, updates: Sequence[Update]) -> None:
    """Write where updates stand."""
    for one in updates:
        connection.execute(
            update(agent_updates)
            .where(agent_updates.c.request_id == one.request_id)
            .values(state=one.state.value, reason=one.reason, changed_at=one.changed_at)
        )


def save_rollout(connection: Connection, rollout: Rollout) -> None:
    """Write where a rollout stands."""
    connection.execute(
        update(agent_rollouts)
        .where(agent_rollouts.c.rollout_id == rollout.rollout_id)
        .values(state=rollout.state.value, reason=rollout.reason, ended_at=rollout.ended_at)
    )


def load_running(connection: Connection) -> list[Rollout]:
    """Rollouts that go on, and stopped ones that devices still have something to tell of; with all their updates."""
    columns = agent_rollouts.c
    live = select(agent_updates.c.rollout_id).where(agent_updates.c.state.in_([state.value for state in LIVE]))
    wanted = (columns.state == RolloutState.RUNNING.value) | columns.rollout_id.in_(live)
    found = connection.execute(select(agent_rollouts).where(wanted)).mappings()
    rollouts = {row["rollout_id"]: _rollout(row) for row in found}
    _fill(connection, rollouts)
    return list(rollouts.values())


def load_newest(connection: Connection, *, limit: int, rollout_id: str = "", guid: str = "") -> list[Rollout]:
    """Rollouts, newest first; all, one, or those that a device was in (then with that device alone)."""
    columns = agent_rollouts.c
    wanted = select(agent_rollouts).order_by(columns.created_at.desc(), columns.rollout_id).limit(limit)
    if rollout_id:
        wanted = wanted.where(columns.rollout_id == rollout_id)
    if guid:
        of_device = select(agent_updates.c.rollout_id).where(agent_updates.c.guid == guid)
        wanted = wanted.where(columns.rollout_id.in_(of_device))
    rollouts = {row["rollout_id"]: _rollout(row) for row in connection.execute(wanted).mappings()}
    _fill(connection, rollouts, guid)
    return list(rollouts.values())


def _fill(connection: Connection, rollouts: dict[str, Rollout], guid: str = "") -> None:
    columns = agent_updates.c
    wanted = select(agent_updates).where(columns.rollout_id.in_(rollouts)).order_by(columns.created_at, columns.guid)
    if guid:
        wanted = wanted.where(columns.guid == guid)
    for row in connection.execute(wanted).mappings():
        one = Update(**{**row, "state": UpdateState(row["state"])})
        rollouts[one.rollout_id].updates[one.request_id] = one


def _rollout(row: Any) -> Rollout:
    return Rollout(**{**row, "state": RolloutState(row["state"])})


def _row(one: Rollout | Update, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names}
