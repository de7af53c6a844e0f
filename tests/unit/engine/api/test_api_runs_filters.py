"""Runs and audit entries by person, device, time, status and words: found by the database, within one's sites."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.fakes.engine_rest import Caller, Rest, open_rest

from borealis_engine.activity import store
from borealis_engine.activity.models import RunQuery
from borealis_engine.operators.permissions import OperatorRole

HOUR = 3600.0


@dataclass
class Story:
    """Who ran what where, an hour apart each; the oldest first."""

    rest: Rest
    ada: Caller
    bob: Caller
    began: float
    site: int

    async def names(self, query: str = "", caller: Caller | None = None) -> list[str]:
        """``script on device`` of what is found."""
        answer = await (caller or self.ada).get(f"/api/runs?{query}")
        assert answer.status == 200, answer
        return [f"{run['script_name']} on {run['device']}" for run in answer.json()["runs"]]


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with open_rest(tmp_path / "Engine") as rest:
        ada = rest.signed_in(await rest.people.set_up())
        site = int((await ada.post("/api/sites", {"name": "Oslo"})).json()["id"])
        north = await rest.add_device("north", site_id=site)
        south = await rest.add_device("south")
        bob = await rest.person("bob", OperatorRole.ADMIN)
        began = rest.people.clock.now()
        for caller, device, name in (
            (ada, north, "Disk"),
            (bob, south, "Disk 100%"),
            (ada, south, "Users"),
            (bob, north, "Users"),
        ):
            body = {"script_content": "true", "script_type": "bash", "guids": [device.guid], "script_name": name}
            answer = await caller.post("/api/scripts/quick_run", body)
            assert answer.status == 200, answer
            rest.people.clock.advance(HOUR)
        await rest.people.db.write(
            lambda connection: connection.execute(
                text("UPDATE runs SET status = 'Failed' WHERE hostname = 'south'"),
            )
        )
        yield Story(rest, ada, bob, began, site)


async def test_runs_are_found_by_person(story: Story) -> None:
    assert await story.names("created_by=bob") == ["Users on north", "Disk 100% on south"]
    assert await story.names("created_by=nobody") == []
    assert await story.names("created_by=Bob") == []


async def test_runs_are_found_by_time_whose_end_is_not_in_it(story: Story) -> None:
    second, third = story.began + HOUR, story.began + 2 * HOUR
    assert await story.names(f"since={second}&until={third}") == ["Disk 100% on south"]
    assert len(await story.names(f"since={second}")) == 3
    assert await story.names(f"until={second}") == ["Disk on north"]
    assert await story.names(f"since={third}&until={second}") == []


async def test_runs_are_found_by_one_status_or_several(story: Story) -> None:
    assert await story.names("status=Failed") == ["Users on south", "Disk 100% on south"]
    assert await story.names("status=Timed%20Out,Failed,Refused") == ["Users on south", "Disk 100% on south"]
    assert len(await story.names("status=Failed,Pending")) == 4


async def test_runs_are_found_by_words_in_the_name_of_script_and_device(story: Story) -> None:
    assert await story.names("text=disk") == ["Disk 100% on south", "Disk on north"]
    assert await story.names("text=NORTH%20us") == ["Users on north"]
    assert await story.names("text=%25") == ["Disk 100% on south"]
    assert await story.names("text=_") == []


async def test_runs_are_found_by_device_and_everything_else_at_once(story: Story) -> None:
    south = (await story.ada.get("/api/runs?device=south")).json()["runs"][0]["guid"]
    for name in ("south", south):
        asked = f"device={name}&created_by=ada&status=Failed&text=users&since={story.began}"
        assert await story.names(asked) == ["Users on south"]


async def test_narrowed_runs_come_in_pages(story: Story) -> None:
    found: list[str] = []
    before = ""
    for _ in range(3):
        page = (await story.ada.get(f"/api/runs?status=Failed&limit=1{before}")).json()
        found += [run["script_name"] for run in page["runs"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert found == ["Users", "Disk 100%"]


async def test_rejects_runs_beyond_ones_sites_whatever_is_asked(story: Story) -> None:
    sam = await story.rest.person("sam", OperatorRole.VIEWER, sites=frozenset({story.site}))
    assert await story.names(caller=sam) == ["Users on north", "Disk on north"]
    for asked in ("created_by=bob", f"since={story.began}", "text=users"):
        assert all(name.endswith("north") for name in await story.names(asked, sam)), asked
    for asked in ("status=Failed", "device=south", "text=south"):
        assert await story.names(asked, sam) == [], asked


@pytest.mark.parametrize(
    "query",
    [
        "status=Broken",
        "status=Failed,",
        "since=x",
        "since=-1",
        "until=nan",
        "since=inf",
        "until=1e300",
        f"text={'x' * 201}",
    ],
)
async def test_rejects_questions_that_make_no_sense(story: Story, query: str) -> None:
    assert (await story.ada.get(f"/api/runs?{query}")).status == 400


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (RunQuery(created_by="bob"), "ix_jobs_created_by"),
        (RunQuery(device="north"), "ix_runs_hostname_id"),
        (RunQuery(since=1.0, until=2.0), "ix_runs_created_at"),
        (RunQuery(statuses=frozenset({"Failed", "Refused"})), "ix_runs_status"),
    ],
)
async def test_no_question_reads_all_runs(story: Story, query: RunQuery, index: str) -> None:
    def plan(connection: Any) -> str:
        asked: list[tuple[str, Any]] = []

        class Spy:
            """Takes the statement in place of the answer."""

            def execute(self, statement: Any) -> Any:
                compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
                asked.append((str(compiled), None))
                return connection.execute(statement)

        store.list_runs(Spy(), query)  # type: ignore[arg-type]
        return " ".join(str(row) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {asked[0][0]}")))

    assert index in await story.rest.people.db.read(plan)


async def test_the_audit_log_is_found_by_person_device_and_time(story: Story) -> None:
    north = (await story.ada.get("/api/runs?device=north")).json()["runs"][0]["guid"]
    last = story.began + 3 * HOUR

    async def whose(query: str) -> list[str]:
        answer = await story.ada.get(f"/api/audit?action=run.start&{query}")
        assert answer.status == 200, answer
        return [entry["actor"] for entry in answer.json()["entries"] if entry["target_kind"] == "device"]

    assert await whose(f"target={north}") == ["bob", "ada"]
    assert await whose(f"target={north}&since={last}") == ["bob"]
    assert await whose(f"target={north}&until={last}&actor=ada") == ["ada"]
    assert await whose(f"since={last + 1}") == []
    assert (await story.ada.get("/api/audit?since=yesterday")).status == 400
