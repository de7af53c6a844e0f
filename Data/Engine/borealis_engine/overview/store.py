"""SQL of samples. Plain functions of a connection."""

from dataclasses import astuple, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from borealis_engine.overview.counting import FINE_SLOTS, HOURLY, KEPT_SLOTS
from borealis_engine.overview.models import SLOT_SECONDS, Counts, Point
from borealis_engine.overview.tables import overview_samples

_COUNTED = tuple(field.name for field in fields(Counts))
_SUMMED = (*_COUNTED, "waiting", "runs", "failed")


def keep(connection: Connection, slot: int, samples: dict[int, Point]) -> None:
    """Store a slot, in place of what it had: the clock may have been set back."""
    connection.execute(delete(overview_samples).where(overview_samples.c.slot == slot))
    rows: list[dict[str, Any]] = []
    for site_id, point in samples.items():
        values = (*astuple(point.counts), point.waiting, point.runs, point.failed)
        if site_id == 0 or any(values):
            rows.append({"slot": slot, "site_id": site_id, **dict(zip(_SUMMED, values, strict=True))})
    connection.execute(insert(overview_samples), rows)


def thin_out(connection: Connection, now_slot: int) -> None:
    """Remove what is older than 30 days, and of what is older than two all but one an hour."""
    slot = overview_samples.c.slot
    old = slot < now_slot - KEPT_SLOTS
    fine = (slot < now_slot - FINE_SLOTS) & (slot % HOURLY != 0)
    connection.execute(delete(overview_samples).where(old | fine))


def points(connection: Connection, sites: frozenset[int] | None, *, first: int, last: int, step: int) -> list[Point]:
    """Samples of slots ``first`` to ``last``, every ``step``th, summed over sites (None: all), oldest first."""
    columns = overview_samples.c
    wanted: tuple[ColumnElement[bool], ...] = (columns.slot.between(first, last), columns.slot % step == 0)
    taken = connection.execute(
        select(columns.slot).where(columns.site_id == 0, *wanted).order_by(columns.slot)
    ).scalars()
    found = {slot: Point(slot * SLOT_SECONDS, Counts(), 0, 0, 0) for slot in taken}
    summed = select(columns.slot, *(func.sum(columns[name]) for name in _SUMMED)).where(*wanted).group_by(columns.slot)
    if sites is not None:
        summed = summed.where(columns.site_id.in_(sorted(sites)))
    for slot, *sums in connection.execute(summed):
        numbers = [int(number) for number in sums]
        counts = Counts(*numbers[: len(_COUNTED)])
        found[slot] = Point(slot * SLOT_SECONDS, counts, *numbers[len(_COUNTED) :])
    return [found[slot] for slot in sorted(found)]
