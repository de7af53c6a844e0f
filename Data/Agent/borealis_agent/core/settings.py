"""Settings of the agent: command line, environment and files, read once at start (contract 1, upstream-contract 11.3).

What may change while the agent runs is not here: the settings JSON is ``core.config``, and an enrolment code
that arrives later is found by ``enrolment.codes``.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from borealis_agent.core.errors import Fatal
from borealis_agent.core.paths import AgentPaths
from borealis_base.files import write_atomic
from borealis_wire.enrolment_token import looks_like_token, normalise_code, parse_enrolment_token
from borealis_wire.events import CONTEXT_HEADER_VALUES, SERVICE_MODES, RunContext

DEFAULT_URL: Final = "https://localhost:5000"
URL_FILE: Final = "server_url.txt"
_SYSTEM_SCOPES: Final = frozenset({"svc", "system", "system_service", "service"})
_USER_SCOPES: Final = frozenset({"user", "currentuser", "interactive"})
_TRUE: Final = frozenset({"1", "true", "yes", "on"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What was decided at start.

    ``given_url`` and ``given_code`` come from the command line or the environment and are empty where neither
    says anything; ``given_code`` is a checked code or enrolment token. ``shared_root`` is the SYSTEM agent's folder,
    which is ``paths.root`` unless this is a signed-in user's agent with a folder of its own. ``autostart``: a desktop
    started us at sign-in; we end with its session, and at once where an agent of this user is there already.
    """

    paths: AgentPaths
    run_context: RunContext
    scope: str
    config_path: Path
    given_url: str = ""
    given_code: str = field(default="", repr=False)
    trust_on_first_use: bool = False
    verbose: bool = False
    shared_root: Path = Path()
    autostart: bool = False

    @property
    def context_label(self) -> str:
        """``SYSTEM`` or ``CURRENTUSER``: the header and the agent id."""
        return CONTEXT_HEADER_VALUES[self.run_context]

    @property
    def service_mode(self) -> str:
        """``system`` or ``currentuser``: what upstream's roles and heartbeats say."""
        return SERVICE_MODES[self.run_context]


def load_settings(
    arguments: Sequence[str], environ: Mapping[str, str], *, here: Path = Path(__file__), home: Path | None = None
) -> AgentSettings:
    """Read the command line and the environment.

    Args:
        arguments: without the program's name.
        environ: usually ``os.environ``.
        here: a file of the program; its checkout or runtime is the root where ``BOREALIS_ROOT`` is not set.
        home: the account's own data folder, for an agent that may not use the shared root.

    Raises:
        Fatal: a value that cannot be used, named in the sentence.
        SystemExit: an unknown argument, or ``--help``.
    """
    given = _parser().parse_args(arguments)
    context, scope = _context_and_scope(given, environ)
    shared = _root(environ, here) / "Agent"
    root = choose_root(context, shared, usable=_usable(shared), own=home or _own_data_folder(environ))
    paths = AgentPaths(root)
    return AgentSettings(
        paths=paths,
        run_context=context,
        scope=scope,
        config_path=_config_path(paths, scope, environ),
        given_url=check_url(given.server_url or environ.get("BOREALIS_SERVER_URL", "")),
        given_code=check_code(given.installer_code or environ.get("BOREALIS_INSTALLER_CODE", "")),
        trust_on_first_use=bool(given.trust_on_first_use) or _flag(environ, "BOREALIS_TRUST_ON_FIRST_USE"),
        verbose=bool(given.verbose) or _flag(environ, "BOREALIS_VERBOSE"),
        shared_root=shared,
        autostart=bool(given.autostart) and context is RunContext.INTERACTIVE,
    )


def choose_root(context: RunContext, shared: Path, *, usable: bool, own: Path) -> Path:
    """The SYSTEM agent owns the shared root; a signed-in user's agent uses it only where that user owns it too."""
    if context is RunContext.SYSTEM or usable:
        return shared
    return own / "Borealis" / "Agent"


def check_url(text: str) -> str:
    """An Engine's address without trailing slash; empty stays empty.

    Raises:
        Fatal: not ``https://host[:port]``. Plain HTTP is never spoken.
    """
    text = text.strip().lstrip("\ufeff").rstrip("/")
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        valid = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.username or parts.query or parts.fragment or any(char.isspace() for char in text):
        raise Fatal(
            f"{text!r} is not an Engine's address", advice="An address has the form https://host[:port], with https."
        )
    return text


