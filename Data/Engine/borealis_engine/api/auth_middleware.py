"""The doorkeeper: who calls is decided here, before the body is read and before any handler exists.

Default deny: a route without a rule in its ``opt`` is refused. Called by the web framework alone.
"""

import asyncio
import hmac
from dataclasses import dataclass
from typing import Any, Final

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState

from borealis_engine.api import request_checks
from borealis_engine.api.access import BODY_OPT_KEY, OPT_KEY, Access, DevicePrincipal
from borealis_engine.api.errors import Interrupted, MethodNotAllowed, UnsupportedMedia
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Forbidden, Invalid, Unauthenticated
from borealis_engine.core.rate_limit import SlidingWindow
from borealis_engine.enrolment.standing import require_standing
from borealis_engine.operators.permissions import Principal
from borealis_wire.limits import MAX_REST_BODY_BYTES

BODY_SECONDS: Final = 60.0
DEVICE_LIMIT: Final = 60
RESULTS_LIMIT: Final = 600
LIMIT_WINDOW: Final = 60.0
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """What the door found out. ``csrf`` and ``session_token`` only for a session cookie."""

    peer: str
    principal: Principal | None = None
    device: DevicePrincipal | None = None
    csrf: str = ""


class Doorkeeper:
    """ASGI middleware, inside routing: knows the route, has not read the body."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self._services = services
        self._device_calls = SlidingWindow(DEVICE_LIMIT, LIMIT_WINDOW, max_keys=50_000)
        self._results = SlidingWindow(RESULTS_LIMIT, LIMIT_WINDOW, max_keys=50_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide who calls, read the body, and let the handler have both."""
        if scope["type"] != ScopeType.HTTP:
            raise Forbidden("forbidden", "No such door.")
        handler = scope["route_handler"]
        method = str(scope["method"])
        if method == "OPTIONS":
            raise MethodNotAllowed(_methods(scope) - {"OPTIONS"})
        rule = handler.opt.get(OPT_KEY)
        if not isinstance(rule, Access):
            raise Forbidden("forbidden", "This address has no access rule, so nobody may use it.")
        headers = Headers.from_scope(scope)
        peer = self._peer(scope, headers)
        if rule.kind == "device":
            caller = self._device(rule, headers, peer)
        elif rule.kind == "operator":
            caller = await self._operator(rule, method, headers, scope, peer)
        else:
            caller = Caller(peer)
            if method not in request_checks.SAFE_METHODS:
                self._check_origin(headers, required=False)
        scope["auth"] = caller
        scope["user"] = caller.principal or caller.device
        annotation = _data_annotation(handler)
        if annotation is not None:
            max_bytes = int(handler.opt.get(BODY_OPT_KEY, MAX_REST_BODY_BYTES))
            await _read_body(scope, receive, headers, annotation, max_bytes)
        await self.app(scope, receive, send)

    def _peer(self, scope: Scope, headers: Headers) -> str:
        client = scope.get("client")
        socket_peer = str(client[0]) if client else ""
        forwarded = ",".join(headers.getall("x-forwarded-for", [])) or None
        return request_checks.peer_address(socket_peer, forwarded, self._services.settings.trusted_proxies)

    def _device(self, rule: Access, headers: Headers, peer: str) -> Caller:
        """Checks and their order: upstream-contract 2.2, without re-creating devices that are gone."""
        token = _bearer(headers)
        if token is None:
            raise Unauthenticated("missing_authorization", "Send the access token as Authorization: Bearer.")
        claims = self._services.access_tokens.verify(token, self._services.clock.now())
        window = self._results if rule.limit == "results" else self._device_calls
        # Each signed-in user's agent by itself: one that floods takes nothing from the others, nor from SYSTEM's.
        window.check(f"{claims.fingerprint} {claims.context} {claims.user}", self._services.clock.monotonic())
        device = require_standing(claims, self._services.devices.auth_state(claims.guid))
        return Caller(
            peer,
            device=DevicePrincipal(
                guid=device.guid,
                fingerprint=device.fingerprint,
                context=str(claims.context),
                hostname=device.hostname,
                status=device.status,
                user=claims.user,
            ),
        )

    async def _operator(self, rule: Access, method: str, headers: Headers, scope: Scope, peer: str) -> Caller:
        operators = self._services.operators
        token = _bearer(headers)
        if token is not None:
            direct = _is_direct(scope, headers)
            principal = await operators.authenticate_bearer(token, peer=peer, direct=direct)
            csrf = ""
        else:
            cookie = session_cookie(headers, self._services.settings.session_cookie)
            if cookie is None:
                raise Unauthenticated("unauthorized", "Sign in first, or send a personal token as Authorization.")
            signed_in = await operators.authenticate_session(cookie)
            principal, csrf = signed_in.principal, signed_in.csrf
            if method not in request_checks.SAFE_METHODS:
                self._check_origin(headers, required=True)
                sent = headers.get(request_checks.CSRF_HEADER, "")
                if not hmac.compare_digest(sent.encode(), csrf.encode()):
                    raise Forbidden("csrf_failed", "Send the csrf value of GET /api/auth/me as X-Borealis-CSRF.")
        if rule.permission is None or not principal.may(rule.permission):
            wanted = rule.permission.value if rule.permission else "nothing that anybody has"
            raise Forbidden("forbidden", f"This needs the permission {wanted}. Ask an Admin.")
        return Caller(peer, principal=principal, csrf=csrf)

    def _check_origin(self, headers: Headers, *, required: bool) -> None:
        request_checks.check_same_origin(
            origin=headers.get("origin"),
            fetch_site=headers.get("sec-fetch-site"),
            host=headers.get("host", ""),
            public_url=self._services.settings.url,
            origin_required=required,
        )


