"""REST door: machines without an agent. They are devices besides: listed, moved and deleted as such."""

from typing import Annotated, Literal

import msgspec
from litestar import get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import UNSET, Meta, UnsetType

from borealis_engine.api.access import operator
from borealis_engine.api.device_views import DeviceView, device_view
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.devices import DeviceRecord
from borealis_engine.machines import Connection, Machine, MachineTls
from borealis_engine.machines.models import DEFAULT_PORTS, PLAIN_PORT
from borealis_engine.machines.service import shown_keys
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.limits import HOSTNAME_MAX

_Guid = Annotated[str, Parameter(max_length=64)]
_Id = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Port = Annotated[int, Meta(ge=1, le=65535)]
_Address = Annotated[str, Meta(min_length=1, max_length=255)]
Kind = Literal["ssh", "winrm", "psrp"]
TlsMode = Literal["ca", "pinned", "plain"]


class HostKeyView(msgspec.Struct, frozen=True):
    """A public ssh host key; ``fingerprint`` as ``ssh-keygen -l`` prints it on the machine itself."""

    type: str
    fingerprint: str
    key: str


class HostKeyQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to look."""

    address: _Address
    port: _Port = 22


class HostKeyAnswer(msgspec.Struct, frozen=True):
    """What is shown there now: to be compared by a person, believed by nobody."""

    keys: list[HostKeyView]


class ConnectionGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the Engine reaches a machine.

    ssh: ``host_key`` (the line of ``/etc/ssh/ssh_host_ed25519_key.pub``), or ``host_key_fingerprint`` (``SHA256:…``)
    of the key that it shows; one of them, for nobody is believed at first sight. winrm and psrp: ``tls`` is ``ca`` (an
    authority that the Engine's machine trusts), ``pinned`` with ``certificate`` (PEM), or ``plain``, without TLS.
    """

    type: Kind
    address: _Address
    port: _Port | None = None
    host_key: Annotated[str, Meta(max_length=8192)] = ""
    host_key_fingerprint: Annotated[str, Meta(max_length=64)] = ""
    tls: TlsMode = "ca"
    certificate: Annotated[str, Meta(max_length=64 * 1024)] = ""


class MachineGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine to add. ``credential_id``: what its runs use unless they say otherwise."""

    hostname: Annotated[str, Meta(max_length=HOSTNAME_MAX)]
    connection: ConnectionGiven
    description: Annotated[str, Meta(max_length=2000)] = ""
    site_id: _Id | None = None
    credential_id: _Id | None = None


class MachinePatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is absent stays. The connection is replaced as a whole. The rest is the device's."""

    connection: ConnectionGiven | UnsetType = UNSET
    credential_id: _Id | UnsetType | None = UNSET


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """How the Engine reaches a machine; ``host_keys`` are those that were confirmed."""

    type: Kind
    address: str
    port: int
    host_keys: list[HostKeyView]
    tls: TlsMode
    certificate: str


class MachineView(msgspec.Struct, frozen=True, kw_only=True):
    """A machine without an agent. ``connection`` null: what is stored cannot be read; enter it anew."""

    device: DeviceView
    connection: ConnectionView | None
    credential_id: int | None


@post(
    "/api/machines/host_key",
    opt=operator(Permission.MACHINES_EDIT),
    status_code=200,
    responses=errors(409, 503),
    tags=["machines"],
)
async def look_at_host_key(services: Services, principal: Principal, data: HostKeyQuestion) -> HostKeyAnswer:
    """Which ssh host keys are shown at an address now. Compare them on the machine itself before you confirm one."""
    del principal
    found = await services.machines.look(data.address, data.port)
    return HostKeyAnswer([HostKeyView(key.type, key.fingerprint, key.key) for key in found])


@post(
    "/api/machines",
    opt=operator(Permission.MACHINES_EDIT),
    status_code=201,
    responses=errors(404, 409, 503),
    tags=["machines"],
)
async def add_machine(services: Services, principal: Principal, peer: str, data: MachineGiven) -> MachineView:
    """Add a machine without an agent. An ssh host key that was not confirmed is refused."""
    record = await services.machines.add(
        principal,
        hostname=data.hostname,
        description=data.description,
        site_id=data.site_id,
        connection=_connection(data.connection),
        fingerprint=data.connection.host_key_fingerprint,
        credential_id=data.credential_id,
        address=peer,
    )
    return _view(services, *services.machines.find(principal, record.guid))


@get("/api/machines/{guid:str}", opt=operator(Permission.DEVICES_READ), responses=errors(404), tags=["machines"])
async def get_machine(services: Services, principal: Principal, guid: _Guid) -> MachineView:
    """How a machine without an agent is reached."""
    return _view(services, *services.machines.find(principal, guid))


@patch(
    "/api/machines/{guid:str}",
    opt=operator(Permission.MACHINES_EDIT),
    responses=errors(404, 409, 503),
    tags=["machines"],
)
async def change_machine(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: MachinePatch
) -> MachineView:
    """Give a machine another connection, confirm a new host key, or choose another credential for it."""
    given = None if data.connection is UNSET else data.connection
    record = await services.machines.change(
        principal,
        guid,
        connection=None if given is None else _connection(given),
        fingerprint="" if given is None else given.host_key_fingerprint,
        new_credential=data.credential_id is not UNSET,
        credential_id=None if data.credential_id is UNSET else data.credential_id,
        address=peer,
    )
    return _view(services, *services.machines.find(principal, record.guid))


def _connection(given: ConnectionGiven) -> Connection:
    windows = given.type != "ssh"
    port = given.port or (PLAIN_PORT if windows and given.tls == "plain" else DEFAULT_PORTS[given.type])
    return Connection(
        kind=given.type,
        address=given.address,
        port=port,
        host_keys=(given.host_key,) if given.host_key else (),
        tls=MachineTls(given.tls, given.certificate) if windows else MachineTls(),
    )


def _view(services: Services, record: DeviceRecord, machine: Machine) -> MachineView:
    found = machine.connection
    shown = None
    if found is not None:
        shown = ConnectionView(
            type=found.kind,  # type: ignore[arg-type]
            address=found.address,
            port=found.port,
            host_keys=[HostKeyView(key.type, key.fingerprint, key.key) for key in shown_keys(found)],
            tls=found.tls.mode,  # type: ignore[arg-type]
            certificate=found.tls.certificate,
        )
    return MachineView(
        device=device_view(services.devices, record), connection=shown, credential_id=machine.credential_id
    )


HANDLERS: list[HTTPRouteHandler] = [look_at_host_key, add_machine, get_machine, change_machine]
