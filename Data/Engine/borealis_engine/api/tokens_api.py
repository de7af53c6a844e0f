"""REST door: personal access tokens for automation. Times are Unix seconds (float)."""

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from borealis_engine.api.access import body_limit, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.operators.models import MAX_TOKEN_DAYS, TokenRow
from borealis_engine.operators.permissions import Permission, Principal

MAX_BODY_BYTES: Final = 16 * 1024
DEFAULT_DAYS: Final = 90


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new token: what it is for, what it may do, how long it lives."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    scopes: Annotated[
        list[Permission],
        msgspec.Meta(min_length=1, max_length=64, description="Only rights that you have yourself."),
    ]
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKEN_DAYS)] = DEFAULT_DAYS


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A personal token without its text."""

    id: str
    name: str
    scopes: list[Permission]
    created_at: float
    expires_at: float
    last_used_at: float | None


class TokenMade(TokenView, frozen=True, kw_only=True):
    """A new token; ``token`` is shown here and never again."""

    token: str


class TokenList(msgspec.Struct, frozen=True):
    """One's own tokens, newest first."""

    tokens: list[TokenView]


@get("/api/tokens", opt=operator(Permission.SELF), tags=["tokens"])
async def list_tokens(services: Services, principal: Principal) -> TokenList:
    """One's own personal tokens."""
    return TokenList([TokenView(**_fields(row)) for row in await services.operators.tokens.list(principal)])


@post(
    "/api/tokens",
    opt={**operator(Permission.SELF), **body_limit(MAX_BODY_BYTES)},
    status_code=201,
    responses=errors(409),
    tags=["tokens"],
)
async def create_token(services: Services, principal: Principal, peer: str, data: TokenRequest) -> TokenMade:
    """Make a personal token. Needs a session: a token cannot make tokens."""
    made = await services.operators.tokens.create(
        principal, name=data.name, scopes=frozenset(data.scopes), days=data.expires_in_days, peer=peer
    )
    return TokenMade(token=made.token, **_fields(made.row))


@delete(
    "/api/tokens/{token_id:str}",
    opt=operator(Permission.SELF),
    status_code=200,
    responses=errors(404),
    tags=["tokens"],
)
async def delete_token(
    services: Services, principal: Principal, peer: str, token_id: Annotated[str, Parameter(max_length=64)]
) -> OkAnswer:
    """End one of one's own tokens, at once."""
    await services.operators.tokens.delete(principal, token_id, peer=peer)
    return OkAnswer()


def _fields(row: TokenRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": list(row.scopes),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
    }


HANDLERS: list[HTTPRouteHandler] = [list_tokens, create_token, delete_token]
