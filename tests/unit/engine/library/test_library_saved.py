"""Saved views and filters over REST: one's own, shared ones, and the limits of sites."""

from typing import Any

import pytest
from tests.fakes.engine_rest import Caller, Rest

from borealis_engine.operators.permissions import OperatorRole

VIEWS, FILTERS = "/api/device_list_views", "/api/device_filters"


async def save(caller: Caller, where: str, **members: Any) -> dict[str, Any]:
    answer = await caller.post(where, {"name": "Mine", **members})
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json()
    return made


def names(answer: Any) -> list[str]:
    (items,) = answer.json().values()
    return [item["name"] for item in items]


async def test_a_viewer_keeps_views_and_filters_for_themselves(rest: Rest, ada: Caller) -> None:
    vera = await rest.person("vera", OperatorRole.VIEWER)
    view = await save(vera, VIEWS, columns=["hostname", {"id": "site", "width": 90}], filters={"status": "online"})
    assert (view["owner"], view["shared"], view["editable"]) == ("vera", False, True)
    assert view["columns"] == ["hostname", {"id": "site", "width": 90}]
    rest.people.clock.advance(1)
    changed = (await vera.call("PUT", f"{VIEWS}/{view['id']}", {"name": "Other"})).json()
    assert (changed["name"], changed["columns"]) == ("Other", [])
    assert changed["updated_at"] > changed["created_at"]
    saved = await save(vera, FILTERS, basic_criteria={"all": [{"field": "site", "op": "is", "value": 1}]})
    assert (saved["site_mode"], saved["criteria_mode"], saved["last_edited_by"]) == ("global", "basic", "vera")
    assert names(await vera.get(VIEWS)) == ["Other"]
    assert (await vera.get(f"{FILTERS}/{saved['id']}")).json() == saved
    assert (await vera.delete(f"{VIEWS}/{view['id']}")).status == 200
    assert (await vera.delete(f"{VIEWS}/{view['id']}")).code == "view_not_found"


async def test_rejects_a_look_at_what_others_keep_for_themselves(rest: Rest, ada: Caller) -> None:
    vera = await rest.person("vera", OperatorRole.VIEWER)
    for where, noun in ((VIEWS, "view"), (FILTERS, "filter")):
        number = (await save(vera, where))["id"]
        assert names(await ada.get(where)) == []
        assert (await ada.call("PUT", f"{where}/{number}", {"name": "x"})).code == f"{noun}_not_found"
        assert (await ada.delete(f"{where}/{number}")).code == f"{noun}_not_found"
    assert (await ada.get(f"{FILTERS}/1")).code == "filter_not_found"


@pytest.mark.parametrize("where", [VIEWS, FILTERS])
async def test_names_are_unique_among_ones_own_and_among_the_shared(rest: Rest, ada: Caller, where: str) -> None:
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    await save(ada, where)
    await save(bob, where)
    shared = await save(ada, where, shared=True)
    for caller, members in ((ada, {}), (bob, {"shared": True}), (ada, {"name": "MINE"})):
        answer = await caller.post(where, {"name": "Mine", **members})
        assert (answer.status, answer.code) == (409, "name_taken")
    other = await save(ada, where, name="Other", shared=True)
    assert (await bob.call("PUT", f"{where}/{other['id']}", {"name": "mine", "shared": True})).code == "name_taken"
    assert (await bob.call("PUT", f"{where}/{shared['id']}", {"name": "Ours", "shared": True})).status == 200
    noun = "view" if where == VIEWS else "filter"
    assert [entry.action for entry in await rest.people.entries(f"{noun}.")] == [
        f"{noun}.change",
        f"{noun}.create",
        f"{noun}.create",
    ]


@pytest.mark.parametrize("where", [VIEWS, FILTERS])
async def test_rejects_sharing_and_changing_the_shared_without_the_right(rest: Rest, ada: Caller, where: str) -> None:
    site = await rest.people.add_site("Oslo")
    vera = await rest.person("vera", OperatorRole.VIEWER)
    sam = await rest.person("sam", OperatorRole.OPERATOR, sites=frozenset({site}))
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    number = (await save(ada, where, shared=True))["id"]
    own = (await save(vera, where))["id"]
    for answer in (
        await vera.post(where, {"name": "x", "shared": True}),
        await vera.call("PUT", f"{where}/{own}", {"name": "x", "shared": True}),
        await vera.call("PUT", f"{where}/{number}", {"name": "x", "shared": True}),
        await vera.delete(f"{where}/{number}"),
    ):
        assert (answer.status, answer.code) == (403, "forbidden")
    assert (await sam.delete(f"{where}/{number}")).code == "not_yours"
    assert (await bob.call("PUT", f"{where}/{number}", {"name": "x"})).code == "not_yours"
    listed = next(iter((await vera.get(where)).json().values()))
    assert [item["editable"] for item in listed] == [False, True]
    ours = (await save(sam, where, name="Oslo", shared=True))["id"]
    assert (await sam.delete(f"{where}/{ours}")).status == 200


async def test_rejects_sites_out_of_sight_in_filters(rest: Rest, ada: Caller) -> None:
    oslo, rome = await rest.people.add_site("Oslo"), await rest.people.add_site("Rome")
    sam = await rest.person("sam", OperatorRole.OPERATOR, sites=frozenset({oslo}))
    both = await save(ada, FILTERS, name="Both", shared=True, site_mode="sites", sites=[oslo, rome])
    away = await save(ada, FILTERS, name="Away", shared=True, site_mode="sites", sites=[rome])
    assert both["sites"] == [oslo, rome]
    assert (await sam.get(f"{FILTERS}/{both['id']}")).json()["sites"] == [oslo]
    assert names(await sam.get(FILTERS)) == ["Both"]
    for call in (sam.get(f"{FILTERS}/{away['id']}"), sam.delete(f"{FILTERS}/{away['id']}")):
        assert (await call).code == "filter_not_found"
    for caller, number in ((sam, rome), (ada, 99)):
        answer = await caller.post(FILTERS, {"name": "x", "site_mode": "sites", "sites": [number]})
        assert answer.code == "site_not_found"
    assert await rest.people.rows("device_filters") == 2


@pytest.mark.parametrize(
    ("where", "members", "code"),
    [
        (VIEWS, {"name": ""}, "invalid_name"),
        (VIEWS, {"name": "a\tb"}, "invalid_name"),
        (VIEWS, {"filters": {"x": "y" * 70_000}}, "too_large"),
        (VIEWS, {"columns": {}}, "invalid_request"),
        (FILTERS, {"name": "x" * 129}, "invalid_name"),
        (FILTERS, {"description": "a\0"}, "invalid_description"),
        (FILTERS, {"criteria_mode": "advanced"}, "invalid_request"),
        (FILTERS, {"sites": [0]}, "invalid_request"),
    ],
)
async def test_rejects_what_cannot_be_saved(ada: Caller, where: str, members: dict[str, Any], code: str) -> None:
    assert (await ada.post(where, {"name": "x", **members})).code == code
    assert names(await ada.get(where)) == []


async def test_what_an_account_kept_for_itself_goes_with_it(rest: Rest, ada: Caller) -> None:
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    await save(bob, VIEWS)
    await save(bob, FILTERS, name="Ours", shared=True)
    assert (await ada.delete("/api/users/BOB")).status == 200
    assert await rest.people.rows("device_list_views") == 0
    assert names(await ada.get(FILTERS)) == ["Ours"]