class PlainPaths:
    """Outermost ASGI layer: a path with tricks in it reaches no router (threats 2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass plain paths on as they are, and others as one that no route has."""
        if scope["type"] == ScopeType.HTTP:
            raw = scope.get("raw_path") or str(scope["path"]).encode("utf-8", "replace")
            if not request_checks.is_plain_path(bytes(raw)):
                # An address that no route has, also none for pages; the router answers 404 in the usual shape.
                scope["path"] = "/api/.not-a-plain-path"
                scope["raw_path"] = b"/api/.not-a-plain-path"
        await self.app(scope, receive, send)


def session_cookie(headers: Headers, wanted: str) -> str | None:
    """The session token of the Cookie header; None if absent, or there twice (then nobody knows whose it is)."""
    found = [
        value.strip()
        for header in headers.getall("cookie", [])
        for part in header.split(";")
        for name, _, value in [part.partition("=")]
        if name.strip() == wanted
    ]
    return found[0] if len(found) == 1 and found[0] else None


def _is_direct(scope: Scope, headers: Headers) -> bool:
    client = scope.get("client")
    proxied = any(name in headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    return not proxied and client is not None and request_checks.is_loopback(str(client[0]))


def _bearer(headers: Headers) -> str | None:
    given = headers.getall("authorization", [])
    if len(given) != 1 or given[0][: len(_BEARER)].lower() != _BEARER:
        return None
    return given[0][len(_BEARER) :].strip() or None


def _methods(scope: Scope) -> set[str]:
    app = scope["litestar_app"]
    template = scope.get("path_template")
    return {
        str(method)
        for route in app.routes
        if getattr(route, "path", None) == template or getattr(route, "path_format", None) == template
        for method in getattr(route, "methods", ())
    }


def _data_annotation(handler: Any) -> Any | None:
    parameter = handler.parsed_fn_signature.parameters.get("data")
    return None if parameter is None else parameter.annotation


async def _read_body(scope: Scope, receive: Receive, headers: Headers, annotation: Any, max_bytes: int) -> None:
    """Read, bound and check the body, and leave the checked value where the framework looks for it."""
    if not request_checks.check_media_type(headers.get("content-type"), headers.get("content-encoding")):
        raise UnsupportedMedia("unsupported_media_type", "Send the body as application/json in UTF-8.")
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        raise request_checks.too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Interrupted("interrupted", "The request ended early.")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > max_bytes:
                    raise request_checks.too_large(max_bytes)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    break
    except TimeoutError as error:
        raise Invalid("body_timeout", f"The body did not arrive within {BODY_SECONDS:.0f} s.") from error
    body = b"".join(chunks)
    value = request_checks.parse_body(body, annotation, max_bytes=max_bytes)
    state = ScopeState.from_scope(scope)
    state.body = body
    state.json = value
