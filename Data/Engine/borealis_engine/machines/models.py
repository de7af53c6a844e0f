"""How a machine without an agent is reached, and how it is known again."""

from dataclasses import dataclass, field
from typing import Final

from borealis_engine.credentials.models import SSH, WINDOWS

CONNECTIONS: Final = ("ssh", "winrm", "psrp")
DEFAULT_PORTS: Final = {"ssh": 22, "winrm": 5986, "psrp": 5986}
PLAIN_PORT: Final = 5985
TLS_MODES: Final = ("ca", "pinned", "plain")
"""Known by an authority that the Engine's machine trusts; by a certificate that was given; not at all."""


@dataclass(frozen=True, slots=True)
class MachineTls:
    """How a Windows machine proves itself. ``certificate``: PEM, of itself or of its authority, for ``pinned``."""

    mode: str = "ca"
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a machine is, and how it is known. ``host_keys``: ``type base64``, of ssh, confirmed by a person."""

    kind: str
    address: str
    port: int
    host_keys: tuple[str, ...] = ()
    tls: MachineTls = field(default_factory=MachineTls)

    @property
    def endpoint(self) -> str:
        """For people, and upstream's ``connection_endpoint``."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def credential_kind(self) -> str:
        """Which kind of credential fits."""
        return SSH if self.kind == "ssh" else WINDOWS


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. ``connection`` is None where what is stored was altered behind the Engine's back."""

    guid: str
    connection: Connection | None
    credential_id: int | None = None


@dataclass(frozen=True, slots=True)
class ShownKey:
    """An ssh host key as a machine showed it: ``SHA256:…``, as ``ssh-keygen -l`` prints it on the machine itself."""

    type: str
    fingerprint: str
    key: str
