"""REST door: signing in and out, one's own password, second factor and sessions.

Times are Unix seconds (float). Everything here but ``me`` and the list of sessions needs a session cookie:
personal tokens must not change what people sign in with.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from borealis_engine.api.access import body_limit, operator, public
from borealis_engine.api.auth_middleware import Caller
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import (
    GivenCode,
    GivenPassword,
    Identity,
    NewPassword,
    OkAnswer,
    SignedInAnswer,
    UpstreamHash,
    identity_fields,
    make_session_cookie,
    plain_password,
    session_opened,
    user_agent,
)
from borealis_engine.api.services import Services
from borealis_engine.operators.models import SecondFactorNeeded, SessionRow
from borealis_engine.operators.permissions import Permission, Principal

MAX_BODY_BYTES: Final = 16 * 1024
_PUBLIC_LOGIN: Final = {
    **public("nobody has a session before signing in; guessing is slowed by name and by address"),
    **body_limit(MAX_BODY_BYTES),
}
_SELF: Final = {**operator(Permission.SELF), **body_limit(MAX_BODY_BYTES)}
_SessionId = Annotated[str, Parameter(max_length=64)]


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """User name and password."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    password: GivenPassword = ""
    password_sha512: UpstreamHash | msgspec.UnsetType = msgspec.UNSET


class MfaWanted(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="mfa_required"):
    """The password was right; send a code with ``pending_token`` to /api/auth/mfa/verify within 300 s.

    ``status`` is ``mfa_required``; ``stage`` is ``verify``, the only one there is (upstream-contract 8a).
    """

    pending_token: str
    username: str
    stage: str = "verify"


class MfaVerifyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that was wanted."""

    pending_token: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    code: GivenCode


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The current password and the new one."""

    current_password: GivenPassword
    new_password: NewPassword


class MfaSetupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The current password: an open browser alone sets up no second factor."""

    password: GivenPassword


class MfaOffer(msgspec.Struct, frozen=True):
    """What an authenticator app needs; it counts only after /api/auth/mfa/confirm."""

    secret: str
    otpauth_url: str


class MfaConfirmRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code made with the offered secret."""

    code: GivenCode


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Codes for when the app is lost; each works once, and they are shown once."""

    status: str
    recovery_codes: list[str]


class MfaDisableRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The current password and a code of the app, or a recovery code."""

    password: GivenPassword
    code: GivenCode


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in session; ``current`` marks the one that asks."""

    id: str
    created_at: float
    last_seen_at: float
    expires_at: float
    address: str
    user_agent: str
    current: bool


class SessionList(msgspec.Struct, frozen=True):
    """One's own valid sessions, newest use first."""

    sessions: list[SessionView]


class SessionsEnded(msgspec.Struct, frozen=True):
    """How many sessions ended."""

    status: str
    ended: int


@post("/api/auth/login", opt=_PUBLIC_LOGIN, status_code=200, responses=errors(401, 429), tags=["auth"])
async def login(
    request: Request[Any, Any, Any], services: Services, peer: str, data: LoginRequest
) -> Response[SignedInAnswer | MfaWanted]:
    """Sign in with user name and password. Unknown user and wrong password get the same answer."""
    password = plain_password(data.password, data.password_sha512)
    outcome = await services.operators.sign_in.login(data.username, password, peer=peer, user_agent=user_agent(request))
    if isinstance(outcome, SecondFactorNeeded):
        return Response(MfaWanted(pending_token=outcome.pending_token, username=outcome.username))
    return session_opened(outcome, services.settings.session_cookie)  # type: ignore[return-value]  # Response is invariant; the body is one of the two


@post("/api/auth/mfa/verify", opt=_PUBLIC_LOGIN, status_code=200, responses=errors(401, 429), tags=["auth"])
async def mfa_verify(
    request: Request[Any, Any, Any], services: Services, peer: str, data: MfaVerifyRequest
) -> Response[SignedInAnswer]:
    """Complete a sign-in with a code. A pending sign-in lives 300 s and five tries; a code works once."""
    session = await services.operators.sign_in.verify_second_factor(
        data.pending_token, data.code, peer=peer, user_agent=user_agent(request)
    )
    return session_opened(session, services.settings.session_cookie)


