"""Which Engine is meant, and as whom."""

import json
from pathlib import Path

import pytest
from tests.fakes.cli_world import TOKEN, CliWorld

from borealis_cli.errors import NOT_ALLOWED, CliError
from borealis_cli.places import Login, Target, find_target, load_login, login_path, store_login

LOGIN = Login("https://other:5000", "ada", "bor_pat_x", "t1", "PEM", "ab" * 32, 2e9)


def target(cli: CliWorld, *, prefer_login: bool = False) -> Target:
    return find_target(cli.environ, cli.home, prefer_login=prefer_login, checkout=None)


def test_the_owner_is_on_loopback_at_the_port_that_the_engine_wrote(cli: CliWorld) -> None:
    assert target(cli) == Target("https://127.0.0.1:5000", TOKEN, "PEM", is_owner=True)
    (cli.root / "Engine" / "Data" / "engine.json").write_text(json.dumps({"port": 5123, "url": "https://x"}))
    assert target(cli).url == "https://127.0.0.1:5123"
    cli.environ["BOREALIS_ENGINE_PORT"] = "5999"
    assert target(cli).url == "https://127.0.0.1:5999"


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"port": "5000"}', '{"port": 0}', "\xff"])
def test_survives_a_torn_state_file(cli: CliWorld, state: str) -> None:
    (cli.root / "Engine" / "Data" / "engine.json").write_text(state, encoding="latin-1")
    assert target(cli).url == "https://127.0.0.1:5000"


def test_rejects_a_port_that_is_none(cli: CliWorld) -> None:
    cli.environ["BOREALIS_ENGINE_PORT"] = "70000"
    with pytest.raises(CliError, match="BOREALIS_ENGINE_PORT"):
        target(cli)


def test_a_checkout_and_an_engine_root_are_found_too(cli: CliWorld) -> None:
    found = find_target({}, cli.home, prefer_login=False, checkout=cli.root)
    assert found.is_owner
    found = find_target({"BOREALIS_ENGINE_ROOT": str(cli.root / "Engine")}, cli.home, prefer_login=False, checkout=None)
    assert found.is_owner


def test_a_login_is_private_and_counts_where_no_engine_is(cli: CliWorld) -> None:
    path = store_login(LOGIN, cli.environ, cli.home)
    assert path == cli.home / ".config" / "borealis" / "login.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_login(cli.environ, cli.home) == LOGIN
    assert target(cli).is_owner, "the Engine that BOREALIS_ROOT names comes first"
    assert target(cli, prefer_login=True) == Target("https://other:5000", "bor_pat_x", "PEM", is_owner=False)
    cli.environ["BOREALIS_ROOT"] = "/nowhere"
    assert not target(cli).is_owner


def test_the_configuration_folder_can_be_elsewhere(cli: CliWorld, tmp_path: Path) -> None:
    assert login_path({"XDG_CONFIG_HOME": "/x"}, cli.home) == Path("/x/borealis/login.json")


@pytest.mark.parametrize("prefer_login", [False, True])
def test_rejects_nobody_with_what_to_do(cli: CliWorld, prefer_login: bool) -> None:
    cli.environ["BOREALIS_ROOT"] = "/nowhere"
    with pytest.raises(CliError, match="borealis login") as refused:
        target(cli, prefer_login=prefer_login)
    assert refused.value.status == NOT_ALLOWED


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "x"}', "\xff"])
def test_rejects_a_torn_login_with_a_sentence(cli: CliWorld, content: str) -> None:
    path = login_path(cli.environ, cli.home)
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="latin-1")
    with pytest.raises(CliError, match="sign in again"):
        load_login(cli.environ, cli.home)
