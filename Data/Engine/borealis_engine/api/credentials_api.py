"""REST door: stored credentials. Secrets go in here and never come out. Times are Unix seconds (float)."""

from typing import Annotated, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import UNSET, Meta, UnsetType

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.credentials import BecomeSecret, Credential, CredentialSecret, NewCredential
from borealis_engine.operators.permissions import Permission, Principal

_Number = Annotated[int, Parameter(ge=1, le=2**31 - 1)]
_SiteId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Name = Annotated[str, Meta(max_length=128)]
_Description = Annotated[str, Meta(max_length=2000)]
_Secret = Annotated[str, Meta(max_length=1024)]


class CredentialView(msgspec.Struct, frozen=True, kw_only=True):
    """A credential without its secret. ``secret_kind`` is ``key`` or ``password``; ``site_id`` null: of all sites."""

    id: int
    name: str
    description: str
    kind: Literal["ssh", "windows"]
    site_id: int | None
    username: str
    secret_kind: Literal["key", "password"]
    key_fingerprint: str
    transport: str
    become_method: str
    become_username: str
    created_by: str
    created_at: float
    updated_at: float
    used_at: float | None


class CredentialList(msgspec.Struct, frozen=True):
    """Credentials by name."""

    credentials: list[CredentialView]


class BecomeGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How rights are raised on the machine: sudo, su, doas or runas."""

    method: Literal["sudo", "su", "doas", "runas"]
    username: _Secret = ""
    password: _Secret = ""


class SecretGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole secret: a password, or an ssh private key with its passphrase, if it has one. Never given out again.

    ``transport``, of Windows: ``ntlm`` if absent, or ``basic``.
    """

    username: _Secret
    password: _Secret = ""
    private_key: Annotated[str, Meta(max_length=32 * 1024)] = ""
    passphrase: _Secret = ""
    transport: Literal["", "ntlm", "basic"] = ""
    become: BecomeGiven | None = None


class CredentialGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A credential to keep; ``site_id`` null: for machines of all sites."""

    name: _Name
    kind: Literal["ssh", "windows"]
    secret: SecretGiven
    description: _Description = ""
    site_id: _SiteId | None = None


class CredentialPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is absent stays. A secret is replaced as a whole."""

    name: _Name | UnsetType = UNSET
    description: _Description | UnsetType = UNSET
    site_id: _SiteId | UnsetType | None = UNSET
    secret: SecretGiven | UnsetType = UNSET


class CredentialDone(msgspec.Struct, frozen=True):
    """It was done."""

    status: Literal["deleted"]


@get("/api/credentials", opt=operator(Permission.CREDENTIALS_USE), tags=["credentials"])
async def list_credentials(services: Services, principal: Principal) -> CredentialList:
    """Credentials that the caller may use on machines they see, by name."""
    return CredentialList([_view(found) for found in await services.credentials.list(principal)])


@post(
    "/api/credentials",
    opt=operator(Permission.CREDENTIALS_MANAGE),
    status_code=201,
    responses=errors(404, 409),
    tags=["credentials"],
)
async def create_credential(
    services: Services, principal: Principal, peer: str, data: CredentialGiven
) -> CredentialView:
    """Keep a credential, sealed with a key that is in no database."""
    if data.site_id is not None:
        services.devices.sites.get(principal, data.site_id)
    new = NewCredential(
        name=data.name,
        kind=data.kind,
        secret=_secret(data.kind, data.secret),
        description=data.description,
        site_id=data.site_id,
    )
    return _view(await services.credentials.create(principal, new, address=peer))


@patch(
    "/api/credentials/{credential_id:int}",
    opt=operator(Permission.CREDENTIALS_MANAGE),
    responses=errors(404, 409),
    tags=["credentials"],
)
async def change_credential(
    services: Services, principal: Principal, peer: str, credential_id: _Number, data: CredentialPatch
) -> CredentialView:
    """Rename, describe or move a credential, or replace its secret. Runs that begin later use the new one."""
    before = await services.credentials.get(principal, credential_id)
    if isinstance(data.site_id, int):
        services.devices.sites.get(principal, data.site_id)
    changed = await services.credentials.change(
        principal,
        credential_id,
        name=None if data.name is UNSET else data.name,
        description=None if data.description is UNSET else data.description,
        move=data.site_id is not UNSET,
        site_id=None if data.site_id is UNSET else data.site_id,
        secret=None if data.secret is UNSET else _secret(before.kind, data.secret),
        address=peer,
    )
    return _view(changed)


@delete(
    "/api/credentials/{credential_id:int}",
    opt=operator(Permission.CREDENTIALS_MANAGE),
    status_code=200,
    responses=errors(404, 409),
    tags=["credentials"],
)
async def delete_credential(
    services: Services, principal: Principal, peer: str, credential_id: _Number
) -> CredentialDone:
    """Forget a credential; refused while runs under way use it."""
    await services.credentials.delete(principal, credential_id, address=peer)
    return CredentialDone("deleted")


def _secret(kind: str, given: SecretGiven) -> CredentialSecret:
    become = given.become
    return CredentialSecret(
        username=given.username,
        password=given.password,
        private_key=given.private_key,
        passphrase=given.passphrase,
        transport=given.transport or ("ntlm" if kind == "windows" else ""),
        become=BecomeSecret() if become is None else BecomeSecret(become.method, become.username, become.password),
    )


def _view(found: Credential) -> CredentialView:
    members = {name: getattr(found, name) for name in CredentialView.__struct_fields__}
    return CredentialView(**members)


HANDLERS: list[HTTPRouteHandler] = [list_credentials, create_credential, change_credential, delete_credential]
