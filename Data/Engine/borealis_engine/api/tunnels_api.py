"""REST door: tunnels to devices and their allow-lists, with upstream's paths and fields (upstream-contract 7.4)."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.devices import DeviceRecord
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.tunnel import SCRIPT_NAME, SCRIPT_TYPE, Lease, PortList
from borealis_wire.messages import agent_id
from borealis_wire.tunnel import join_endpoint, split_endpoint

_Name = Annotated[str, Meta(max_length=320)]
_AgentId = Annotated[str, Parameter(max_length=320)]
_TunnelId = Annotated[str, Parameter(max_length=64)]
_Port = Annotated[int, Meta(ge=1, le=65535)]


class TunnelConnect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``agent_id``: upstream's, ``<HOST>_<GUID>_SYSTEM``, or the GUID alone."""

    agent_id: _Name = ""


class TunnelView(msgspec.Struct, frozen=True):
    """A device's tunnel. While it is ``down``, only the first six members say something.

    ``agent_socket``: the device's SYSTEM agent is connected. ``supported``: it has offered a WireGuard key.
    ``unavailable``: why this Engine has no tunnels at all. ``operators``: who holds it. ``started_at``, ``last_used``
    and ``handshake`` in Unix seconds, the last one 0 before the first; ``received`` and ``sent`` are the Engine's
    bytes. ``detail``: what is wrong. Keys are public halves; the private ones leave neither machine.
    """

    status: Literal["up", "down"]
    agent_id: str
    guid: str
    hostname: str
    agent_socket: bool
    supported: bool
    unavailable: str = ""
    tunnel_id: str = ""
    virtual_ip: str = ""
    engine_virtual_ip: str = ""
    allowed_ips: str = ""
    endpoint: str = ""
    server_public_key: str = ""
    client_public_key: str = ""
    idle_seconds: int = 0
    allowed_ports: list[int] = []
    connected_operators: int = 0
    operators: list[str] = []
    started_by: str = ""
    started_at: float = 0.0
    last_used: float = 0.0
    handshake: int = 0
    received: int = 0
    sent: int = 0
    device_endpoint: str = ""
    detail: str = ""


class ActiveTunnels(msgspec.Struct, frozen=True):
    """The tunnels that are up, as far as the caller may see them."""

    count: int
    tunnels: list[TunnelView]


class TunnelEnded(msgspec.Struct, frozen=True):
    """``status`` is ``down``, or ``up`` where other operators hold the tunnel still: then ``operators`` names them."""

    status: Literal["up", "down"]
    guid: str
    operators: list[str]


class VpnConfig(msgspec.Struct, frozen=True):
    """Which ports of a device the Engine may reach. ``custom``: somebody set them; else they are the default.

    ``updated_at`` in Unix seconds, 0 for never.
    """

    agent_id: str
    guid: str
    hostname: str
    allowed_ports: list[int]
    default_ports: list[int]
    custom: bool
    updated_at: float
    updated_by: str


class VpnConfigEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``allowed_ports``: TCP, in any order; null for the default of the device's system."""

    allowed_ports: Annotated[list[_Port], Meta(max_length=64)] | None


class PastTunnel(msgspec.Struct, frozen=True):
    """A tunnel there is or was, in upstream's words. Times in Unix seconds, ``ended_at`` null while it is up."""

    id: int
    tunnel_id: str
    hostname: str
    script_name: str
    script_type: str
    status: Literal["Running", "Completed"]
    reason: str
    started_by: str
    started_at: float
    ended_at: float | None
    received: int
    sent: int


class TunnelHistory(msgspec.Struct, frozen=True):
    """Newest first, 200 at most."""

    tunnels: list[PastTunnel]


@post(
    "/api/tunnel/connect",
    opt=operator(Permission.TUNNELS_USE),
    status_code=200,
    responses=errors(404, 409),
    tags=["tunnels"],
)
async def connect_tunnel(
    request: Request[Any, Any, Any], services: Services, principal: Principal, peer: str, data: TunnelConnect
) -> TunnelView:
    """Bring a device's tunnel up, or share the one that is up. Answers once the device has brought up its end."""
    if not data.agent_id:
        raise Invalid("agent_id_required", "Send agent_id: the device's agent id, or its GUID.")
    host = _called_host(services, request.headers.get("host", ""))
    lease = await services.tunnels.connect(principal, data.agent_id, host=host, address=peer)
    return _view(services, services.tunnels.find(principal, lease.guid), lease)


@get("/api/tunnel/status", opt=operator(Permission.TUNNELS_USE), responses=errors(404), tags=["tunnels"])
async def tunnel_status(
    services: Services, principal: Principal, agent_id: _AgentId = "", bump: bool = False
) -> TunnelView:
    """A device's tunnel. ``bump`` says that it is in use, which puts its idle time off."""
    return _status(services, principal, agent_id, bump)


@get("/api/tunnel/connect/status", opt=operator(Permission.TUNNELS_USE), responses=errors(404), tags=["tunnels"])
async def tunnel_connect_status(
    services: Services, principal: Principal, agent_id: _AgentId = "", bump: bool = False
) -> TunnelView:
    """The same under upstream's other name."""
    return _status(services, principal, agent_id, bump)


@get("/api/tunnel/active", opt=operator(Permission.TUNNELS_USE), tags=["tunnels"])
async def active_tunnels(services: Services, principal: Principal) -> ActiveTunnels:
    """The tunnels that are up."""
    found = [
        _view(services, services.tunnels.find(principal, lease.guid), lease)
        for lease in services.tunnels.active(principal)
    ]
    return ActiveTunnels(len(found), found)


