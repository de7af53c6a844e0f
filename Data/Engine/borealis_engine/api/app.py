"""The REST application: handlers of all rooms behind one doorkeeper, one error shape, one set of headers."""

import warnings
from collections.abc import Sequence
from typing import Any, cast

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.exceptions import LitestarDeprecationWarning
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.types import Message, Scope

from borealis_engine.api import (
    agent_device_api,
    assemblies_api,
    audit_api,
    auth_api,
    credentials_api,
    desktops_api,
    devices_api,
    enrolment_api,
    files_api,
    filters_api,
    forwards_api,
    machines_api,
    macros_api,
    openapi,
    overview_api,
    pages_api,
    passkeys_api,
    playbooks_api,
    rdp_api,
    remote_desktop_api,
    runs_api,
    screens_api,
    scripts_device_api,
    server_api,
    setup_api,
    shells_api,
    sites_api,
    tokens_api,
    tunnels_api,
    updates_api,
    users_api,
)
from borealis_engine.api.access import DevicePrincipal
from borealis_engine.api.auth_middleware import Caller, Doorkeeper, PlainPaths
from borealis_engine.api.content_coding import LongAnswers
from borealis_engine.api.errors import exception_handlers
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Unauthenticated
from borealis_engine.core.metrics import Metrics
from borealis_engine.operators.permissions import Principal

_MODULES = (
    pages_api,
    server_api,
    setup_api,
    auth_api,
    passkeys_api,
    tokens_api,
    users_api,
    audit_api,
    sites_api,
    overview_api,
    devices_api,
    enrolment_api,
    rdp_api,
    runs_api,
    playbooks_api,
    credentials_api,
    machines_api,
    remote_desktop_api,
    macros_api,
    screens_api,
    tunnels_api,
    shells_api,
    desktops_api,
    files_api,
    forwards_api,
    assemblies_api,
    filters_api,
    updates_api,
    agent_device_api,
    scripts_device_api,
    openapi,
)


def all_handlers() -> list[HTTPRouteHandler]:
    """Every handler of the REST door, in the order of the API document."""
    return [handler for module in _MODULES for handler in module.HANDLERS]


def create_api(services: Services, *, metrics: Metrics | None = None, extra: Sequence[Any] = ()) -> Litestar:
    """Build the ASGI application.

    Args:
        services: what handlers call.
        metrics: where request durations are counted; a new registry if absent.
        extra: further handlers, for tests of the framework itself.
    """
    meter = metrics or Metrics()
    with warnings.catch_warnings():
        # Handlers take what they need by parameter name. The framework's next major version wants a marker on each
        # such parameter; until then the marks would only make every signature longer.
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        app = Litestar(
            route_handlers=[*all_handlers(), *extra],
            middleware=[DefineMiddleware(Doorkeeper, services=services), DefineMiddleware(LongAnswers)],
            dependencies={
                "services": Provide(lambda: services, sync_to_thread=False, use_cache=True),
                "metrics": Provide(lambda: meter, sync_to_thread=False, use_cache=True),
                "principal": Provide(provide_principal, sync_to_thread=False),
                "device": Provide(provide_device, sync_to_thread=False),
                "peer": Provide(provide_peer, sync_to_thread=False),
                "caller": Provide(provide_caller, sync_to_thread=False),
            },
            exception_handlers=exception_handlers(),
            before_send=[_security_headers],
            openapi_config=None,
            cors_config=None,
            logging_config=None,
            request_max_body_size=None,
            debug=False,
        )
    app.asgi_handler = PlainPaths(meter.measure(app.asgi_handler))
    return app


def provide_caller(request: Request[Any, Caller, Any]) -> Caller:
    """What the door found out about the caller."""
    return request.auth


def provide_principal(request: Request[Any, Caller, Any]) -> Principal:
    """The signed-in operator of an operator route."""
    if request.auth.principal is None:
        raise Unauthenticated("unauthorized", "Sign in first.")
    return request.auth.principal


def provide_device(request: Request[Any, Caller, Any]) -> DevicePrincipal:
    """The device of a device route."""
    if request.auth.device is None:
        raise Unauthenticated("missing_authorization", "Send the access token as Authorization: Bearer.")
    return request.auth.device


def provide_peer(request: Request[Any, Caller, Any]) -> str:
    """The caller's address, past trusted proxies only."""
    return request.auth.peer


_API_POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PAGE_POLICY = pages_api.page_policy().encode()
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


async def _security_headers(message: Message, scope: Scope) -> None:
    if message["type"] != "http.response.start":
        return
    headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", [])]
    names = {name.lower() for name, _ in headers}
    # Where nothing was routed (404) there is no handler, whatever the framework's type says.
    handler = cast("HTTPRouteHandler | None", scope.get("route_handler"))
    is_page = handler is not None and handler.opt.get("page") is True
    headers.extend(_HEADERS)
    if b"content-security-policy" not in names:  # a page with a nonce brings its own
        headers.append((b"content-security-policy", _PAGE_POLICY if is_page else _API_POLICY))
    if b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    message["headers"] = headers
