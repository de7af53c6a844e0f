"""The API document: complete, unambiguous, and made once."""

from typing import Any

import pytest
from tests.fakes.engine_rest import Rest

from borealis_engine.api.app import all_handlers
from borealis_engine.api.openapi import document


@pytest.fixture(scope="module")
def described(shared_rest: Rest) -> dict[str, Any]:
    """The document."""
    return document(shared_rest.app)


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of each."""
    return [
        (path, method, operation) for path, item in described["paths"].items() for method, operation in item.items()
    ]


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_served_to_everybody_as_it_is(shared_rest: Rest, described: dict[str, Any]) -> None:
    answer = await shared_rest.nobody.get("/api/openapi.json")
    assert answer.status == 200
    assert answer.json() == described
    assert described["openapi"].startswith("3.1")
    assert document(shared_rest.app) is described


def test_every_shown_handler_is_in_it_once(described: dict[str, Any]) -> None:
    shown = {handler.handler_name for handler in all_handlers() if handler.resolve_include_in_schema()}
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(names) == len(set(names)), "two operations of one name"
    assert set(names) == shown


def test_every_operation_says_who_may_call_it_what_it_answers_and_what_it_is(described: dict[str, Any]) -> None:
    for path, method, operation in operations(described):
        where = f"{method} {path}"
        assert operation["x-borealis-access"]["kind"] in {"public", "device", "operator"}, where
        assert "Access: " in operation["description"], where
        assert operation["tags"], where
        assert operation["description"].count("\n\n") >= 1, f"{where} has no docstring"
        assert any(status.startswith("2") for status in operation["responses"]), where
        assert {"500", "503"} <= set(operation["responses"]), where
        if operation["x-borealis-access"]["kind"] != "public":
            assert {"401", "403"} <= set(operation["responses"]), where
            assert operation["security"], where
        if "requestBody" in operation:
            assert "400" in operation["responses"], where
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            assert {"413", "415"} <= set(operation["responses"]), where


def test_every_error_has_the_one_shape(described: dict[str, Any]) -> None:
    for path, method, operation in operations(described):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, f"{method} {path} {status}"


def test_references_lead_somewhere_and_no_two_shapes_share_a_name(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert [name for name in schemas if not name.isidentifier()] == [], "two shapes of one name"
    text = str(described)
    for reference in {part.partition("'")[0] for part in text.split("'#/components/schemas/")[1:]}:
        assert reference in schemas
    assert all(f"'#/components/schemas/{name}'" in text for name in schemas)


def test_request_schemas_say_what_is_checked(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    sites = schemas["UserRequest"]["properties"]["sites"]["anyOf"][0]
    assert sites["items"] == {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
    assert schemas["UserRequest"]["additionalProperties"] is False
    assert "password" not in schemas["UserView"]["properties"]
    assert schemas["UserView"]["required"] == list(schemas["UserView"]["properties"])


def test_it_names_no_machine_and_no_module(described: dict[str, Any]) -> None:
    text = str(described)
    for word in ("borealis_engine", "/work", "site-packages", "Traceback"):
        assert word not in text
