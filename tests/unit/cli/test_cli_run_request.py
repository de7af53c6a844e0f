"""From what was typed to the body of a quick run."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_rest import GUID

from borealis_cli.errors import USAGE, CliError
from borealis_cli.run_request import (
    PlaybookSwitches,
    RunOptions,
    build_request,
    playbook_named,
    vault_password_of,
)


def build(**options: Any) -> dict[str, Any]:
    return build_request(RunOptions(**{"script": "id", "script_type": "bash", **options}), io.StringIO("from stdin"))


def test_names_guids_and_sites_go_where_they_belong() -> None:
    body = build(devices=["lab", "{" + GUID.lower() + "}"], sites=["HQ"], context="interactive")
    assert body == {
        "script_content": "id",
        "script_type": "bash",
        "context": "interactive",
        "hostnames": ["lab"],
        "guids": [GUID],
        "sites": ["HQ"],
    }
    assert build(everywhere=True)["all"] is True


def test_a_user_is_named_for_the_interactive_context_alone() -> None:
    named = build(everywhere=True, user="ada")
    assert (named["context"], named["run_as_user"]) == ("interactive", "ada")
    assert build(everywhere=True, user="ada", context="interactive") == named
    assert "run_as_user" not in build(everywhere=True)


def test_a_file_brings_its_name_and_its_type(tmp_path: Path) -> None:
    script = tmp_path / "clean up.py"
    script.write_bytes(b"\xef\xbb\xbfprint('\xc3\xa4')\n")
    body = build(everywhere=True, script=None, script_type="", file=str(script))
    assert (body["script_content"], body["script_type"], body["script_name"]) == (
        "print('ä')\n",
        "python",
        "clean up.py",
    )
    assert build(everywhere=True, script=None, file="-")["script_content"] == "from stdin"


def test_a_playbook_is_named_and_brings_its_options(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text("- hosts: all\n")
    script, file = playbook_named("ansible", str(site), "")
    assert (script, file) == (None, str(site))
    assert playbook_named("bash", "id", "") == ("id", "")
    assert playbook_named("ansible", "- hosts: all\n  tasks: []", "") == ("- hosts: all\n  tasks: []", "")
    switches = PlaybookSwitches(check=True, tags=["web, db", "x"], limit="all", vault_password="open")
    body = build(everywhere=True, script=None, script_type="", file=file, playbook=switches)
    assert (body["script_type"], body["script_name"], body["vault_password"]) == ("ansible", "site.yml", "open")
    assert body["playbook"] == {
        "check": True,
        "diff": False,
        "tags": ["web", "db", "x"],
        "skip_tags": [],
        "limit": "all",
    }
    assert "open" not in repr(switches)
    plain = build(everywhere=True, script=None, script_type="", file=file)
    assert not {"playbook", "vault_password"} & set(plain)


def test_a_vault_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("open sesame\nnot this\n")
    assert vault_password_of(path) == "open sesame"
    path.write_text("")
    with pytest.raises(CliError):
        vault_password_of(path)


def test_times_variables_and_attachments(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_bytes(b"\x00\xff")
    body = build(everywhere=True, timeout="5m", expires="1d", variables=["A=1=2", "b="], attached=[note])
    assert (body["timeout_seconds"], body["expires_in_seconds"]) == (300, 86_400)
    assert body["variable_values"] == {"A": "1=2", "b": ""}
    assert body["files"] == [{"file_name": "note.txt", "size": 2, "data": base64.b64encode(b"\x00\xff").decode()}]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "Say where"),
        ({"everywhere": True, "devices": ["lab"]}, "either --all"),
        ({"everywhere": True, "script": None}, "one of the two"),
        ({"everywhere": True, "file": "x.sh"}, "one of the two"),
        ({"everywhere": True, "script": None, "file": "/nowhere/x.sh"}, "cannot be read"),
        ({"everywhere": True, "script_type": "perl"}, "powershell"),
        ({"everywhere": True, "playbook": PlaybookSwitches(check=True)}, "for playbooks"),
        ({"everywhere": True, "context": "root"}, "--context"),
        ({"everywhere": True, "context": "system", "user": "ada"}, "--context interactive"),
        ({"everywhere": True, "timeout": "soon"}, "--timeout"),
        ({"everywhere": True, "variables": ["novalue"]}, "NAME=VALUE"),
    ],
)
def test_rejects_options_that_make_no_sense(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CliError, match=sentence) as refused:
        build(**options)
    assert refused.value.status == USAGE


def test_rejects_a_script_that_is_no_text(tmp_path: Path) -> None:
    script = tmp_path / "x.sh"
    script.write_bytes(b"\xff\xfe")
    with pytest.raises(CliError, match="UTF-8"):
        build(everywhere=True, script=None, file=str(script))
