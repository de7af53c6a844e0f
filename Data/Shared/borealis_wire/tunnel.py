"""Tunnel orders: ``vpn_tunnel_start`` and ``vpn_tunnel_stop`` (upstream-contract 7), to bytes and back.

Shape only, like ``orders``; but a start order that could lead more into the tunnel than one address on each side has
no shape here: both ends are single private IPv4 addresses, and the only allowed address is the Engine's.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from borealis_wire import base64s, strict_json
from borealis_wire.limits import KIB
from borealis_wire.members import malformed, object_of, text_of, times_of, whole_of

TUNNEL_ORDER_SECONDS: Final = 60
"""How long an order may be begun: somebody waits for the tunnel."""
KEEPALIVE_SECONDS: Final = 30
MIN_IDLE_SECONDS: Final = 10
MAX_IDLE_SECONDS: Final = 24 * 3600
MAX_ALLOWED_PORTS: Final = 64
MAX_ORDER_BYTES: Final = 8 * KIB
_MAX_NAME: Final = 512


class TunnelEnd(StrEnum):
    """Why a tunnel ends; the first four are upstream's words."""

    OPERATOR_STOP = "operator_stop"
    IDLE_TIMEOUT = "idle_timeout"
    SERVER_STOP = "server_stop"
    AGENT_SHUTDOWN = "agent_shutdown"
    DEVICE_NOT_ACTIVE = "device_not_active"
    REPLACED = "replaced"
    KEY_CHANGED = "key_changed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TunnelStart:
    """Bring the tunnel up. Fields are upstream's, without any private key.

    ``order_id`` is this order's own, for replay; ``tunnel_id`` stays as long as the tunnel does: an order about the
    one that is up changes its ports. ``keepalive`` and ``idle_seconds`` in seconds, times in Unix seconds.
    """

    order_id: str
    device_guid: str
    agent_id: str
    tunnel_id: str
    virtual_ip: str
    engine_virtual_ip: str
    allowed_ips: str
    endpoint: str
    server_public_key: str
    client_public_key: str
    allowed_ports: tuple[int, ...]
    idle_seconds: int
    issued_at: float
    expires_at: float
    keepalive: int = KEEPALIVE_SECONDS
    connected_operators: int = 1

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; reads back with :func:`parse_tunnel`."""
        return {"action": "start", **asdict(self), "allowed_ports": list(self.allowed_ports)}

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(self.to_json())

    @property
    def run_id(self) -> str:
        """What the journal knows it by."""
        return self.order_id

    @property
    def job_id(self) -> str:
        """What the journal calls its kind."""
        return "tunnel"

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it this tunnel and no other."""
        return (self.tunnel_id, self.virtual_ip, self.engine_virtual_ip, self.server_public_key, self.client_public_key)


