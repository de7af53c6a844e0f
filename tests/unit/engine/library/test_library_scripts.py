"""Stored scripts over REST: versions that never change, rights, conflicts, import, export, and running one."""

import asyncio
import base64
from typing import Any

import pytest
from sqlalchemy import text
from tests.fakes.engine_rest import Caller, Rest

from borealis_engine.core.feed import Change
from borealis_engine.operators.permissions import OperatorRole, Permission

BASE = "/api/assemblies"


def body(**members: Any) -> dict[str, Any]:
    payload = {"type": "bash", "script": "echo one", "variables": [{"name": "who", "default": "world"}]}
    return {"display_name": "Greet", "summary": "Says hello", "category": "tests", "payload": payload, **members}


async def make(caller: Caller, **members: Any) -> dict[str, Any]:
    answer = await caller.post(BASE, body(**members))
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json()
    return made


def with_script(script: str) -> dict[str, Any]:
    return {"type": "bash", "script": script}


async def test_each_save_is_a_version_that_can_be_read_and_restored(rest: Rest, ada: Caller) -> None:
    made = await make(ada, tags={"linux": True})
    guid = made["assembly_guid"]
    assert (made["version"], made["domain"], made["assembly_type"], made["editable"]) == (1, "user", "bash", True)
    assert made["payload"]["script"] == "echo one"
    rest.people.clock.advance(5)
    change = {"payload": with_script("echo two"), "expected_version": 1, "comment": "louder"}
    saved = (await ada.call("PUT", f"{BASE}/{guid}", change)).json()
    assert (saved["version"], saved["payload"]["script"], saved["tags"]) == (2, "echo two", {"linux": True})
    same = (await ada.call("PUT", f"{BASE}/{guid}", {"display_name": "Greet"})).json()
    assert same["version"] == 2
    versions = (await ada.get(f"{BASE}/{guid}/versions")).json()["versions"]
    assert [(v["version"], v["saved_by"], v["comment"]) for v in versions] == [(2, "ada", "louder"), (1, "ada", "")]
    assert versions[0]["saved_at"] > versions[1]["saved_at"]
    first = (await ada.get(f"{BASE}/{guid}/versions/1")).json()
    assert first["payload"]["script"] == "echo one"
    back = (await ada.post(f"{BASE}/{guid}/restore", {"version": 1, "expected_version": 2})).json()
    assert (back["version"], back["payload"]["script"], back["checksum"]) == (3, "echo one", made["checksum"])
    assert await rest.people.rows("script_documents") == 2
    actions = [entry.action for entry in await rest.people.entries() if entry.target == guid]
    assert actions == ["script.restore", "script.change", "script.create"]


async def test_a_deleted_script_is_gone_and_can_be_brought_back(ada: Caller) -> None:
    guid = (await make(ada))["assembly_guid"]
    assert (await ada.delete(f"{BASE}/{guid}?expected_version=2")).code == "version_conflict"
    assert (await ada.delete(f"{BASE}/{guid}")).json() == {"status": "ok"}
    for call in (ada.get(f"{BASE}/{guid}"), ada.delete(f"{BASE}/{guid}"), ada.get(f"{BASE}/{guid}/export")):
        assert (await call).code == "script_not_found"
    assert (await ada.get(BASE)).json()["items"] == []
    (gone,) = (await ada.get(f"{BASE}?deleted=true")).json()["items"]
    assert gone["assembly_guid"] == guid
    assert gone["deleted_at"] is not None
    assert (await ada.post(BASE, body(assembly_guid=guid))).code == "assembly_exists"
    assert (await ada.get(f"{BASE}/{guid}/versions")).status == 200
    assert (await ada.post(f"{BASE}/{guid}/restore", {"version": 1})).json()["deleted_at"] is None
    assert len((await ada.get(BASE)).json()["items"]) == 1


