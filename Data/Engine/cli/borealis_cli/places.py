"""Which Engine a command means, and as whom: the owner on the Engine's own machine, or a stored login.

Where both are there the owner's token wins, because ``BOREALIS_ROOT`` names that Engine; ``borealis --login``
says otherwise.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from borealis_base.files import private_folder, write_atomic
from borealis_cli.errors import NOT_ALLOWED, USAGE, CliError

DEFAULT_PORT: Final = 5000
LOGIN_FILE: Final = "login.json"


@dataclass(frozen=True, slots=True)
class Target:
    """An Engine and who we are there. ``ca_pem`` is the only certificate that is trusted."""

    url: str
    token: str
    ca_pem: str
    is_owner: bool


@dataclass(frozen=True, slots=True)
class Login:
    """A stored login. ``expires_at`` in Unix seconds."""

    url: str
    username: str
    token: str
    token_id: str
    ca_pem: str
    ca_pin: str
    expires_at: float


def find_target(environ: Mapping[str, str], home: Path, *, prefer_login: bool, checkout: Path | None) -> Target:
    """The Engine to talk to.

    Args:
        environ: the environment.
        home: the user's home folder.
        prefer_login: use the stored login even where the owner's token is there.
        checkout: where an Engine's runtime lies if ``BOREALIS_ROOT`` says nothing.

    Raises:
        CliError: nobody is signed in, with what to do.
    """
    login = load_login(environ, home)
    if prefer_login:
        if login is None:
            raise CliError("No login is stored. Sign in first: borealis login https://ENGINE:PORT", NOT_ALLOWED)
        return _of_login(login)
    engine = engine_folder(environ, checkout)
    unreadable = False
    if engine is not None:
        try:
            owner = _owner(environ, engine)
        except PermissionError:
            owner, unreadable = None, True
        if owner is not None:
            return owner
    if login is not None:
        return _of_login(login)
    if unreadable:
        raise CliError(
            f"The Engine in {engine} belongs to another user. Run this as that user, or sign in: borealis login URL",
            NOT_ALLOWED,
        )
    raise CliError(
        "There is no Engine on this machine, and no login is stored. Start one with ./Borealis.sh engine, or sign in "
        "to another: borealis login https://ENGINE:PORT",
        NOT_ALLOWED,
    )


def engine_folder(environ: Mapping[str, str], checkout: Path | None) -> Path | None:
    """The runtime folder of this machine's Engine, whether it exists or not."""
    if environ.get("BOREALIS_ENGINE_ROOT"):
        return Path(environ["BOREALIS_ENGINE_ROOT"]).absolute()
    root = environ.get("BOREALIS_ROOT") or environ.get("BOREALIS_PROJECT_ROOT")
    if root:
        return Path(root).absolute() / "Engine"
    return None if checkout is None else checkout / "Engine"


def login_path(environ: Mapping[str, str], home: Path) -> Path:
    """Where the login is stored."""
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home / ".config") / "borealis" / LOGIN_FILE


def load_login(environ: Mapping[str, str], home: Path) -> Login | None:
    """The stored login; None where there is none.

    Raises:
        CliError: the file cannot be read.
    """
    path = login_path(environ, home)
    try:
        data = json.loads(path.read_bytes())
        return Login(**{name: kind(data[name]) for name, kind in _LOGIN_FIELDS.items()})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CliError(
            f"The stored login {path} cannot be read. Remove it and sign in again: borealis login"
        ) from error


def store_login(login: Login, environ: Mapping[str, str], home: Path) -> Path:
    """Store a login for this user alone (0600).

    Raises:
        OSError: cannot be written.
    """
    path = login_path(environ, home)
    private_folder(path.parent)
    write_atomic(path, json.dumps(asdict(login), indent=1).encode(), mode=0o600)
    return path


def forget_login(environ: Mapping[str, str], home: Path) -> None:
    """Remove the stored login.

    Raises:
        OSError: cannot be removed.
    """
    login_path(environ, home).unlink(missing_ok=True)


def _owner(environ: Mapping[str, str], engine: Path) -> Target | None:
    try:
        token = (engine / "Data" / "Secrets" / "cli.token").read_text("ascii").strip()
        ca_pem = (engine / "Certificates" / "borealis-server-bundle.pem").read_text("ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise CliError(f"The owner's token or the certificate in {engine} is damaged. Restart the Engine.") from error
    # The owner is believed on loopback only; there the Engine is, whatever address it shows to others.
    return Target(f"https://127.0.0.1:{_port(environ, engine)}", token, ca_pem, is_owner=True)


def _port(environ: Mapping[str, str], engine: Path) -> int:
    text = environ.get("BOREALIS_ENGINE_PORT", "")
    if text:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
            raise CliError(f"BOREALIS_ENGINE_PORT is a port from 1 to 65535, not {text!r}.", USAGE)
        return int(text)
    try:
        state = json.loads((engine / "Data" / "engine.json").read_bytes())
        port = state["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_PORT
    return port if isinstance(port, int) and 1 <= port <= 65535 else DEFAULT_PORT


def _of_login(login: Login) -> Target:
    return Target(login.url, login.token, login.ca_pem, is_owner=False)


_LOGIN_FIELDS: Final = {
    "url": str,
    "username": str,
    "token": str,
    "token_id": str,
    "ca_pem": str,
    "ca_pin": str,
    "expires_at": float,
}
