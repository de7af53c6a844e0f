"""What a quick job may ask for, and the variables that reach its environment."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.core.errors import EngineError, Invalid, NotFound, TooLarge
from borealis_engine.jobs import FileUpload, LaunchRequest, PlaybookRequest
from borealis_engine.jobs.checks import check
from borealis_engine.jobs.variables import environment_of, merge
from borealis_wire.events import RunContext, ScriptType


def request(**members: Any) -> LaunchRequest:
    return LaunchRequest(**{"all": True, "script_content": "echo hi", "script_type": "bash", **members})


def upload(name: str = "a.txt", data: bytes = b"x", **more: Any) -> FileUpload:
    return FileUpload(file_name=name, data=base64.b64encode(data).decode(), **more)


def test_defaults_are_upstreams() -> None:
    job = check(request())
    assert (job.script_type, job.context, job.timeout_seconds) == (ScriptType.BASH, RunContext.SYSTEM, 3600)
    assert job.lifetime_seconds == 24 * 3600


def test_a_script_saved_on_windows_runs_on_unix() -> None:
    assert check(request(script_content="a\r\nb\r\n")).script == b"a\nb\n"
    assert check(request(script_content="a\r\nb", script_type="batch")).script == b"a\r\nb"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"all": False}, "missing_targets"),
        ({"script_content": None}, "missing_script"),
        ({"script_content_base64": "eA=="}, "missing_script"),
        ({"script_content": None, "script_content_base64": "/w=="}, "invalid_script"),
        ({"script_content": " \n"}, "invalid_script"),
        ({"script_content": "a\0b"}, "invalid_script"),
        ({"script_content": "\ud800"}, "invalid_script"),
        ({"script_content": "DSSEv1 32 application/vnd.borealis.job+json 2 {}"}, "invalid_script"),
        ({"script_type": "perl"}, "unsupported_script_type"),
        ({"script_type": "ansible", "context": "interactive"}, "invalid_context"),
        ({"playbook": PlaybookRequest(check=True)}, "invalid_playbook"),
        ({"vault_password": "x"}, "invalid_playbook"),
        ({"script_type": "ansible", "playbook": PlaybookRequest(tags=["--limit"])}, "invalid_playbook"),
        ({"script_type": "ansible", "playbook": PlaybookRequest(limit="@/etc/shadow")}, "invalid_playbook"),
        ({"script_type": "ansible", "vault_password": "two\nlines"}, "invalid_vault_password"),
        ({"context": "root"}, "invalid_context"),
        ({"context": "system", "run_mode": "current_user"}, "invalid_context"),
        ({"run_mode": "admin"}, "admin_mode_unsupported"),
        ({"admin_user": "x", "admin_pass": "y"}, "admin_mode_unsupported"),
        ({"files": [upload("../up")]}, "invalid_file"),
        ({"files": [upload("a"), upload("A")]}, "invalid_file"),
        ({"files": [upload(size=7)]}, "invalid_file"),
        ({"files": [FileUpload(file_name="a", data="?")]}, "invalid_file"),
        ({"environment": {"A=B": "x"}}, "invalid_environment"),
        ({"environment": {"A": "x\0"}}, "invalid_environment"),
    ],
)
def test_rejects_jobs_that_cannot_be_run_as_asked(members: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(request(**members))
    assert caught.value.code == code
    assert caught.value.detail.endswith(".")


def test_rejects_stored_script_and_oversized_ones() -> None:
    with pytest.raises(NotFound):
        check(request(script_path="x.ps1"))
    with pytest.raises(TooLarge):
        check(request(script_content="é" * (700 * 1024)))


@given(st.text(max_size=40), st.binary(max_size=40))
def test_any_file_name_is_taken_as_a_plain_name_or_refused(name: str, data: bytes) -> None:
    if not 1 <= len(name) <= 128:
        return
    try:
        (file,) = check(request(files=[upload(name, data)])).files
    except EngineError as error:
        assert error.code == "invalid_file"
        return
    assert "/" not in file["file_name"] and "\\" not in file["file_name"] and file["file_name"] not in {".", ".."}


def test_variables_are_merged_typed_and_named_for_the_environment() -> None:
    declared = [
        {"name": "Log Level", "type": "number", "default": "3", "label": "Level"},
        {"key": "force", "type": "boolean", "default_value": "true"},
        {"name": "note", "type": "string"},
    ]
    merged = merge(declared, {"note": "it's", "extra": False})
    assert [item["value"] for item in merged] == [3, True, "it's", False]
    environment = environment_of(merged, {"FORCE": "by hand"})
    assert environment["LOG_LEVEL"] == environment["Log_Level"] == "3"
    assert (environment["FORCE"], environment["force"]) == ("by hand", "True")
    assert environment["EXTRA"] == "False"


@pytest.mark.parametrize(
    "variable",
    [
        {"name": "", "value": 1},
        {"name": "a=b"},
        {"name": "x", "type": "list"},
        {"name": "x", "type": "number", "value": "ten"},
        {"name": "x", "type": "number", "value": float("nan")},
        {"name": "x", "type": "boolean", "value": "yes"},
        {"name": "x", "type": "string", "value": ["a"]},
        {"name": "x", "type": "string", "value": "a\0"},
        {"name": "x", "required": True},
        {"name": "x", "evil": 1},
    ],
)
def test_rejects_variables_of_wrong_form(variable: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        merge([variable], {})
    assert caught.value.code == "invalid_variable"


def test_rejects_credential_variables_with_a_sentence_that_helps() -> None:
    with pytest.raises(Invalid, match="credential_unsupported"):
        merge([{"name": "login", "type": "credential"}], {})
