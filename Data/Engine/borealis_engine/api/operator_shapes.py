"""Request and response shapes that several REST doors for people share, and the session cookie.

May be used by: setup_api, auth_api, tokens_api, users_api. Decides nothing about rights.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie

from borealis_engine.core.errors import Invalid
from borealis_engine.operators.accounts import USERNAME_PATTERN
from borealis_engine.operators.models import OWNER_NAME, Account, NewSession
from borealis_engine.operators.passwords import MAX_LENGTH, MIN_LENGTH
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal

MAX_SITES: Final = 10_000
MAX_SITE_ID: Final = 2**31 - 1
MAX_PASSWORD_HASH: Final = 256

NewUsername = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=64,
        pattern=USERNAME_PATTERN,
        description="Letters, digits, dots, dashes, underscores or @; begins with a letter or digit.",
    ),
]
NewPassword = Annotated[
    str,
    msgspec.Meta(max_length=MAX_LENGTH, description=f"At least {MIN_LENGTH} characters; a sentence works well."),
]
GivenPassword = Annotated[str, msgspec.Meta(max_length=MAX_LENGTH)]
DisplayName = Annotated[str, msgspec.Meta(max_length=128)]
GivenCode = Annotated[
    str, msgspec.Meta(min_length=1, max_length=64, description="Six digits of the app, or a recovery code.")
]
UpstreamHash = Annotated[
    str,
    msgspec.Meta(
        max_length=MAX_PASSWORD_HASH,
        description="Refused: a hash that signs in is itself a password. Send `password` over TLS.",
    ),
]
SiteIds = Annotated[
    list[Annotated[int, msgspec.Meta(ge=1, le=MAX_SITE_ID)]],
    msgspec.Meta(max_length=MAX_SITES, description="Site ids; null for all sites, empty for none."),
]


class OkAnswer(msgspec.Struct, frozen=True):
    """It was done. ``status`` is ``ok``."""

    status: str = "ok"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling and what they may do.

    ``sites`` is null for all sites. ``csrf`` goes into the header X-Borealis-CSRF of everything that changes
    something; it is empty where no cookie is used. ``via``: ``session``, ``token`` or ``owner``.
    """

    username: str
    display_name: str
    role: OperatorRole
    sites: list[int] | None
    permissions: list[Permission]
    mfa_enabled: bool
    csrf: str
    via: str


class SignedInAnswer(Identity, frozen=True, kw_only=True, tag_field="status", tag="ok"):
    """A session was opened; its token is in the cookie alone. ``status`` is ``ok``."""


def plain_password(password: str, upstream_hash: str | msgspec.UnsetType) -> str:
    """The password of a request that may have come in upstream's form.

    Raises:
        Invalid: ``password_hash_refused`` or ``missing_credentials``.
    """
    if upstream_hash is not msgspec.UNSET:
        raise Invalid(
            "password_hash_refused",
            "password_sha512 is not accepted: who steals the hash could sign in with it. Send the password itself "
            "as `password`; TLS protects it on the way.",
        )
    if not password:
        raise Invalid("missing_credentials", "Send `username` and `password`.")
    return password


def identity_fields(principal: Principal, account: Account | None, csrf: str) -> dict[str, Any]:
    """The fields of ``Identity``; ``account`` is None for the owner, who has none."""
    return {
        "username": principal.username,
        "display_name": account.display_name if account else OWNER_NAME,
        "role": principal.role,
        "sites": None if principal.sites is None else sorted(principal.sites),
        "permissions": [permission for permission in Permission if principal.may(permission)],
        "mfa_enabled": account.mfa_enabled if account else False,
        "csrf": csrf,
        "via": principal.via,
    }


def session_opened(session: NewSession, cookie: str) -> Response[SignedInAnswer]:
    """The answer to a sign-in: who it is, and the cookie, by its name, that scripts cannot read."""
    body = SignedInAnswer(**identity_fields(session.principal, session.account, session.csrf))
    return Response(body, cookies=[make_session_cookie(cookie, session.token, session.max_age)])


def make_session_cookie(name: str, token: str, max_age: int) -> Cookie:
    """The session cookie; an empty token with age 0 makes the browser forget it."""
    return Cookie(key=name, value=token, max_age=max_age, path="/", secure=True, httponly=True, samesite="strict")


def user_agent(request: Request[Any, Any, Any]) -> str:
    """What the caller's program calls itself, for the list of sessions."""
    return str(request.headers.get("user-agent", ""))
