"""Desktops by REST: what a ticket looks like, what is no question, and policies within one's sites."""

from typing import Any

import pytest
from tests.fakes.engine_rest import Rest

from borealis_engine.operators.permissions import OperatorRole

pytestmark = pytest.mark.asyncio


async def test_a_ticket_says_where_to_go_and_what_holds(rest: Rest) -> None:
    admin = rest.signed_in(await rest.people.set_up())
    device = await rest.add_device("north")
    answer = await admin.call("PUT", "/api/desktop/policy", {"consent": "ask", "ask_seconds": 60, "view_only": True})
    assert (answer.status, answer.json()["updated_by"]) == (200, "ada")
    answer = await admin.post("/api/desktop/session", {"agent_id": f"NORTH_{device.guid}_SYSTEM", "user": " otto "})
    ticket = answer.json()
    assert answer.status == 201
    assert ticket["ws_url"].startswith("wss://")
    assert ticket["ws_url"].endswith(f"{ticket['path']}?token={ticket['token']}")
    assert (ticket["path"], ticket["view_only"], ticket["consent"]) == ("/api/desktop/stream", True, "ask")
    assert (await admin.get("/api/desktop/sessions")).json() == {"sessions": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "agent_id_required"),
        ({"agent_id": "elsewhere"}, 404, "device_not_found"),
        ({"kind": "own"}, 400, "account_missing"),
        ({"kind": "all"}, 400, "invalid_request"),
        ({"width": 100}, 400, "invalid_request"),
        ({"view_only": "no"}, 400, "invalid_request"),
        ({"consent": "never"}, 400, "invalid_request"),
    ],
)
async def test_rejects_what_is_no_question(rest: Rest, body: dict[str, Any], status: int, code: str) -> None:
    admin = rest.signed_in(await rest.people.set_up())
    device = await rest.add_device("north")
    asked = body if body in ({}, {"agent_id": "elsewhere"}) else {"agent_id": device.guid, **body}
    answer = await admin.post("/api/desktop/session", asked)
    assert (answer.status, answer.code) == (status, code)


async def test_policies_are_seen_and_set_within_ones_sites(rest: Rest) -> None:
    admin = rest.signed_in(await rest.people.set_up())
    oslo, rome = [int((await admin.post("/api/sites", {"name": name})).json()["id"]) for name in ("Oslo", "Rome")]
    for site in (oslo, rome):
        answer = await admin.call("PUT", "/api/desktop/policy", {"site_id": site, "consent": "ask"})
        assert answer.status == 200, answer.body
    person = await rest.person("rita", OperatorRole.ADMIN, sites=frozenset({rome}))
    found = (await person.get("/api/desktop/policy")).json()
    assert ([one["site_id"] for one in found["sites"]], found["default"]["consent"]) == ([rome], "never")
    for body, status in (({"consent": "never"}, 403), ({"site_id": oslo, "consent": "never"}, 404)):
        assert (await person.call("PUT", "/api/desktop/policy", body)).status == status
    assert (await person.delete(f"/api/desktop/policy/{oslo}")).status == 404
    assert (await person.delete(f"/api/desktop/policy/{rome}")).status == 200
    assert (await person.get("/api/desktop/policy")).json()["sites"] == []
    assert (await admin.call("PUT", "/api/desktop/policy", {"consent": "ask", "ask_seconds": 3})).status == 400
