"""The audit log: what is written stays as it was written, holds no secret, and is shown by site."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from tests.fakes.people import People, open_people

from borealis_engine.audit import AuditEntry
from borealis_engine.audit.store import MAX_DETAIL_ITEMS, MAX_TEXT, _clean, record
from borealis_wire import strict_json


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    async with open_people(tmp_path / "Engine") as opened:
        yield opened


async def write(people: People, **values: Any) -> int:
    entry = AuditEntry(**{"actor": "ada", "action": "device.revoke", "target_kind": "device", "target": "G1", **values})
    return await people.audit.record(entry)


async def test_what_was_done_is_there_with_who_when_and_where_from(people: People) -> None:
    number = await write(people, detail={"reason": "lost"}, address="192.0.2.7", site_id=3)
    (row,) = await people.entries()
    assert (row.id, row.at) == (number, people.clock.now())
    assert (row.actor, row.action, row.target_kind, row.target) == ("ada", "device.revoke", "device", "G1")
    assert (row.detail, row.address, row.site_id) == ({"reason": "lost"}, "192.0.2.7", 3)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'nobody'",
        "UPDATE OR IGNORE audit_log SET actor = 'nobody'",
        "UPDATE audit_log SET id = id + 100",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE id = 1",
        "INSERT OR REPLACE INTO audit_log SELECT id, at, 'nobody', action, target_kind, target, detail, address, "
        "site_id FROM audit_log",
        "REPLACE INTO audit_log SELECT id, at, 'nobody', action, target_kind, target, detail, address, site_id "
        "FROM audit_log",
        "INSERT INTO audit_log SELECT id, at, 'nobody', action, target_kind, target, detail, address, site_id "
        "FROM audit_log WHERE true ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
    ],
)
async def test_rejects_changes_by_the_database_itself(people: People, statement: str) -> None:
    await write(people)
    before = await people.entries()
    with pytest.raises(DatabaseError, match="append-only"):
        await people.db.write(lambda connection: connection.execute(text(statement)))
    assert await people.entries() == before


async def test_an_entry_is_undone_with_the_deed_it_tells_of(people: People) -> None:
    def deed(connection: Any) -> None:
        record(connection, AuditEntry("ada", "site.delete", "site", "1"), 1.0)
        raise ValueError("the deed failed")

    with pytest.raises(ValueError, match="the deed failed"):
        await people.db.write(deed)
    assert await people.entries() == []


async def test_pages_go_back_in_time_without_gaps(people: People) -> None:
    numbers = [await write(people, target=str(number)) for number in range(7)]
    seen: list[int] = []
    before = None
    while rows := await people.audit.list(before_id=before, limit=3):
        seen += [row.id for row in rows]
        before = rows[-1].id
    assert seen == numbers[::-1]


async def test_filters_match_exactly_or_by_the_noun(people: People) -> None:
    await write(people, action="user.create", actor="ada", target="bob")
    await write(people, action="user.role", actor="eve", target="bob")
    await write(people, action="user_x.role", actor="eve", target="%")
    await write(people, action="user", actor="eve", target="bobby")

    async def actions(**filters: Any) -> list[str]:
        return [row.action for row in await people.audit.list(**filters)]

    assert await actions(action="user.") == ["user.role", "user.create"]
    assert await actions(action="user.role") == ["user.role"]
    assert await actions(action="user%.") == []
    assert await actions(actor="eve", target="bob") == ["user.role"]
    assert await actions(target="%") == ["user_x.role"]
    assert await actions(actor="EVE") == []


async def test_rejects_entries_of_other_sites_for_who_is_limited(people: People) -> None:
    for site in (1, 2, None):
        await write(people, target=str(site), site_id=site)
    assert [row.target for row in await people.audit.list(sites=frozenset({1}))] == ["1"]
    assert [row.target for row in await people.audit.list(sites=frozenset())] == []
    assert [row.target for row in await people.audit.list(sites=None)] == ["None", "2", "1"]


async def test_rejects_a_page_larger_than_any(people: People) -> None:
    for _ in range(3):
        await write(people)
    assert len(await people.audit.list(limit=0)) == 1
    assert len(await people.audit.list(limit=10**9)) == 3


async def test_rejects_secrets_in_details_at_any_depth(people: People) -> None:
    await write(people, detail={"password": "p", "nested": [{"api_token": "t", "name": "ci"}], "exit_code": 3})
    (row,) = await people.entries()
    assert row.detail == {
        "password": "[masked]",
        "nested": [{"api_token": "[masked]", "name": "ci"}],
        "exit_code": 3,
    }


async def test_survives_long_and_strange_text(people: People) -> None:
    await write(people, actor="a\x00b\ud800", target="x" * 10_000, detail={"k" * 10_000: "v" * 10_000})
    (row,) = await people.entries()
    assert row.actor == "a�b?"
    assert len(row.target) == MAX_TEXT
    assert [(len(name), len(value)) for name, value in row.detail.items()] == [(MAX_TEXT, MAX_TEXT)]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=5), _json, max_size=5))
def test_whatever_is_put_in_comes_out_as_json_that_every_reader_takes(detail: dict[str, Any]) -> None:
    cleaned = _clean(detail)
    assert strict_json.loads(strict_json.canonical(cleaned), max_bytes=10**6) == cleaned


def test_long_lists_are_cut() -> None:
    assert len(_clean({"items": list(range(1000))})["items"]) == MAX_DETAIL_ITEMS
