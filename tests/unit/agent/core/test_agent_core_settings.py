"""What command line, environment and files mean together."""

import os
from pathlib import Path

import pytest

from borealis_agent.core.errors import Fatal
from borealis_agent.core.paths import AgentPaths
from borealis_agent.core.settings import (
    check_code,
    check_url,
    choose_root,
    load_settings,
    read_server_url,
    write_server_url,
)
from borealis_wire.events import RunContext

CODE = "0123-4567-89AB-CDEF-0123-4567-89AB-CDEF"
TOKEN = f"https://engine.example:5000#{CODE}.{'a' * 64}"


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"BOREALIS_ROOT": str(tmp_path), **more}


@pytest.mark.parametrize(
    ("arguments", "mode", "context", "scope"),
    [
        ([], "", RunContext.INTERACTIVE, "CURRENTUSER"),
        (["--system-service"], "", RunContext.SYSTEM, "SYSTEM"),
        ([], "system", RunContext.SYSTEM, "SYSTEM"),
        ([], "SYSTEM ", RunContext.SYSTEM, "SYSTEM"),
        ([], "user", RunContext.INTERACTIVE, "CURRENTUSER"),
        (["--config", "svc"], "", RunContext.SYSTEM, "SYSTEM"),
        (["--config", "System_Service"], "", RunContext.SYSTEM, "SYSTEM"),
        (["--config", "user"], "", RunContext.INTERACTIVE, "CURRENTUSER"),
        (["--config", "interactive"], "", RunContext.INTERACTIVE, "CURRENTUSER"),
        (["--config", "../lab 1"], "", RunContext.INTERACTIVE, "lab1"),
        (["--system-service", "--config", "lab"], "", RunContext.SYSTEM, "lab"),
        (["--system-service", "--config", "user"], "", RunContext.SYSTEM, "SYSTEM"),
        (["--config", "///"], "", RunContext.INTERACTIVE, "CURRENTUSER"),
    ],
)
def test_scope_and_context(tmp_path: Path, arguments: list[str], mode: str, context: RunContext, scope: str) -> None:
    settings = load_settings(arguments, environ(tmp_path, BOREALIS_AGENT_MODE=mode))
    assert (settings.run_context, settings.scope) == (context, scope)
    assert settings.config_path == tmp_path / "Agent" / "Borealis" / "Settings" / f"agent_settings_{scope}.json"


def test_the_command_line_wins_over_the_environment(tmp_path: Path) -> None:
    given = environ(tmp_path, BOREALIS_SERVER_URL="https://env:1", BOREALIS_INSTALLER_CODE=TOKEN)
    settings = load_settings(["--server-url", "https://line:2/", "--enrollment-code", CODE.lower()], given)
    assert (settings.given_url, settings.given_code) == ("https://line:2", CODE)
    settings = load_settings([], given)
    assert (settings.given_url, settings.given_code) == ("https://env:1", TOKEN)
    settings = load_settings(["--installer-code", TOKEN], environ(tmp_path))
    assert (settings.given_url, settings.given_code) == ("", TOKEN)


def test_switches(tmp_path: Path) -> None:
    plain = load_settings([], environ(tmp_path))
    assert not plain.trust_on_first_use
    assert not plain.verbose
    given = load_settings(["--trust-on-first-use"], environ(tmp_path, BOREALIS_VERBOSE="1"))
    assert given.trust_on_first_use
    assert given.verbose
    assert (plain.context_label, plain.service_mode) == ("CURRENTUSER", "currentuser")


@pytest.mark.parametrize(
    ("place", "root"),
    [
        ("co/Data/Agent/borealis_agent/core/settings.py", "co"),
        ("co/Agent/Borealis/borealis_agent/core/settings.py", "co"),
        ("co/Agent/code/1/borealis_agent/core/settings.py", "co"),
    ],
)
def test_the_root_is_the_checkout_or_the_folder_of_the_runtime(tmp_path: Path, place: str, root: str) -> None:
    settings = load_settings(["--system-service"], {}, here=tmp_path / place)
    assert settings.paths.root == tmp_path / root / "Agent"


def test_rejects_a_place_that_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="where it is installed"):
        load_settings([], {}, here=tmp_path / "site-packages" / "settings.py")


def test_named_settings_files_win(tmp_path: Path) -> None:
    file = load_settings([], environ(tmp_path, BOREALIS_AGENT_CONFIG=str(tmp_path / "own.json")))
    assert file.config_path == tmp_path / "own.json"
    folder = load_settings(["--system-service"], environ(tmp_path, BOREALIS_AGENT_CONFIG_DIR=str(tmp_path / "conf")))
    assert folder.config_path == tmp_path / "conf" / "agent_settings_SYSTEM.json"


def test_only_the_system_agent_insists_on_the_shared_root(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    assert choose_root(RunContext.SYSTEM, shared, usable=False, own=own) == shared
    assert choose_root(RunContext.INTERACTIVE, shared, usable=True, own=own) == shared
    assert choose_root(RunContext.INTERACTIVE, shared, usable=False, own=own) == own / "Borealis" / "Agent"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may use every folder")
def test_a_user_without_rights_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "Agent").mkdir()
    (tmp_path / "Agent").chmod(0o500)
    settings = load_settings([], environ(tmp_path), home=tmp_path / "home")
    assert settings.paths.root == tmp_path / "home" / "Borealis" / "Agent"


@pytest.mark.parametrize(
    "text",
    [
        "http://engine:5000",
        "engine:5000",
        "https://",
        "https://user:pw@engine",
        "https://engine?x=1",
        "https://engine#x",
        "https://engine:99999",
        "https://en gine",
        "ftp://engine",
    ],
)
def test_rejects_an_address_that_is_not_https(text: str) -> None:
    with pytest.raises(Fatal, match="not an Engine's address"):
        check_url(text)


@pytest.mark.parametrize("text", [CODE[:-1], "https://e#" + CODE, TOKEN[:-1], "http" + TOKEN[5:], "x" * 39])
def test_rejects_a_code_that_is_none_and_does_not_show_it(text: str) -> None:
    with pytest.raises(Fatal, match="cannot be used") as caught:
        check_code(text)
    assert text not in caught.value.diagnostics()


def test_the_address_is_kept_in_its_file(tmp_path: Path) -> None:
    paths = AgentPaths(tmp_path)
    assert read_server_url(paths) == ""
    write_server_url(paths, "https://engine:5000")
    assert read_server_url(paths) == "https://engine:5000"
    (paths.settings / "server_url.txt").write_bytes(b"\xef\xbb\xbfhttps://bom:1/\r\n")
    assert read_server_url(paths) == "https://bom:1"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"http://plain:5000", b"rubbish"])
def test_survives_an_address_file_that_is_torn(tmp_path: Path, content: bytes) -> None:
    paths = AgentPaths(tmp_path)
    paths.settings.mkdir(parents=True)
    (paths.settings / "server_url.txt").write_bytes(content)
    assert read_server_url(paths) == ""
