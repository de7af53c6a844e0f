"""Settings of the Engine: from the environment, with defaults; read once at start (upstream-contract 11.4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from borealis_engine.core.errors import Fatal
from borealis_engine.core.paths import EnginePaths
from borealis_engine.core.shell_settings import ShellSettings, load_shell_settings
from borealis_engine.core.tunnel_settings import TunnelSettings, load_tunnel_settings

DEFAULT_PORT = 5000
HTTPS_PORT: Final = 443
SESSION_COOKIE: Final = "borealis_session"
"""The beginning of the cookie's name; :attr:`EngineSettings.session_cookie` is the whole."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Everything that can be set from outside. ``database_url`` is SQLAlchemy's form."""

    paths: EnginePaths
    database_url: str
    host: str = "0.0.0.0"  # noqa: S104  agents come from everywhere; what they may do is decided per request
    port: int = DEFAULT_PORT
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_bundle: Path | None = None
    extra_leaf_sha256: tuple[str, ...] = ()
    """Leaf certificates (hex SHA-256 of DER) that a TLS-terminating proxy shows in the Engine's stead."""
    job_history_days: int = 30
    mfa_issuer: str = "Borealis"
    agent_build: str = ""
    """The build of agents that counts as up to date; empty: the one that the bootstrap names, else the commonest."""
    source_root: Path = field(default_factory=Path)
    tunnel: TunnelSettings = field(default_factory=TunnelSettings)
    shells: ShellSettings = field(default_factory=ShellSettings)

    @property
    def url(self) -> str:
        """How people and agents reach the Engine."""
        return self.public_url or f"https://localhost:{self.port}"

    @property
    def session_cookie(self) -> str:
        """What the cookie of a signed-in operator is called.

        Cookies know nothing of ports (RFC 6265, 8.5): two Engines on one host would sign each other's operators out.
        """
        try:
            port = urlsplit(self.url).port or HTTPS_PORT
        except ValueError:  # the address was written by a person
            port = self.port
        return f"{SESSION_COOKIE}_{port}"

    def in_force(self) -> dict[str, str]:
        """What was set or assumed, by the name that sets it; empty where nothing is. Nothing in it is a secret.

        The database's address is left out: a password may be in it.
        """
        files = {"TLS_CERT": self.tls_cert, "TLS_KEY": self.tls_key, "TLS_BUNDLE": self.tls_bundle}
        return {
            "BOREALIS_ENGINE_ROOT": str(self.paths.root),
            "BOREALIS_ENGINE_HOST": self.host,
            "BOREALIS_ENGINE_PORT": str(self.port),
            "BOREALIS_PUBLIC_URL": self.public_url,
            "BOREALIS_TRUSTED_PROXIES": ", ".join(self.trusted_proxies),
            **{f"BOREALIS_{name}": str(path or "") for name, path in files.items()},
            "BOREALIS_PROXY_LEAF_SHA256": ", ".join(self.extra_leaf_sha256),
            "BOREALIS_JOB_HISTORY_DAYS": str(self.job_history_days),
            "BOREALIS_MFA_ISSUER": self.mfa_issuer,
            "BOREALIS_AGENT_BUILD": self.agent_build,
            **self.tunnel.in_force(),
            **self.shells.in_force(),
        }


def load_settings(environ: Mapping[str, str], *, source_root: Path) -> EngineSettings:
    """Read settings from ``environ``.

    Args:
        environ: usually ``os.environ``.
        source_root: the checkout, used where ``BOREALIS_ROOT`` is not set.

    Raises:
        Fatal: a value that cannot be used, named in the sentence.
    """
    root = Path(environ.get("BOREALIS_ROOT") or environ.get("BOREALIS_PROJECT_ROOT") or source_root).absolute()
    paths = EnginePaths(Path(environ.get("BOREALIS_ENGINE_ROOT") or root / "Engine").absolute())
    database = Path(environ.get("BOREALIS_DATABASE_PATH") or paths.database).absolute()
    return EngineSettings(
        paths=paths,
        database_url=environ.get("BOREALIS_DATABASE_URL") or f"sqlite:///{database}",
        host=environ.get("BOREALIS_ENGINE_HOST") or "0.0.0.0",  # noqa: S104
        port=_port(environ.get("BOREALIS_ENGINE_PORT", "")),
        public_url=(environ.get("BOREALIS_PUBLIC_URL") or "").rstrip("/"),
        trusted_proxies=_list(environ.get("BOREALIS_TRUSTED_PROXIES", "")),
        tls_cert=_path(environ.get("BOREALIS_TLS_CERT", "")),
        tls_key=_path(environ.get("BOREALIS_TLS_KEY", "")),
        tls_bundle=_path(environ.get("BOREALIS_TLS_BUNDLE", "")),
        extra_leaf_sha256=_list(environ.get("BOREALIS_PROXY_LEAF_SHA256", "").lower()),
        job_history_days=_whole(environ.get("BOREALIS_JOB_HISTORY_DAYS", ""), "BOREALIS_JOB_HISTORY_DAYS", 30),
        mfa_issuer=environ.get("BOREALIS_MFA_ISSUER") or "Borealis",
        agent_build=environ.get("BOREALIS_AGENT_BUILD", "").strip(),
        source_root=source_root,
        tunnel=load_tunnel_settings(environ),
        shells=load_shell_settings(environ),
    )


def _port(text: str) -> int:
    port = _whole(text, "BOREALIS_ENGINE_PORT", DEFAULT_PORT)
    if not 1 <= port <= 65535:
        raise Fatal("bad_setting", "BOREALIS_ENGINE_PORT is a port from 1 to 65535.")
    return port


def _whole(text: str, name: str, default: int) -> int:
    if not text:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise Fatal("bad_setting", f"{name} is a whole number, not {text!r}.") from error


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _path(text: str) -> Path | None:
    return Path(text).absolute() if text else None
