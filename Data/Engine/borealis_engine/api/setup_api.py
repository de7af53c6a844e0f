"""REST door: set-up of the first operator, with the one-time link that the Engine's owner was shown."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from borealis_engine.api.access import body_limit, public
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import (
    DisplayName,
    NewPassword,
    NewUsername,
    SignedInAnswer,
    session_opened,
    user_agent,
)
from borealis_engine.api.services import Services

MAX_BODY_BYTES = 16 * 1024


class SetupState(msgspec.Struct, frozen=True):
    """Whether the first operator is still to be made."""

    needed: bool


class SetupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first operator. ``token`` is the part of the set-up link after ``#``."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    username: NewUsername
    password: NewPassword
    display_name: DisplayName = ""


@get(
    "/api/setup",
    opt=public("a browser has to know whether to show set-up or sign-in before anybody can sign in"),
    tags=["setup"],
)
async def setup_state(services: Services) -> SetupState:
    """Whether set-up is still to be done. It is false for good once the first operator was made."""
    return SetupState(await services.operators.needs_setup())


@post(
    "/api/setup",
    opt={
        **public("the one-time token of the set-up link is the credential; refused for good after its first use"),
        **body_limit(MAX_BODY_BYTES),
    },
    status_code=200,
    responses=errors(409, 429),
    tags=["setup"],
)
async def complete_setup(
    request: Request[Any, Any, Any], services: Services, peer: str, data: SetupRequest
) -> Response[SignedInAnswer]:
    """Make the first operator, an Admin of all sites, and sign them in. Works once."""
    session = await services.operators.first.complete(
        data.token,
        username=data.username,
        password=data.password,
        display_name=data.display_name,
        peer=peer,
        user_agent=user_agent(request),
    )
    return session_opened(session, services.settings.session_cookie)


HANDLERS: list[HTTPRouteHandler] = [setup_state, complete_setup]