async def test_rejects_saving_over_what_somebody_else_saved(rest: Rest, ada: Caller) -> None:
    guid = (await make(ada))["assembly_guid"]
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    await bob.call("PUT", f"{BASE}/{guid}", {"summary": "Bob's", "expected_version": 1})
    answer = await ada.call("PUT", f"{BASE}/{guid}", {"summary": "Ada's", "expected_version": 1})
    assert (answer.status, answer.code) == (409, "version_conflict")
    assert "bob" in answer.json()["detail"]
    assert (await ada.get(f"{BASE}/{guid}")).json()["summary"] == "Bob's"
    assert (await ada.post(f"{BASE}/{guid}/restore", {"version": 1, "expected_version": 1})).code == "version_conflict"


async def test_of_saves_at_the_same_time_one_wins(ada: Caller) -> None:
    guid = (await make(ada))["assembly_guid"]
    answers = await asyncio.gather(
        *(ada.call("PUT", f"{BASE}/{guid}", {"summary": str(n), "expected_version": 1}) for n in range(5))
    )
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]


async def test_versions_and_documents_do_not_change_behind_anybodys_back(rest: Rest, ada: Caller) -> None:
    guid = (await make(ada))["assembly_guid"]
    before = (await ada.get(f"{BASE}/{guid}/versions/1")).json()
    await ada.call("PUT", f"{BASE}/{guid}", {"payload": with_script("echo two")})
    assert (await ada.get(f"{BASE}/{guid}/versions/1")).json() == before
    count = await rest.people.db.read(lambda c: c.execute(text("SELECT count(*) FROM script_versions")).scalar_one())
    assert count == 2


async def test_rejects_what_a_role_may_not_do(rest: Rest, ada: Caller) -> None:
    official = (await make(ada, domain="official"))["assembly_guid"]
    mine = (await make(ada))["assembly_guid"]
    site = await rest.people.add_site("Oslo")
    bob = await rest.person("bob", OperatorRole.OPERATOR)
    eve = await rest.person("eve", OperatorRole.ADMIN, sites=frozenset({site}))
    vera = await rest.person("vera", OperatorRole.VIEWER)
    assert (await vera.get(f"{BASE}/{mine}")).json()["editable"] is False
    assert (await vera.post(BASE, body())).code == "forbidden"
    for person in (bob, eve):
        assert (await person.get(f"{BASE}/{official}")).json()["editable"] is False
        for domain in ("official", "community"):
            assert (await person.post(BASE, body(domain=domain))).code == "forbidden"
            assert (await person.post(f"{BASE}/{mine}/clone", {"target_domain": domain})).code == "forbidden"
            imported = {"document": body()["payload"], "domain": domain}
            assert (await person.post(f"{BASE}/import", imported)).code == "forbidden"
        assert (await person.call("PUT", f"{BASE}/{official}", {"summary": "x"})).code == "forbidden"
        assert (await person.delete(f"{BASE}/{official}")).code == "forbidden"
        assert (await person.post(f"{BASE}/{official}/restore", {"version": 1})).code == "forbidden"
    assert (await bob.call("PUT", f"{BASE}/{mine}", {"summary": "x"})).status == 200