def check_code(text: str) -> str:
    """An enrolment code or token in its normal form; empty stays empty.

    Raises:
        Fatal: neither a code nor a token; the sentence says which part is wrong, and never shows the code.
    """
    text = text.strip()
    if not text:
        return ""
    try:
        return str(parse_enrolment_token(text)) if looks_like_token(text) else normalise_code(text)
    except ValueError as error:
        raise Fatal(
            f"The enrolment code cannot be used: {error}",
            advice="Get a fresh one on the Engine with: borealis codes create",
        ) from error


def read_server_url(paths: AgentPaths) -> str:
    """The address in ``server_url.txt``; empty where there is none or it cannot be used, which is logged."""
    path = paths.settings / URL_FILE
    try:
        return check_url(path.read_text("utf-8-sig")[:4096])
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError, Fatal) as error:
        log.warning("%s cannot be used: %s", path, error)
        return ""


def write_server_url(paths: AgentPaths, url: str) -> None:
    """Keep the address.

    Raises:
        OSError: the old file is then untouched.
    """
    write_atomic(paths.settings / URL_FILE, f"{url}\n".encode(), mode=0o644)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent.py", description="The Borealis agent.", allow_abbrev=False)
    parser.add_argument("--system-service", action="store_true", help="run as the SYSTEM agent")
    parser.add_argument("--config", default="", metavar="SCOPE", help="settings of this scope: system, user or a name")
    parser.add_argument(
        "--installer-code", "--enrollment-code", default="", metavar="CODE", help="an enrolment token, or a bare code"
    )
    parser.add_argument("--server-url", default="", metavar="URL", help="the Engine, https://host[:port]")
    parser.add_argument(
        "--trust-on-first-use",
        action="store_true",
        help="with a bare code: pin the first Engine that answers, and print its fingerprint",
    )
    parser.add_argument(
        "--autostart", action="store_true", help="started by a desktop at sign-in: end with its session"
    )
    parser.add_argument("--verbose", action="store_true", help="write troubleshooting lines too")
    return parser


def _context_and_scope(given: argparse.Namespace, environ: Mapping[str, str]) -> tuple[RunContext, str]:
    system = bool(given.system_service) or environ.get("BOREALIS_AGENT_MODE", "").strip().lower() == "system"
    wanted = str(given.config).strip()
    if wanted.lower() in _SYSTEM_SCOPES:
        return RunContext.SYSTEM, CONTEXT_HEADER_VALUES[RunContext.SYSTEM]
    context = RunContext.SYSTEM if system else RunContext.INTERACTIVE
    name = "".join(char for char in wanted if char.isascii() and (char.isalnum() or char in "_-"))[:64]
    if not name or wanted.lower() in _USER_SCOPES:
        return context, CONTEXT_HEADER_VALUES[context]
    return context, name


def _root(environ: Mapping[str, str], here: Path) -> Path:
    named = environ.get("BOREALIS_ROOT") or environ.get("BOREALIS_PROJECT_ROOT")
    if named:
        return Path(named).absolute()
    # From source we are below <checkout>/Data/Agent, from a runtime below <root>/Agent.
    for folder in here.absolute().parents:
        if folder.name == "Agent":
            return folder.parent.parent if folder.parent.name == "Data" else folder.parent
    raise Fatal("The agent does not know where it is installed", advice="Set BOREALIS_ROOT to the folder to use.")


def _usable(shared: Path) -> bool:
    folder = shared
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    settings = AgentPaths(shared).settings
    return not settings.exists() or os.access(settings, os.R_OK | os.W_OK | os.X_OK)


def _own_data_folder(environ: Mapping[str, str]) -> Path:
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _config_path(paths: AgentPaths, scope: str, environ: Mapping[str, str]) -> Path:
    if environ.get("BOREALIS_AGENT_CONFIG"):
        return Path(environ["BOREALIS_AGENT_CONFIG"]).absolute()
    folder = environ.get("BOREALIS_AGENT_CONFIG_DIR")
    return (Path(folder).absolute() if folder else paths.settings) / f"agent_settings_{scope}.json"


def _flag(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() in _TRUE