@get("/api/tunnel/history", opt=operator(Permission.TUNNELS_USE), responses=errors(404), tags=["tunnels"])
async def tunnel_history(services: Services, principal: Principal, agent_id: _AgentId = "") -> TunnelHistory:
    """The tunnels that a device has and had."""
    if not agent_id:
        raise Invalid("agent_id_required", "Name the device with agent_id: its agent id, or its GUID.")
    rows = await services.tunnels.history(principal, agent_id)
    return TunnelHistory(
        [
            PastTunnel(
                id=row.id,
                tunnel_id=row.tunnel_id,
                hostname=row.hostname,
                script_name=SCRIPT_NAME,
                script_type=SCRIPT_TYPE,
                status="Running" if row.ended_at is None else "Completed",
                reason=row.reason,
                started_by=row.started_by,
                started_at=row.started_at,
                ended_at=row.ended_at,
                received=row.received,
                sent=row.sent,
            )
            for row in rows
        ]
    )


@delete(
    "/api/tunnel/disconnect",
    opt=operator(Permission.TUNNELS_USE),
    status_code=200,
    responses=errors(404, 409),
    tags=["tunnels"],
)
async def disconnect_tunnel(  # noqa: PLR0917
    services: Services,
    principal: Principal,
    peer: str,
    agent_id: _AgentId = "",
    tunnel_id: _TunnelId = "",
    everybody: bool = False,
) -> TunnelEnded:
    """Let go of a tunnel, named by device or by its id. It ends with the last operator; ``everybody`` ends it now."""
    if not agent_id and not tunnel_id:
        raise Invalid("agent_id_required", "Name the device with agent_id, or the tunnel with tunnel_id.")
    guid, lease = await services.tunnels.disconnect(
        principal, name=agent_id, tunnel_id=tunnel_id, everybody=everybody, address=peer
    )
    return TunnelEnded("down" if lease is None else "up", guid, [] if lease is None else list(lease.operators))


@get(
    "/api/device/vpn_config/{agent_id:str}",
    opt=operator(Permission.TUNNELS_USE),
    responses=errors(404),
    tags=["tunnels"],
)
async def get_vpn_config(services: Services, principal: Principal, agent_id: _AgentId) -> VpnConfig:
    """Which ports of a device the Engine may reach in a tunnel."""
    record = services.tunnels.find(principal, agent_id)
    return _config(services, record, services.tunnels.ports(record))


@put(
    "/api/device/vpn_config/{agent_id:str}",
    opt=operator(Permission.DEVICES_EDIT),
    responses=errors(404),
    tags=["tunnels"],
)
async def set_vpn_config(
    services: Services, principal: Principal, peer: str, agent_id: _AgentId, data: VpnConfigEdit
) -> VpnConfig:
    """Other ports, in force at once at both ends; connections to a port that is closed by it are cut."""
    record, ports = await services.tunnels.set_ports(principal, agent_id, data.allowed_ports, address=peer)
    return _config(services, record, ports)


def _status(services: Services, principal: Principal, agent_id: str, bump: bool) -> TunnelView:
    if not agent_id:
        raise Invalid("agent_id_required", "Name the device with agent_id: its agent id, or its GUID.")
    record, lease = services.tunnels.status(principal, agent_id, bump=bump)
    return _view(services, record, lease)


def _view(services: Services, record: DeviceRecord, lease: Lease | None) -> TunnelView:
    tunnels = services.tunnels
    about: dict[str, Any] = {
        "status": "down" if lease is None else "up",
        "agent_id": agent_id(record.hostname, record.guid, "SYSTEM"),
        "guid": record.guid,
        "hostname": record.hostname,
        "agent_socket": tunnels.reachable(record.guid),
        "supported": tunnels.supported(record.guid),
        "unavailable": tunnels.unavailable,
    }
    if lease is None:
        return TunnelView(**about)
    order = tunnels.start_order(lease)
    same = ("tunnel_id", "virtual_ip", "engine_virtual_ip", "allowed_ips", "endpoint", "server_public_key")
    return TunnelView(
        **about,
        **{name: order[name] for name in (*same, "client_public_key", "idle_seconds", "allowed_ports")},
        connected_operators=len(lease.operators),
        operators=list(lease.operators),
        started_by=lease.started_by,
        started_at=lease.started_at,
        last_used=lease.last_used,
        handshake=lease.handshake,
        received=lease.received,
        sent=lease.sent,
        device_endpoint=lease.device_endpoint,
        detail=lease.detail,
    )


def _config(services: Services, record: DeviceRecord, ports: PortList) -> VpnConfig:
    return VpnConfig(
        agent_id=agent_id(record.hostname, record.guid, "SYSTEM"),
        guid=record.guid,
        hostname=record.hostname,
        allowed_ports=list(ports.ports),
        default_ports=services.settings.tunnel.default_ports(record.operating_system),
        custom=ports.custom,
        updated_at=ports.updated_at,
        updated_by=ports.updated_by,
    )


def _called_host(services: Services, header: str) -> str:
    """The host by which people reach the Engine, which devices call in its tunnels too."""
    host = urlsplit(services.settings.public_url or f"//{header}").hostname or "localhost"
    try:
        return split_endpoint(join_endpoint(host, services.settings.tunnel.port))[0]
    except ValueError:
        return "localhost"  # which an agent replaces with the address it knows its Engine by


HANDLERS: list[HTTPRouteHandler] = [
    connect_tunnel,
    tunnel_status,
    tunnel_connect_status,
    active_tunnels,
    tunnel_history,
    disconnect_tunnel,
    get_vpn_config,
    set_vpn_config,
]
