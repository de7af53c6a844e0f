"""Runs of today and over time: by the reader's midnight, without gaps, within one's sites, and never cancelled ones as
failed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from tests.fakes.engine_rest import Caller, Rest, open_rest

from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_engine.overview import Bar
from borealis_engine.overview.counting import bar, bar_edges, bar_seconds

DAY = 24 * 3600


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened


async def runs(caller: Caller, query: str) -> dict[str, Any]:
    answer = await caller.get(f"/api/overview?{query}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()["runs"]
    return found


@given(st.integers(1, 30 * 24), st.floats(0, 4e9), st.floats(-DAY, DAY))
def test_bars_cover_the_time_and_are_few(hours: int, now: float, off: float) -> None:
    step = bar_seconds(hours)
    edges = bar_edges(now, hours=hours, step=step, midnight=now + off)
    assert 0 < len(edges) <= 31
    assert edges[-1] <= now + 1
    assert now - edges[-1] <= step + 1
    assert edges[0] >= now - hours * 3600 - 1


def test_a_bar_tells_what_went_wrong_from_what_was_cancelled_or_goes_on() -> None:
    counts = {
        "Success": 5,
        "Failed": 1,
        "Timed Out": 1,
        "Refused": 1,
        "Interrupted": 1,
        "Expired": 1,
        "Cancelled": 7,
        "Running": 2,
    }
    assert bar(60.0, counts) == Bar(60.0, 5, 5, 9)


async def test_runs_are_counted_since_the_readers_midnight_and_in_bars(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    site = int((await ada.post("/api/sites", {"name": "Oslo"})).json()["id"])
    await rest.add_device("north", site_id=site)
    await rest.add_device("south")
    now = rest.people.clock.now()
    body = {"script_content": "true", "script_type": "bash", "all": True}
    for _ in range(2):
        assert (await ada.post("/api/scripts/quick_run", body)).status == 200
    old = {"at": now - 2 * DAY}
    sql = "UPDATE runs SET created_at = :at, status = 'Failed' WHERE id <= 2"
    await rest.people.db.write(lambda c: c.execute(text(sql), old))
    await rest.people.db.write(lambda c: c.execute(text("UPDATE runs SET status = 'Cancelled' WHERE id = 3")))
    found = await runs(ada, f"hours=168&midnight={now - 60}")
    assert found["today"] == {"Cancelled": 1, "Pending": 1}
    assert found["step_seconds"] == 6 * 3600
    assert len(found["bars"]) == 28
    assert sum(one["failed"] for one in found["bars"]) == 2
    assert found["bars"][-1] == {"at": now - 60, "done": 0, "failed": 0, "other": 2}
    sam = await rest.person("sam", OperatorRole.VIEWER, sites=frozenset({site}))
    part = await runs(sam, f"hours=168&midnight={now - 60}")
    assert (sum(part["today"].values()), sum(one["failed"] for one in part["bars"])) == (1, 1)


async def test_rejects_bars_that_a_token_may_not_read_and_gives_none_unasked(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    program = await rest.token("ada", Permission.DEVICES_READ)
    assert await runs(program, "midnight=0") is None
    assert await runs(ada, "hours=24") is None
    assert await runs(ada, "hours=720&midnight=0") is not None


@pytest.mark.parametrize("midnight", ["-1", "nan", "inf", "1e300", "today"])
async def test_rejects_midnights_that_are_none(rest: Rest, midnight: str) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    assert (await ada.get(f"/api/overview?midnight={midnight}")).status == 400
