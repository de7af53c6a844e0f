"""The API document (OpenAPI 3.1), made from the handlers themselves, with the auth rule on every operation."""

import copy
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Final, get_args, get_origin

import msgspec
from litestar import Litestar, Request, Response, get
from litestar._openapi.plugin import OpenAPIPlugin
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute

from borealis_engine.api.access import ANSWER_OPT_KEY, BYTES_OPT_KEY, OPT_KEY, Access, public
from borealis_engine.api.errors import ErrorBody, describe
from borealis_engine.api.request_checks import CSRF_HEADER, SAFE_METHODS
from borealis_engine.core.settings import DEFAULT_PORT, SESSION_COOKIE

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
        "name": f"{SESSION_COOKIE}_{DEFAULT_PORT}",
        "description": "Set by POST /api/auth/login; the number in its name is the port of the Engine's address. "
        "Unsafe methods also need a same-origin Origin and "
        "X-Borealis-CSRF with the csrf value of GET /api/auth/me.",
    },
    "operatorToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "Personal token (bor_pat_...) of an operator, or the owner token on the Engine's machine.",
    },
}
_REFERENCE: Final = "#/components/schemas/{name}"


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
        use_handler_docstrings=True,
    )
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    for route in routes:
        plugin.receive_route(route)
    built: dict[str, Any] = copy.deepcopy(plugin.provide_openapi_schema())
    shapes = _shapes(handler for route in routes for handler in route.route_handlers)
    components = built.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["schemas"] = {**components.get("schemas", {}), **shapes.components}
    for route in routes:
        for handler in route.route_handlers:
            if not handler.resolve_include_in_schema():
                continue
            for method in handler.http_methods:
                operation = built["paths"].get(route.path_format, {}).get(str(method).lower())
                if operation is not None:
                    _use_shapes(operation, handler, shapes)
                    _complete(operation, str(method), handler, has_path_parameter="{" in route.path_format)
    _drop_unused(built)
    return built


@dataclass(frozen=True, slots=True)
class _Shapes:
    """JSON Schemas by the type they describe, as the library has them that checks and writes the bodies."""

    by_type: dict[Any, dict[str, Any]]
    components: dict[str, Any]


def _shapes(handlers: Iterable[HTTPRouteHandler]) -> _Shapes:
    shown = [handler for handler in handlers if handler.resolve_include_in_schema()]
    asked = [kind for handler in shown if (kind := _body_type(handler)) is not None]
    answered = [ErrorBody, *(kind for handler in shown for kind in _answer_types(handler))]
    types = [*asked, *answered]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    only_answered = set(_structs(answered, set())) - set(_structs(asked, set()))
    for struct in only_answered:
        # What is always written is always there: types made from the document need not doubt it.
        schema = components.get(struct.__name__)
        if schema is not None and not struct.__struct_config__.omit_defaults:
            sure = [name for name in schema["properties"] if name not in _may_be_unset(struct)]
            schema["required"] = sure
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return _Shapes(dict(zip(types, schemas, strict=True)), components)


def _use_shapes(operation: dict[str, Any], handler: HTTPRouteHandler, shapes: _Shapes) -> None:
    body = _body_type(handler)
    if body is not None:
        operation["requestBody"]["content"] = {"application/json": {"schema": shapes.by_type[body]}}
    answers = [shapes.by_type[kind] for kind in _answer_types(handler)]
    if answers:
        schema = answers[0] if len(answers) == 1 else {"anyOf": answers}
        for status, response in operation["responses"].items():
            if int(status) < 400:
                response["content"] = {"application/json": {"schema": schema}}
    of_bytes = {"schema": {"type": "string", "format": "binary"}}
    if handler.opt.get(BYTES_OPT_KEY) is True:
        operation["requestBody"] = {"required": True, "content": {"application/octet-stream": of_bytes}}
    bytes_of = dict.fromkeys(handler.opt.get(ANSWER_OPT_KEY, ()), of_bytes)
    if bytes_of:
        for status, response in operation["responses"].items():
            if int(status) < 400:
                response["content"] = bytes_of


def _drop_unused(document: dict[str, Any]) -> None:
    """Remove what the framework described and nothing refers to now."""
    schemas = document["components"]["schemas"]
    used: set[str] = set()
    waiting: list[Any] = [document["paths"]]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
            name = str(item.get("$ref", "")).rpartition("/")[2]
            if name in schemas and name not in used:
                used.add(name)
                waiting.append(schemas[name])
    document["components"]["schemas"] = {name: schema for name, schema in schemas.items() if name in used}


def _body_type(handler: HTTPRouteHandler) -> Any | None:
    parameter = handler.parsed_fn_signature.parameters.get("data")
    return None if parameter is None else parameter.annotation


def _answer_types(handler: HTTPRouteHandler) -> list[Any]:
    """The types of the JSON that a handler answers with; none where it answers with something else."""
    annotation = handler.parsed_fn_signature.return_type.annotation
    if get_origin(annotation) is Response:
        (annotation,) = get_args(annotation)
    structs = list(_structs([annotation], set()))
    members = get_args(annotation) if isinstance(annotation, UnionType) else ()
    # Structures without a tag are told apart by nothing, so the library describes them one by one only.
    if len(members) > 1 and any(struct in members and struct.__struct_config__.tag is None for struct in structs):
        return list(members)
    return [annotation] if structs else []


def _structs(annotations: Iterable[Any], seen: set[Any]) -> Iterator[type[msgspec.Struct]]:
    """The structures that types are made of, each once."""
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            if annotation not in seen:
                seen.add(annotation)
                yield annotation
                yield from _structs((field.type for field in msgspec.structs.fields(annotation)), seen)
        else:
            yield from _structs(get_args(annotation), seen)


def _may_be_unset(struct: type[msgspec.Struct]) -> set[str]:
    fields = msgspec.structs.fields(struct)
    return {field.encode_name for field in fields if msgspec.UnsetType in get_args(field.type)}


def _complete(operation: dict[str, Any], method: str, handler: HTTPRouteHandler, *, has_path_parameter: bool) -> None:
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
    if has_path_parameter:
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
