"""The API document (OpenAPI 3.1), made from the handlers themselves, with the auth rule on every operation."""

import copy
from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec
from litestar import Litestar, Request, get
from litestar._openapi.plugin import OpenAPIPlugin
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute

from borealis_engine.api.access import OPT_KEY, Access, public
from borealis_engine.api.errors import describe
from borealis_engine.api.request_checks import CSRF_HEADER, SAFE_METHODS
from borealis_engine.operators.models import SESSION_COOKIE

API_VERSION: Final = "1.0"
_SECURITY_SCHEMES: Final = {
    "deviceToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Access token of a device, from enrolment or refresh; 900 s.",
    },
    "operatorSession": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "Set by POST /api/auth/login. Unsafe methods also need a same-origin Origin and "
        "X-Borealis-CSRF with the csrf value of GET /api/auth/me.",
    },
    "operatorToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "Personal token (bor_pat_...) of an operator, or the owner token on the Engine's machine.",
    },
}
_ERROR_SCHEMA: Final = {
    "type": "object",
    "title": "ErrorBody",
    "properties": {
        "error": {"type": "string", "description": "Code, for programs."},
        "detail": {"type": "string", "description": "What happened and what to do, for people."},
        "retry_after": {"type": "number", "description": "Seconds to wait, with 429."},
    },
    "required": ["error", "detail"],
}


@get(
    "/api/openapi.json",
    opt=public("programs generate their types from it; it holds nothing that differs between installations"),
    include_in_schema=False,
)
async def openapi_json(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The API document."""
    return document(request.app)


HANDLERS: list[HTTPRouteHandler] = [openapi_json]


def document(app: Litestar) -> dict[str, Any]:
    """The document of an application, built once for each."""
    cached = app.state.get("borealis_openapi")
    if cached is None:
        cached = app.state["borealis_openapi"] = _build(app)
    result: dict[str, Any] = cached
    return result


def _build(app: Litestar) -> dict[str, Any]:
    plugin = OpenAPIPlugin(app)
    plugin._openapi_config = OpenAPIConfig(
        title="Borealis Engine",
        version=API_VERSION,
        description="Every address of the Engine. Errors are `{error, detail}` throughout.",
        render_plugins=[JsonRenderPlugin()],
    )
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    for route in routes:
        plugin.receive_route(route)
    built: dict[str, Any] = copy.deepcopy(plugin.provide_openapi_schema())
    built["components"] = {**built.get("components", {}), "securitySchemes": _SECURITY_SCHEMES}
    schemas = built["components"].setdefault("schemas", {})
    schemas["ErrorBody"] = _ERROR_SCHEMA
    for route in routes:
        for handler in route.route_handlers:
            if not handler.resolve_include_in_schema():
                continue
            _close_strict_schemas(handler, schemas)
            for method in handler.http_methods:
                operation = built["paths"].get(route.path_format, {}).get(str(method).lower())
                if operation is not None:
                    _complete(operation, str(method), handler)
    return built


def _complete(operation: dict[str, Any], method: str, handler: HTTPRouteHandler) -> None:
    rule = handler.opt.get(OPT_KEY)
    if not isinstance(rule, Access):
        return
    operation["operationId"] = handler.handler_name
    sentence, security = _rule(rule)
    text = operation.get("description") or ""
    operation["description"] = f"{text}\n\n{sentence}".strip()
    operation["x-borealis-access"] = {
        "kind": rule.kind,
        **({"permission": rule.permission.value} if rule.permission else {}),
        **({"reason": rule.reason} if rule.reason else {}),
    }
    operation["security"] = security
    if rule.kind == "operator" and method not in SAFE_METHODS:
        operation.setdefault("parameters", []).append(
            {
                "name": CSRF_HEADER.title().replace("Csrf", "CSRF"),
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "Needed with the session cookie, not with a token.",
            }
        )
    has_body = "data" in handler.parsed_fn_signature.parameters
    has_input = has_body or bool(operation.get("parameters")) or method not in SAFE_METHODS
    wanted = {500, 503, *({400} if has_input else ()), *({413, 415} if has_body else ())}
    wanted |= {"public": {403} if method not in SAFE_METHODS else set(), "device": {401, 403, 404, 429}}.get(
        rule.kind, {401, 403}
    )
    if "{" in str(handler.paths):
        wanted.add(404)
    responses = operation.setdefault("responses", {})
    for status in sorted(wanted | {int(code) for code in responses if int(code) >= 400}):
        responses[str(status)] = {
            "description": responses.get(str(status), {}).get("description") or describe(status)
            if status != 400
            else describe(400),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
        }


def _rule(rule: Access) -> tuple[str, list[dict[str, list[str]]]]:
    if rule.kind == "public":
        return f"Access: anybody, because {rule.reason}.", []
    if rule.kind == "device":
        return "Access: a device with a valid access token.", [{"deviceToken": []}]
    permission = rule.permission.value if rule.permission else ""
    return (
        f"Access: an operator with the permission `{permission}`.",
        [{"operatorSession": []}, {"operatorToken": []}],
    )


def _close_strict_schemas(handler: HTTPRouteHandler, schemas: dict[str, Any]) -> None:
    parameter = handler.parsed_fn_signature.parameters.get("data")
    if parameter is None:
        return
    for struct in _structs(parameter.annotation, set()):
        schema = schemas.get(struct.__name__)
        if schema is not None and struct.__struct_config__.forbid_unknown_fields:
            schema["additionalProperties"] = False


def _structs(annotation: Any, seen: set[Any]) -> Iterator[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        if annotation in seen:
            return
        seen.add(annotation)
        yield annotation
        for field in msgspec.structs.fields(annotation):
            yield from _structs(field.type, seen)
        return
    for argument in get_args(annotation):
        yield from _structs(argument, seen)