async def test_rejects_changes_by_the_site_limited_of_what_others_run_elsewhere(rest: Rest, ada: Caller) -> None:
    theirs = (await make(ada))["assembly_guid"]
    site = await rest.people.add_site("Oslo")
    sam = await rest.person("sam", OperatorRole.OPERATOR, sites=frozenset({site}))
    for answer in (
        await sam.call("PUT", f"{BASE}/{theirs}", {"payload": with_script("evil")}),
        await sam.delete(f"{BASE}/{theirs}"),
        await sam.post(f"{BASE}/{theirs}/restore", {"version": 1}),
    ):
        assert (answer.status, answer.code) == (403, "not_your_script")
    own = (await sam.post(f"{BASE}/{theirs}/clone", {"display_name": "Mine"})).json()
    assert (own["editable"], own["display_name"]) == (True, "Mine")
    assert (await sam.call("PUT", f"{BASE}/{own['assembly_guid']}", {"summary": "x"})).status == 200


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"display_name": " "}, "invalid_name"),
        ({"display_name": "a\nb"}, "invalid_name"),
        ({"assembly_guid": "../etc"}, "invalid_guid"),
        ({"assembly_type": "python"}, "unsupported_script_type"),
        ({"payload": "{"}, "invalid_payload"),
        ({"payload": {"script": "x"}}, "unsupported_script_type"),
        ({"assembly_kind": "workflow"}, "invalid_payload"),
        ({"tags": {"": True}}, "invalid_tags"),
        ({"metadata": {"x": "y" * 20_000}}, "metadata_too_large"),
        ({"domain": "mine"}, "invalid_request"),
        ({"comment": "x" * 600}, "invalid_comment"),
    ],
)
async def test_rejects_scripts_that_cannot_be_stored(
    rest: Rest, ada: Caller, members: dict[str, Any], code: str
) -> None:
    assert (await ada.post(BASE, body(**members))).code == code
    assert await rest.people.rows("scripts") == 0


async def test_an_export_can_be_imported_where_its_guid_is_free_or_not(rest: Rest, ada: Caller) -> None:
    made = await make(ada)
    exported = (await ada.get(f"{BASE}/{made['assembly_guid']}/export")).json()
    payload = exported["payload"]
    assert (payload["script_encoding"], base64.b64decode(payload["script"])) == ("base64", b"echo one")
    assert {"payload_type", "payload_guid", "payload_checksum", "tags", "metadata", "updated_at"} <= exported.keys()
    copy = (await ada.post(f"{BASE}/import", {"document": exported})).json()
    assert copy["assembly_guid"] != made["assembly_guid"]
    assert (copy["payload"], copy["display_name"]) == (made["payload"], "Greet")
    exported["assembly_guid"] = "A-Free-One"
    assert (await ada.post(f"{BASE}/import", {"document": exported})).json()["assembly_guid"] == "a-free-one"
    old = '{"name": "Old one", "type": "powershell", "script_lines": ["a", "b"], "description": "As it lay on disk"}'
    bare = (await ada.post(f"{BASE}/import", {"document": old})).json()
    assert (bare["display_name"], bare["summary"], bare["payload"]["script"]) == (
        "Old one",
        "As it lay on disk",
        "a\nb",
    )
    flow = {"tab_name": "Flow", "nodes": [{"id": 1}], "edges": []}
    assert (await ada.post(f"{BASE}/import", {"document": flow})).json()["assembly_kind"] == "workflow"
    large = {"document": {"type": "bash", "script": "x" * (1024 * 1024)}}
    assert (await ada.post(f"{BASE}/import", large)).status == 413


async def test_the_list_is_filtered_by_domain_and_kind(ada: Caller) -> None:
    await make(ada, display_name="b", domain="community")
    await make(ada, display_name="A")
    await make(ada, display_name="c", assembly_kind="ansible", payload={"script": "- hosts: all"})
    every = (await ada.get(BASE)).json()
    assert ([item["display_name"] for item in every["items"]], every["queue"]) == (["A", "b", "c"], [])
    assert "payload" not in every["items"][0]
    for query, names in (("domain=community", ["b"]), ("kind=ansible", ["c"]), ("domain=user&kind=script", ["A"])):
        assert [item["display_name"] for item in (await ada.get(f"{BASE}?{query}")).json()["items"]] == names
    assert (await ada.get(f"{BASE}?domain=x")).code == "invalid_domain"
    assert (await ada.get(f"{BASE}?kind=x")).code == "unknown_kind"


async def test_changes_are_told_to_who_may_read_scripts(
    rest: Rest, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Change] = []
    monkeypatch.setattr(rest.services.feed, "publish", heard.append)
    guid = (await make(ada))["assembly_guid"]
    await ada.call("PUT", f"{BASE}/{guid}", {"summary": "x"})
    await ada.call("PUT", f"{BASE}/{guid}", {"summary": "x"})
    await ada.delete(f"{BASE}/{guid}")
    await ada.post(f"{BASE}/{guid}/restore", {"version": 1})
    told = [(change.kind, change.data["change"], change.data["version"]) for change in heard]
    kinds = [("created", 1), ("changed", 2), ("deleted", 2), ("restored", 3)]
    assert told == [("scripts_changed", *kind) for kind in kinds]