@post("/api/auth/logout", opt=operator(Permission.SELF), status_code=200, tags=["auth"])
async def logout(services: Services, principal: Principal, peer: str) -> Response[OkAnswer]:
    """End the session that asks, and make the browser forget its cookie."""
    await services.operators.sessions.logout(principal, peer=peer)
    return Response(OkAnswer(), cookies=[make_session_cookie(services.settings.session_cookie, "", 0)])


@get("/api/auth/me", opt=operator(Permission.SELF), tags=["auth"])
async def me(services: Services, principal: Principal, caller: Caller) -> Identity:
    """Who is calling, what they may do, and the csrf value of the session."""
    account = None
    if principal.operator_id is not None:
        account = await services.operators.accounts.get(principal.operator_id)
    return Identity(**identity_fields(principal, account, caller.csrf))


@post("/api/auth/password", opt=_SELF, status_code=200, responses=errors(429), tags=["auth"])
async def change_password(services: Services, principal: Principal, peer: str, data: PasswordChange) -> OkAnswer:
    """Change one's own password; ends one's other sessions."""
    await services.operators.sign_in.change_password(principal, data.current_password, data.new_password, peer=peer)
    return OkAnswer()


@post("/api/auth/mfa/setup", opt=_SELF, status_code=200, responses=errors(409, 429), tags=["auth"])
async def mfa_setup(services: Services, principal: Principal, peer: str, data: MfaSetupRequest) -> MfaOffer:
    """Ask for a secret for an authenticator app."""
    offer = await services.operators.sign_in.offer_second_factor(principal, data.password, peer=peer)
    return MfaOffer(offer.secret, offer.otpauth_url)


@post("/api/auth/mfa/confirm", opt=_SELF, status_code=200, responses=errors(409), tags=["auth"])
async def mfa_confirm(services: Services, principal: Principal, peer: str, data: MfaConfirmRequest) -> RecoveryCodes:
    """Turn the second factor on with a code made from the offered secret; ends one's other sessions."""
    return RecoveryCodes("ok", await services.operators.second_factor.confirm(principal, data.code, peer=peer))


@post("/api/auth/mfa/disable", opt=_SELF, status_code=200, responses=errors(409, 429), tags=["auth"])
async def mfa_disable(services: Services, principal: Principal, peer: str, data: MfaDisableRequest) -> OkAnswer:
    """Turn one's own second factor off."""
    await services.operators.sign_in.remove_second_factor(principal, data.password, data.code, peer=peer)
    return OkAnswer()


@get("/api/auth/sessions", opt=operator(Permission.SELF), tags=["auth"])
async def list_sessions(services: Services, principal: Principal) -> SessionList:
    """One's own sessions."""
    rows = await services.operators.sessions.list(principal)
    return SessionList([_session(row, principal) for row in rows])


@delete("/api/auth/sessions", opt=operator(Permission.SELF), status_code=200, tags=["auth"])
async def end_other_sessions(services: Services, principal: Principal, peer: str) -> SessionsEnded:
    """Sign out everywhere but here."""
    return SessionsEnded("ok", await services.operators.sessions.end_others(principal, peer=peer))


@delete(
    "/api/auth/sessions/{session_id:str}",
    opt=operator(Permission.SELF),
    status_code=200,
    responses=errors(404),
    tags=["auth"],
)
async def end_session(services: Services, principal: Principal, peer: str, session_id: _SessionId) -> OkAnswer:
    """End one of one's own sessions."""
    await services.operators.sessions.end(principal, session_id, peer=peer)
    return OkAnswer()


def _session(row: SessionRow, principal: Principal) -> SessionView:
    return SessionView(
        id=row.id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        address=row.address,
        user_agent=row.user_agent,
        current=principal.via == "session" and row.id == principal.credential_id,
    )


HANDLERS: list[HTTPRouteHandler] = [
    login,
    mfa_verify,
    logout,
    me,
    change_password,
    mfa_setup,
    mfa_confirm,
    mfa_disable,
    list_sessions,
    end_other_sessions,
    end_session,
]
