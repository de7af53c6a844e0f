"""REST door: accounts of operators, for Admins who see all sites. Paths are upstream's (upstream-contract 8b)."""

from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from borealis_engine.api.access import body_limit, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import (
    DisplayName,
    NewPassword,
    NewUsername,
    OkAnswer,
    SiteIds,
    UpstreamHash,
    plain_password,
)
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.operators.models import Account
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal

MAX_BODY_BYTES: Final = 256 * 1024
_MANAGE: Final = {**operator(Permission.OPERATORS_MANAGE), **body_limit(MAX_BODY_BYTES)}
_Username = Annotated[str, Parameter(max_length=64, description="Case does not matter.")]


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """One operator. ``sites`` is null where all sites are allowed."""

    id: int
    username: str
    display_name: str
    role: OperatorRole
    sites: list[int] | None
    disabled: bool
    mfa_enabled: bool
    created_at: float
    last_login: float | None


class UserList(msgspec.Struct, frozen=True):
    """All operators by name."""

    users: list[UserView]


class UserRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new operator. ``sites`` null or absent: all sites."""

    username: NewUsername
    password: NewPassword = ""
    role: OperatorRole
    display_name: DisplayName = ""
    sites: SiteIds | None = None
    password_sha512: UpstreamHash | msgspec.UnsetType = msgspec.UNSET


class RoleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another role."""

    role: OperatorRole


class SitesRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sites an operator is limited to; null lifts the limit, an empty list shows nothing."""

    sites: SiteIds | None


class DisabledRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bar somebody from signing in, or let them in again."""

    disabled: bool


class PasswordRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new password for somebody who lost theirs."""

    password: NewPassword = ""
    password_sha512: UpstreamHash | msgspec.UnsetType = msgspec.UNSET


class MfaRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``enabled`` false takes the second factor away; only its owner can set one up."""

    enabled: bool = False


@get("/api/users", opt=operator(Permission.OPERATORS_MANAGE), tags=["users"])
async def list_users(services: Services, principal: Principal) -> UserList:
    """All operators."""
    return UserList([_view(account) for account in await services.operators.accounts.list(principal)])


@post("/api/users", opt=_MANAGE, status_code=201, responses=errors(404, 409), tags=["users"])
async def create_user(services: Services, principal: Principal, peer: str, data: UserRequest) -> UserView:
    """Make an account."""
    account = await services.operators.accounts.create(
        principal,
        username=data.username,
        password=plain_password(data.password, data.password_sha512),
        role=data.role,
        display_name=data.display_name,
        sites=_sites(data.sites),
        peer=peer,
    )
    return _view(account)


@delete("/api/users/{username:str}", opt=_MANAGE, status_code=200, responses=errors(404, 409), tags=["users"])
async def delete_user(services: Services, principal: Principal, peer: str, username: _Username) -> OkAnswer:
    """Remove an account with its sessions and tokens; not the last Admin, and not one's own."""
    await services.operators.accounts.delete(principal, username, peer=peer)
    await services.saved.forget(username)
    return OkAnswer()


@post("/api/users/{username:str}/role", opt=_MANAGE, status_code=200, responses=errors(404, 409), tags=["users"])
async def set_user_role(
    services: Services, principal: Principal, peer: str, username: _Username, data: RoleRequest
) -> UserView:
    """Give another role; counts at once."""
    return _view(await services.operators.accounts.set_role(principal, username, data.role, peer=peer))


@post("/api/users/{username:str}/sites", opt=_MANAGE, status_code=200, responses=errors(404, 409), tags=["users"])
async def set_user_sites(
    services: Services, principal: Principal, peer: str, username: _Username, data: SitesRequest
) -> UserView:
    """Limit an account to sites, or lift the limit; counts at once."""
    return _view(await services.operators.accounts.set_sites(principal, username, _sites(data.sites), peer=peer))


@post("/api/users/{username:str}/disabled", opt=_MANAGE, status_code=200, responses=errors(404, 409), tags=["users"])
async def set_user_disabled(
    services: Services, principal: Principal, peer: str, username: _Username, data: DisabledRequest
) -> UserView:
    """Bar an account, which ends its sessions, or let it in again."""
    return _view(await services.operators.accounts.set_disabled(principal, username, data.disabled, peer=peer))


@post(
    "/api/users/{username:str}/reset_password", opt=_MANAGE, status_code=200, responses=errors(404, 409), tags=["users"]
)
async def reset_user_password(
    services: Services, principal: Principal, peer: str, username: _Username, data: PasswordRequest
) -> UserView:
    """Give somebody else a new password; ends their sessions and personal tokens."""
    password = plain_password(data.password, data.password_sha512)
    return _view(await services.operators.accounts.reset_password(principal, username, password, peer=peer))


@post("/api/users/{username:str}/mfa", opt=_MANAGE, status_code=200, responses=errors(404, 409), tags=["users"])
async def reset_user_mfa(
    services: Services, principal: Principal, peer: str, username: _Username, data: MfaRequest
) -> UserView:
    """Take away the second factor of somebody who lost it; ends their sessions."""
    if data.enabled:
        raise Invalid("mfa_by_owner_only", "A second factor is set up by its owner, at /api/auth/mfa/setup.")
    return _view(await services.operators.accounts.reset_second_factor(principal, username, peer=peer))


def _sites(given: list[int] | None) -> frozenset[int] | None:
    return None if given is None else frozenset(given)


def _view(account: Account) -> UserView:
    return UserView(
        id=account.id,
        username=account.username,
        display_name=account.display_name,
        role=account.role,
        sites=None if account.sites is None else sorted(account.sites),
        disabled=account.disabled,
        mfa_enabled=account.mfa_enabled,
        created_at=account.created_at,
        last_login=account.last_login,
    )


HANDLERS: list[HTTPRouteHandler] = [
    list_users,
    create_user,
    delete_user,
    set_user_role,
    set_user_sites,
    set_user_disabled,
    reset_user_password,
    reset_user_mfa,
]