async def test_a_stored_script_runs_with_its_variables_and_the_run_names_the_version(rest: Rest, ada: Caller) -> None:
    device = await rest.add_device()
    files = [{"name": "a.txt", "data": base64.b64encode(b"x").decode()}]
    variables = [{"name": "who", "type": "string", "default": "world"}, {"name": "n", "type": "number", "default": 1}]
    payload = {"type": "bash", "script": "echo $WHO", "variables": variables, "files": files, "timeout_seconds": 60}
    guid = (await make(ada, payload=payload))["assembly_guid"]
    await ada.call("PUT", f"{BASE}/{guid}", {"display_name": "Greet 2", "payload": with_script("echo two")})
    wanted = {"assembly_guid": guid, "guids": [device.guid], "variable_values": {"who": "Ada"}, "assembly_version": 1}
    started = await ada.post("/api/scripts/quick_run", wanted)
    assert started.status == 200, started
    content = await rest.services.activity.content(started.json()["job_id"])
    assert (content.script, content.timeout_seconds, content.script_name) == (b"echo $WHO", 60, "Greet")
    assert content.environment["WHO"] == "Ada"
    assert content.environment["N"] == "1"
    assert [file["file_name"] for file in content.files] == ["a.txt"]
    newest = await ada.post("/api/scripts/quick_run", {"assembly_guid": guid.upper(), "guids": [device.guid]})
    runs = (await ada.get("/api/runs")).json()["runs"]
    assert [(run["script_name"], run["assembly_guid"], run["assembly_version"]) for run in runs] == [
        ("Greet 2", guid, 2),
        ("Greet", guid, 1),
    ]
    job = (await ada.get(f"/api/jobs/{newest.json()['job_id']}")).json()["job"]
    assert (job["assembly_guid"], job["assembly_version"]) == (guid, 2)
    (entry, _) = await rest.people.entries("run.start")
    assert (entry.detail["assembly_guid"], entry.detail["assembly_version"]) == (guid, "2")


async def test_rejects_running_a_stored_script_that_is_not_there_or_not_meant_so(rest: Rest, ada: Caller) -> None:
    device = await rest.add_device()
    guid = (await make(ada))["assembly_guid"]
    flow = (await make(ada, assembly_kind="workflow", payload={"nodes": [], "edges": []}))["assembly_guid"]
    required = {"type": "bash", "script": "x", "variables": [{"name": "who", "required": True}]}
    needs = (await make(ada, payload=required))["assembly_guid"]
    for members, code in (
        ({"assembly_guid": "no-such"}, "script_not_found"),
        ({"assembly_guid": "../../etc/passwd"}, "script_not_found"),
        ({"assembly_guid": guid, "assembly_version": 9}, "version_not_found"),
        ({"assembly_guid": guid, "script_content": "evil"}, "ambiguous_script"),
        ({"assembly_guid": guid, "files": [{"file_name": "a"}]}, "ambiguous_script"),
        ({"assembly_guid": flow}, "unsupported_script_type"),
        ({"assembly_guid": needs}, "invalid_variable"),
    ):
        answer = await ada.post("/api/scripts/quick_run", {"guids": [device.guid], **members})
        assert answer.code == code, members
    program = await rest.token("ada", Permission.RUNS_START)
    answer = await program.post("/api/scripts/quick_run", {"guids": [device.guid], "assembly_guid": guid})
    assert (answer.status, answer.code) == (403, "forbidden")
    await ada.delete(f"{BASE}/{guid}")
    answer = await ada.post("/api/scripts/quick_run", {"guids": [device.guid], "assembly_guid": guid})
    assert answer.code == "script_not_found"
    assert await rest.people.rows("runs") == 0
