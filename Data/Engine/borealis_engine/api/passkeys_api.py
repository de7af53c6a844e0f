"""REST door: passkeys (WebAuthn). Times are Unix seconds (float).

``publicKey`` and ``credential`` are WebAuthn's own JSON: what ``PublicKeyCredential.parseCreationOptionsFromJSON``
and ``parseRequestOptionsFromJSON`` take, and what ``credential.toJSON()`` gives.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from borealis_engine.api.access import body_limit, operator, public
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import (
    GivenPassword,
    OkAnswer,
    SignedInAnswer,
    session_opened,
    user_agent,
)
from borealis_engine.api.services import Services
from borealis_engine.operators.models import PasskeyRow
from borealis_engine.operators.permissions import Permission, Principal

MAX_BODY_BYTES: Final = 64 * 1024
_SELF: Final = {**operator(Permission.SELF), **body_limit(MAX_BODY_BYTES)}
_PUBLIC: Final = {
    **public("nobody has a session before signing in; a passkey proves itself, and failures are counted by address"),
    **body_limit(MAX_BODY_BYTES),
}
_Id = Annotated[str, Parameter(max_length=64)]
_Name = Annotated[str, msgspec.Meta(max_length=256)]


class PasskeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey. ``backed_up``: it is synchronised between devices. ``aaguid`` tells its make, where it says so."""

    id: str
    name: str
    created_at: float
    last_used_at: float | None
    backed_up: bool
    aaguid: str


class PasskeyList(msgspec.Struct, frozen=True):
    """One's own passkeys, oldest first."""

    passkeys: list[PasskeyView]


class PasskeyOptionsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The current password: an open browser alone makes no passkey."""

    password: GivenPassword


class PasskeyOptions(msgspec.Struct, frozen=True, rename={"public_key": "publicKey"}):
    """Options for the browser; their challenge is good for 300 s, once."""

    public_key: dict[str, Any]


class NewPasskeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the browser made, and what to call it."""

    credential: dict[str, Any]
    name: _Name


class PasskeyRename(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another name."""

    name: _Name


class PasskeyLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the browser answered."""

    credential: dict[str, Any]


@get("/api/auth/passkeys", opt=operator(Permission.SELF), tags=["auth"])
async def list_passkeys(services: Services, principal: Principal) -> PasskeyList:
    """One's own passkeys."""
    return PasskeyList([_view(row) for row in await services.operators.passkeys.list(principal)])


@post("/api/auth/passkeys/register/options", opt=_SELF, status_code=200, responses=errors(409, 429), tags=["auth"])
async def passkey_register_options(
    services: Services, principal: Principal, peer: str, data: PasskeyOptionsRequest
) -> PasskeyOptions:
    """What a browser needs to make a passkey."""
    return PasskeyOptions(await services.operators.passkeys.offer(principal, data.password, peer=peer))


@post("/api/auth/passkeys/register/verify", opt=_SELF, status_code=201, responses=errors(409), tags=["auth"])
async def passkey_register_verify(
    services: Services, principal: Principal, peer: str, data: NewPasskeyRequest
) -> PasskeyView:
    """Keep the passkey that the browser made, in the session that asked for the options."""
    return _view(await services.operators.passkeys.add(principal, data.credential, name=data.name, peer=peer))


@post("/api/auth/passkeys/authenticate/options", opt=_PUBLIC, status_code=200, responses=errors(409), tags=["auth"])
async def passkey_login_options(services: Services) -> PasskeyOptions:
    """What a browser needs to sign in with a passkey. It asks for no user name, so nobody learns who exists."""
    return PasskeyOptions(services.operators.passkeys.options())


@post(
    "/api/auth/passkeys/authenticate/verify",
    opt=_PUBLIC,
    status_code=200,
    responses=errors(401, 409, 429),
    tags=["auth"],
)
async def passkey_login_verify(
    request: Request[Any, Any, Any], services: Services, peer: str, data: PasskeyLogin
) -> Response[SignedInAnswer]:
    """Sign in with a passkey; it stands for password and second factor, because it has verified its holder."""
    session = await services.operators.passkeys.login(data.credential, peer=peer, user_agent=user_agent(request))
    return session_opened(session, services.settings.session_cookie)


@patch("/api/auth/passkeys/{passkey_id:str}", opt=_SELF, responses=errors(404), tags=["auth"])
async def rename_passkey(
    services: Services, principal: Principal, peer: str, passkey_id: _Id, data: PasskeyRename
) -> PasskeyView:
    """Call one of one's own passkeys something else."""
    return _view(await services.operators.passkeys.rename(principal, passkey_id, data.name, peer=peer))


@delete(
    "/api/auth/passkeys/{passkey_id:str}",
    opt=operator(Permission.SELF),
    status_code=200,
    responses=errors(404),
    tags=["auth"],
)
async def delete_passkey(services: Services, principal: Principal, peer: str, passkey_id: _Id) -> OkAnswer:
    """Delete one of one's own passkeys."""
    await services.operators.passkeys.delete(principal, passkey_id, peer=peer)
    return OkAnswer()


def _view(row: PasskeyRow) -> PasskeyView:
    return PasskeyView(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        backed_up=row.backed_up,
        aaguid=row.aaguid,
    )


HANDLERS: list[HTTPRouteHandler] = [
    list_passkeys,
    passkey_register_options,
    passkey_register_verify,
    passkey_login_options,
    passkey_login_verify,
    rename_passkey,
    delete_passkey,
]
