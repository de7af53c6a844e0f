"""Settings of the tunnels (upstream-contract 7.1), read with all the others."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_engine.core.errors import Fatal

SHELL_PORT: Final = 47002
DESKTOP_PORT: Final = 5900
FILES_PORT: Final = 47003
FORWARD_PORT: Final = 47004
RDP_PORT: Final = 3389
MOST_RDP_SESSIONS: Final = 8
"""On this Engine at a time: each takes about 110 MB of its machine's memory."""
MIN_IDLE_SECONDS: Final = 10
"""Upstream's least is 60; a test should not have to wait that long."""
_WINDOWS: Final = (5985, 5986, 3478)
_OTHERS: Final = (3478,)
_ADDRESS: Final = ipaddress.IPv4Address("10.255.0.1")
_NETWORK: Final = ipaddress.IPv4Network("10.255.0.0/16")
"""Upstream's is a /24, which is full with 253 devices."""


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """How this Engine does tunnels.

    ``port`` is UDP; ``network`` is where devices get their addresses from; ``endpoint`` is the host or address that
    devices call, empty for the one that operators reach the Engine by; ``interface`` is unique on the machine;
    ``local``: the agent on this machine is reached over loopback.
    """

    port: int = 30000
    engine_address: ipaddress.IPv4Address = _ADDRESS
    network: ipaddress.IPv4Network = _NETWORK
    interface: str = "borealis-wg"
    endpoint: str = ""
    idle_seconds: int = 900
    shell_port: int = SHELL_PORT
    desktop_port: int = DESKTOP_PORT
    files_port: int = FILES_PORT
    forward_port: int = FORWARD_PORT
    rdp_port: int = RDP_PORT
    rdp_sessions: int = MOST_RDP_SESSIONS
    windows_ports: tuple[int, ...] = ()
    """Set by somebody; empty for the default."""
    key_root: Path | None = None
    local: bool = False

    def default_ports(self, operating_system: str) -> list[int]:
        """What a device's allow-list is before somebody sets one."""
        is_windows = "windows" in operating_system.lower()
        if is_windows and self.windows_ports:
            return sorted(set(self.windows_ports))
        entries = (self.shell_port, self.desktop_port, self.files_port, self.forward_port, self.rdp_port)
        return sorted({*(_WINDOWS if is_windows else _OTHERS), *entries})

    def in_force(self) -> dict[str, str]:
        """As ``EngineSettings.in_force``."""
        return {
            "BOREALIS_WIREGUARD_PORT": str(self.port),
            "BOREALIS_WIREGUARD_ENGINE_VIRTUAL_IP": str(self.engine_address),
            "BOREALIS_WIREGUARD_PEER_NETWORK": str(self.network),
            "BOREALIS_WIREGUARD_INTERFACE": self.interface,
            "BOREALIS_WIREGUARD_ENDPOINT": self.endpoint,
            "BOREALIS_WIREGUARD_IDLE_SECONDS": str(self.idle_seconds),
            "BOREALIS_WIREGUARD_SHELL_PORT": str(self.shell_port),
            "BOREALIS_WIREGUARD_WINDOWS_ALLOWLIST": ", ".join(map(str, self.default_ports("windows"))),
            "BOREALIS_DESKTOP_PORT": str(self.desktop_port),
            "BOREALIS_FILES_PORT": str(self.files_port),
            "BOREALIS_FORWARD_PORT": str(self.forward_port),
            "BOREALIS_RDP_PORT": str(self.rdp_port),
            "BOREALIS_RDP_SESSIONS": str(self.rdp_sessions),
            "BOREALIS_TUNNEL_LOCAL": "1" if self.local else "",
            "BOREALIS_WIREGUARD_KEY_ROOT": str(self.key_root or ""),
        }


def load_tunnel_settings(environ: Mapping[str, str]) -> TunnelSettings:
    """Read them.

    Raises:
        Fatal: a value that cannot be used, named in the sentence.
    """
    plain = TunnelSettings()
    name = "BOREALIS_WIREGUARD_"
    try:
        network = ipaddress.IPv4Network(environ.get(f"{name}PEER_NETWORK") or plain.network)
        given = environ.get(f"{name}ENGINE_VIRTUAL_IP") or str(plain.engine_address)
        address = ipaddress.IPv4Address(given.removesuffix("/32"))
    except ValueError as error:
        raise Fatal("bad_setting", f"{name}PEER_NETWORK or {name}ENGINE_VIRTUAL_IP: {error}.") from error
    if address not in network or network.num_addresses < 4 or not network.is_private:
        raise Fatal(
            "bad_setting",
            f"{name}PEER_NETWORK is a private network of four addresses or more; {name}ENGINE_VIRTUAL_IP is in it.",
        )
    return TunnelSettings(
        port=_number(environ, f"{name}PORT", plain.port, 1, 65535),
        engine_address=address,
        network=network,
        interface=environ.get(f"{name}INTERFACE") or plain.interface,
        endpoint=environ.get(f"{name}ENDPOINT", "").strip(),
        idle_seconds=_number(environ, f"{name}IDLE_SECONDS", plain.idle_seconds, MIN_IDLE_SECONDS, 24 * 3600),
        shell_port=_number(environ, f"{name}SHELL_PORT", plain.shell_port, 1, 65535),
        windows_ports=_ports(environ.get(f"{name}WINDOWS_ALLOWLIST", "")),
        desktop_port=_number(environ, "BOREALIS_DESKTOP_PORT", plain.desktop_port, 1, 65535),
        files_port=_number(environ, "BOREALIS_FILES_PORT", plain.files_port, 1, 65535),
        forward_port=_number(environ, "BOREALIS_FORWARD_PORT", plain.forward_port, 1, 65535),
        rdp_port=_number(environ, "BOREALIS_RDP_PORT", plain.rdp_port, 1, 65535),
        rdp_sessions=_number(environ, "BOREALIS_RDP_SESSIONS", plain.rdp_sessions, 0, 256),
        local=environ.get("BOREALIS_TUNNEL_LOCAL") == "1",
        key_root=Path(environ[f"{name}KEY_ROOT"]).absolute() if environ.get(f"{name}KEY_ROOT") else None,
    )


def _number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or not low <= int(text) <= high:
        raise Fatal("bad_setting", f"{name} is a whole number from {low} to {high}, not {text!r}.")
    return int(text)


def _ports(text: str) -> tuple[int, ...]:
    listed = [item.strip() for item in text.split(",") if item.strip()]
    if not all(item.isdecimal() and 1 <= int(item) <= 65535 for item in listed):
        raise Fatal("bad_setting", "BOREALIS_WIREGUARD_WINDOWS_ALLOWLIST is a list of ports, with commas between them.")
    return tuple(int(item) for item in listed)
