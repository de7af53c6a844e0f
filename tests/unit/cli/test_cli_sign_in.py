"""Signing in over real TLS: whom to trust is decided before anything is sent (threats 14)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import Asked, Authority, refuse, serve

from borealis_cli.errors import CliError
from borealis_cli.places import load_login
from borealis_cli.sign_in import check_pin, check_url

PASSWORD = "correct horse battery"


def login(asked: Asked) -> tuple[int, Any]:
    if asked.body["password"] != PASSWORD:
        return refuse(401, "invalid_credentials", "User name or password is wrong.")
    if asked.body["username"] == "careful":
        return 200, {"status": "mfa_required", "pending_token": "p1", "username": "careful"}
    return signed_in(asked)


def signed_in(_: Asked) -> tuple[int, Any]:
    return 200, {"status": "ok", "username": "ada", "csrf": "c1", "permissions": ["devices.read", "runs.read"]}


def make_token(asked: Asked) -> tuple[int, Any]:
    cookie_is_there = "borealis_session=s3" in asked.headers.get("cookie", "")
    if not cookie_is_there or asked.headers.get("x-borealis-csrf") != "c1" or "origin" not in asked.headers:
        return refuse(403, "csrf_failed", "No.")
    return 201, {"id": "t1", "token": "bor_pat_new", "expires_at": 2e9}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The Engine's CA and leaf."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def engine(cli: CliWorld, authority: Authority) -> Iterator[tuple[CliWorld, str]]:
    """A machine without an Engine, and an Engine elsewhere; gives its address too."""
    cli.environ["BOREALIS_ROOT"] = "/nowhere"
    cli.use_network = True
    cli.rest.routes = {
        "POST /api/auth/login": login,
        "POST /api/auth/mfa/verify": signed_in,
        "POST /api/auth/logout": (200, {"status": "ok"}),
        "POST /api/tokens": make_token,
        "DELETE /api/tokens/t1": (200, {"status": "ok"}),
        "GET /api/auth/me": (200, {"username": "ada", "role": "Admin", "sites": None, "permissions": []}),
    }
    with serve(cli.rest, authority) as port:
        yield cli, f"https://127.0.0.1:{port}"


def test_with_a_pin_nothing_is_asked_and_a_token_is_kept(engine: tuple[CliWorld, str], authority: Authority) -> None:
    cli, url = engine
    printed = cli("login", url, "-u", "ada", "--password-stdin", "--ca-pin", authority.pin, stdin=f"{PASSWORD}\n")
    assert (printed.status, printed.err) == (0, "")
    stored = load_login(cli.environ, cli.home)
    assert stored is not None
    assert (stored.url, stored.username, stored.token, stored.ca_pin) == (url, "ada", "bor_pat_new", authority.pin)
    assert stored.ca_pem.strip() == authority.ca_pem.strip()
    paths = [asked.path for asked in cli.rest.asked]
    assert paths == ["/api/auth/login", "/api/tokens", "/api/auth/logout"], "the session does not outlive the login"
    assert cli.rest.bodies("POST /api/tokens")[0]["scopes"] == ["devices.read", "runs.read"]
    assert cli("whoami", "--json").json["username"] == "ada"
    assert cli.rest.asked[-1].headers["authorization"] == "Bearer bor_pat_new"
    assert cli("logout").out == "Signed out.\n"
    assert cli.rest.asked[-1].path == "/api/tokens/t1"
    assert load_login(cli.environ, cli.home) is None


def test_without_a_pin_a_person_compares_it(engine: tuple[CliWorld, str], authority: Authority) -> None:
    cli, url = engine
    cli.answers = ["n"]
    assert cli("login", url, interactive=True).status == 1
    assert cli.rest.asked == []
    cli.answers = ["y", "careful", PASSWORD, "123456"]
    printed = cli("login", url, interactive=True)
    assert printed.status == 0, printed.err
    assert authority.pin in printed.err
    assert cli.rest.bodies("POST /api/auth/mfa/verify") == [{"pending_token": "p1", "code": "123456"}]


def test_rejects_another_pin_before_sending_anything(engine: tuple[CliWorld, str]) -> None:
    cli, url = engine
    printed = cli("login", url, "-u", "ada", "--password-stdin", "--ca-pin", "0" * 64, stdin=f"{PASSWORD}\n")
    assert printed.status == 1
    assert "Nothing was sent" in printed.err
    assert cli.rest.asked == []


def test_rejects_a_server_that_shows_the_right_ca_without_being_signed_by_it(
    engine: tuple[CliWorld, str], authority: Authority, tmp_path: Path
) -> None:
    cli, _ = engine
    liar = Authority(tmp_path / "liar")
    liar.chain_path.write_text(liar.chain_path.read_text() + authority.ca_pem)
    with serve(cli.rest, liar) as port:
        url = f"https://127.0.0.1:{port}"
        printed = cli("login", url, "-u", "ada", "--password-stdin", "--ca-pin", authority.pin, stdin=f"{PASSWORD}\n")
    assert printed.status == 3
    assert "not the pinned one" in printed.err
    assert cli.rest.asked == []


def test_rejects_a_certificate_for_another_name(engine: tuple[CliWorld, str], tmp_path: Path) -> None:
    cli, _ = engine
    other = Authority(tmp_path / "other", "engine.example")
    with serve(cli.rest, other) as port:
        url = f"https://127.0.0.1:{port}"
        printed = cli("login", url, "-u", "ada", "--password-stdin", "--ca-pin", other.pin, stdin=f"{PASSWORD}\n")
    assert printed.status == 3
    assert cli.rest.asked == []


def test_rejects_an_engine_whose_ca_changed_since(
    engine: tuple[CliWorld, str], authority: Authority, tmp_path: Path
) -> None:
    cli, url = engine
    cli("login", url, "-u", "ada", "--password-stdin", "--ca-pin", authority.pin, stdin=f"{PASSWORD}\n")
    path = cli.home / ".config" / "borealis" / "login.json"
    cli.rest.asked.clear()
    with serve(cli.rest, Authority(tmp_path / "new")) as port:
        path.write_text(path.read_text().replace(url, f"https://127.0.0.1:{port}"))
        printed = cli("devices")
    assert printed.status == 3
    assert "borealis login" in printed.err
    assert cli.rest.asked == []


def test_rejects_a_wrong_password(engine: tuple[CliWorld, str], authority: Authority) -> None:
    cli, url = engine
    printed = cli("login", url, "-u", "ada", "--password-stdin", "--ca-pin", authority.pin, stdin="wrong\n")
    assert printed.status == 4
    assert "wrong\n" not in printed.err
    assert load_login(cli.environ, cli.home) is None


def test_nobody_at_the_keyboard_has_to_say_it_all(engine: tuple[CliWorld, str]) -> None:
    cli, url = engine
    assert cli("login", url).status == 2
    printed = cli("login", url, "-u", "ada", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert printed.status == 2, "no pin, and nobody to compare it"
    assert cli.rest.asked == []


def test_no_engine_is_status_3(cli: CliWorld) -> None:
    cli.use_network = True
    cli.environ["BOREALIS_ROOT"] = "/nowhere"
    printed = cli("login", "https://127.0.0.1:1", "-u", "ada", "--password-stdin", "--ca-pin", "0" * 64)
    assert printed.status == 3
    assert "No Engine answers" in printed.err


def test_logout_works_without_the_engine(engine: tuple[CliWorld, str], authority: Authority) -> None:
    cli, url = engine
    cli("login", url, "-u", "ada", "--password-stdin", "--ca-pin", authority.pin, stdin=f"{PASSWORD}\n")
    path = cli.home / ".config" / "borealis" / "login.json"
    path.write_text(path.read_text().replace(url, "https://127.0.0.1:1"))
    printed = cli("logout")
    assert printed.out == "Signed out.\n"
    assert "holds there until" in printed.err
    assert not path.exists()


@pytest.mark.parametrize("text", ["https://h:5000", "h:5000", " https://h:5000/ "])
def test_addresses_are_read_as_people_write_them(text: str) -> None:
    assert check_url(text) == "https://h:5000"


@pytest.mark.parametrize(
    "text", ["", "http://h", "https://", "https://a@h", "https://h/x", "https://h:99999", "ftp://h"]
)
def test_rejects_addresses_that_are_none(text: str) -> None:
    with pytest.raises(CliError, match="https://HOST"):
        check_url(text)


def test_pins_may_have_colons() -> None:
    assert check_pin(":".join(["AB"] * 32)) == "ab" * 32
    assert check_pin("") is None
    for text in ("ab", "g" * 64):
        with pytest.raises(CliError, match="64 hex digits"):
            check_pin(text)