@dataclass(frozen=True, slots=True)
class TunnelStop:
    """Take the tunnel down. ``reason`` is one of :class:`TunnelEnd`, or a word of a newer Engine's."""

    order_id: str
    device_guid: str
    agent_id: str
    tunnel_id: str
    reason: str
    issued_at: float
    expires_at: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; reads back with :func:`parse_tunnel`."""
        return {"action": "stop", **asdict(self)}

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(self.to_json())

    @property
    def run_id(self) -> str:
        """What the journal knows it by."""
        return self.order_id

    @property
    def job_id(self) -> str:
        """What the journal calls its kind."""
        return "tunnel"


_STOP: Final = frozenset(
    {"action", "order_id", "device_guid", "agent_id", "tunnel_id", "reason", "issued_at", "expires_at"}
)
_START: Final = (_STOP - {"reason"}) | {
    "virtual_ip",
    "engine_virtual_ip",
    "allowed_ips",
    "endpoint",
    "server_public_key",
    "client_public_key",
    "allowed_ports",
    "idle_seconds",
    "keepalive",
    "connected_operators",
}


def parse_tunnel(payload: bytes) -> TunnelStart | TunnelStop:
    """Read a tunnel order.

    Raises:
        Refused: ``malformed``; also where it would lead more than one private address into the tunnel.
    """
    value = object_of(payload, max_bytes=MAX_ORDER_BYTES)
    members = {"start": _START, "stop": _STOP}.get(str(value.get("action")))
    if members is None or set(value) != members:
        # A member we do not know may carry a condition we would break by ignoring it.
        raise malformed("a tunnel order has members that are not known, or lacks some")
    issued_at, expires_at = times_of(value)
    common: dict[str, Any] = {
        **{name: _text(value, name) for name in ("order_id", "device_guid", "agent_id", "tunnel_id")},
        "issued_at": issued_at,
        "expires_at": expires_at,
    }
    if value["action"] == "stop":
        return TunnelStop(reason=_text(value, "reason"), **common)
    return _start(value, common)


def split_endpoint(text: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[address]:port``.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif ":" in host:
        raise ValueError("an IPv6 address is written in brackets")
    if not colon or not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError("an endpoint is host:port")
    if not all(char.isascii() and (char.isalnum() or char in "-._:") for char in host) or host.startswith("-"):
        raise ValueError("an endpoint's host is a name or an address")
    return host, int(port)


def join_endpoint(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _start(value: Mapping[str, Any], common: dict[str, Any]) -> TunnelStart:
    virtual_ip, engine_ip = (
        _text(value, "virtual_ip"),
        _text(value, "engine_virtual_ip"),
    )
    if not virtual_ip.endswith("/32"):
        raise malformed("virtual_ip is one address, a.b.c.d/32")
    own, engine = _private_address(virtual_ip.removesuffix("/32")), _private_address(engine_ip)
    if own == engine:
        raise malformed("both ends have the same address")
    if _text(value, "allowed_ips") != f"{engine}/32":
        raise malformed("allowed_ips is the Engine's address and nothing else")
    try:
        split_endpoint(_text(value, "endpoint"))
    except ValueError as error:
        raise malformed(str(error)) from error
    ports = value["allowed_ports"]
    if not isinstance(ports, list) or len(ports) > MAX_ALLOWED_PORTS:
        raise malformed(f"allowed_ports is a list of at most {MAX_ALLOWED_PORTS} ports")
    if not all(isinstance(port, int) and not isinstance(port, bool) and 1 <= port <= 65535 for port in ports):
        raise malformed("a port is a whole number from 1 to 65535")
    if ports != sorted(set(ports)):
        raise malformed("allowed_ports are in order, each once")
    return TunnelStart(
        virtual_ip=virtual_ip,
        engine_virtual_ip=engine_ip,
        allowed_ips=f"{engine}/32",
        endpoint=value["endpoint"],
        server_public_key=_key(value, "server_public_key"),
        client_public_key=_key(value, "client_public_key"),
        allowed_ports=tuple(ports),
        idle_seconds=whole_of(value, "idle_seconds", MIN_IDLE_SECONDS, MAX_IDLE_SECONDS),
        keepalive=whole_of(value, "keepalive", 1, 3600),
        connected_operators=whole_of(value, "connected_operators", 0, 10_000),
        **common,
    )


def _private_address(text: str) -> ipaddress.IPv4Address:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise malformed("an address of the tunnel is an IPv4 address") from error
    if not address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified:
        # A public one, or the machine's own loopback, would be taken away from what it belongs to.
        raise malformed("an address of the tunnel is a private one (RFC 1918)")
    return address


def _key(members: Mapping[str, Any], name: str) -> str:
    text = _text(members, name)
    try:
        raw = base64s.decode(text)
    except ValueError as error:
        raise malformed(f"{name} is a key in base64") from error
    if len(raw) != 32 or base64s.encode(raw) != text:
        raise malformed(f"{name} is 32 bytes in base64")
    return text


def _text(members: Mapping[str, Any], name: str) -> str:
    return text_of(members, name, most=_MAX_NAME)
