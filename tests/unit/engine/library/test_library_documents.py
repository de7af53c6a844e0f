"""Upstream's documents: every spelling is read, one form is kept, and what cannot be used is refused."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.core.errors import EngineError, Invalid, TooLarge
from borealis_engine.library import Kind, portable
from borealis_engine.library.documents import encode, guess_kind, normalise
from borealis_engine.library.documents import portable as as_upstream


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def script(**members: Any) -> dict[str, Any]:
    return {"type": "bash", "script": "echo hi", **members}


def test_defaults_are_upstreams() -> None:
    assert normalise(Kind.SCRIPT, script()) == {
        "name": "",
        "description": "",
        "category": "script",
        "type": "bash",
        "script": "echo hi",
        "script_encoding": "plain",
        "timeout_seconds": 3600,
        "variables": [],
        "files": [],
    }


@pytest.mark.parametrize(
    "members",
    [
        {"script": "a\nb", "script_encoding": "plain"},
        {"script": b64("a\nb"), "script_encoding": "base64"},
        {"script": f" {b64('a')[:2]}\n{b64('a')[2:]}", "script_encoding": "Base64", "expect": "a"},
        {"content": "a\nb"},
        {"script_lines": ["a", "b"]},
    ],
)
def test_every_spelling_of_a_script_is_the_same_text(members: dict[str, Any]) -> None:
    wanted = members.pop("expect", "a\nb")
    found = normalise(Kind.SCRIPT, {"script_type": "BASH", "timeout": "60", **members})
    assert (found["script"], found["type"], found["timeout_seconds"]) == (wanted, "bash", 60)
    assert not found.keys() & {"content", "script_lines", "script_type", "timeout"}


def test_variables_and_files_go_by_their_first_names() -> None:
    found = normalise(
        Kind.SCRIPT,
        script(
            variables=[
                {"key": "level", "type": "number", "default_value": "3"},
                {"name": "force", "type": "boolean", "value": "True", "required": True, "label": "Force it"},
                {"name": "secret", "type": "credential"},
            ],
            files=[{"name": "a.txt", "data": b64(b"x")}],
            custom={"kept": True},
        ),
    )
    assert [(v["name"], v["type"], v["default"], v["required"]) for v in found["variables"]] == [
        ("level", "number", 3, False),
        ("force", "boolean", True, True),
        ("secret", "credential", None, False),
    ]
    assert found["files"] == [{"file_name": "a.txt", "size": 1, "mime_type": "", "data": b64(b"x")}]
    assert found["custom"] == {"kept": True}
    assert normalise(Kind.SCRIPT, found) == found


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"type": "perl"}, "unsupported_script_type"),
        ({"type": "ansible"}, "unsupported_script_type"),
        ({"script": None}, "invalid_script"),
        ({"script": 7}, "invalid_script"),
        ({"script": "a\0b"}, "invalid_script"),
        ({"script": "\ud800"}, "invalid_script"),
        ({"script": "!", "script_encoding": "base64"}, "invalid_script"),
        ({"timeout_seconds": -1}, "invalid_payload"),
        ({"timeout_seconds": True}, "invalid_payload"),
        ({"timeout_seconds": 1.5}, "invalid_payload"),
        ({"timeout_seconds": "soon"}, "invalid_payload"),
        ({"timeout_seconds": 10**9}, "invalid_payload"),
        ({"description": 7}, "invalid_payload"),
        ({"variables": {}}, "invalid_variable"),
        ({"variables": [{"name": ""}]}, "invalid_variable"),
        ({"variables": [{"name": "a"}, {"key": "a"}]}, "invalid_variable"),
        ({"variables": [{"name": "a", "type": "secret"}]}, "invalid_variable"),
        ({"variables": [{"name": "a", "type": "number", "default": "x"}]}, "invalid_variable"),
        ({"variables": [{"name": "a", "type": "boolean", "default": 1}]}, "invalid_variable"),
        ({"variables": [{"name": "a", "type": "credential", "default": "hunter2"}]}, "invalid_variable"),
        ({"files": [{"name": "../up", "data": ""}]}, "invalid_file"),
        ({"files": [{"name": "C:\\x", "data": ""}]}, "invalid_file"),
        ({"files": [{"name": "a", "data": "?"}]}, "invalid_file"),
        ({"files": [{"name": "a"}, {"file_name": "A"}]}, "invalid_file"),
        ({"files": [7]}, "invalid_file"),
    ],
)
def test_rejects_documents_that_cannot_be_used(members: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        normalise(Kind.SCRIPT, script(**members))
    assert caught.value.code == code
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize("payload", [[], 7, None, "[", '{"a":1,"a":2}'])
def test_rejects_what_is_no_object(payload: Any) -> None:
    with pytest.raises(Invalid):
        normalise(Kind.SCRIPT, payload)


def test_rejects_oversized_scripts_and_files() -> None:
    with pytest.raises(TooLarge, match="script_too_large"):
        normalise(Kind.SCRIPT, script(script="é" * (600 * 1024)))
    with pytest.raises(TooLarge, match="files_too_large"):
        normalise(Kind.SCRIPT, script(files=[{"name": "a", "data": b64(bytes(8 * 1024 * 1024 + 1))}]))
    with pytest.raises(TooLarge, match="payload_too_large"):
        normalise(Kind.WORKFLOW, {"nodes": ["x" * (14 * 1024 * 1024)], "edges": []})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"assembly_kind": "Workflow"}, Kind.WORKFLOW),
        ({"kind": "ansible"}, Kind.ANSIBLE),
        ({"nodes": [], "edges": []}, Kind.WORKFLOW),
        ({"script": ""}, Kind.SCRIPT),
        ({"script_lines": []}, Kind.SCRIPT),
        ({"type": "ansible", "script": ""}, Kind.ANSIBLE),
        ({"tasks": []}, Kind.ANSIBLE),
    ],
)
def test_the_kind_of_an_import_is_guessed_as_upstream_does(given: dict[str, Any], kind: Kind) -> None:
    assert guess_kind(given, given) is kind


@pytest.mark.parametrize("given", [{}, {"kind": "macro"}])
def test_rejects_imports_of_no_known_kind(given: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="unknown_kind"):
        guess_kind(given, given)


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(_texts, _texts)
def test_a_script_comes_back_from_its_export_unchanged(text: str, name: str) -> None:
    document = normalise(Kind.SCRIPT, script(script=text, name=name))
    assert normalise(Kind.SCRIPT, as_upstream(Kind.SCRIPT, document)) == document
    assert encode(document) == encode(dict(reversed(document.items())))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_members = st.sampled_from(
    ["type", "script", "content", "timeout", "variables", "files", "payload", "kind", "nodes", "edges", "tags", "name"]
)


@given(st.dictionaries(_members, _json, max_size=6))
def test_any_import_is_taken_or_refused_with_a_reason(given: dict[str, Any]) -> None:
    try:
        kind, content, _ = portable.read(given)
    except EngineError as error:
        assert error.status in {400, 413}
        assert error.detail.endswith(".")
        return
    assert kind in set(Kind)
    assert content.display_name
