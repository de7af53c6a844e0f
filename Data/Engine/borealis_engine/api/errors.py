"""One error shape for every answer: ``{"error": code, "detail": sentence}``, nothing internal in it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.datastructures import ResponseHeader
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap

from borealis_engine.core.errors import EngineError, RateLimited
from borealis_engine.core.log import get_logger

log = get_logger("api")


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of every error: ``code`` for programs, ``detail`` for people; ``retry_after`` seconds with 429."""

    error: str
    detail: str
    retry_after: float | None = None


class MethodNotAllowed(EngineError):
    """The path exists, the method does not; ``allowed`` are those that do."""

    status = 405

    def __init__(self, allowed: set[str]) -> None:
        super().__init__("method_not_allowed", f"This address answers {', '.join(sorted(allowed))} only.")
        self.allowed = allowed


class UnsupportedMedia(EngineError):
    """The body is of a type that is not read."""

    status = 415


class Interrupted(EngineError):
    """The caller hung up in the middle of its own request; nobody hears this answer."""

    status = 400


_DESCRIPTIONS: Final = {
    400: "The request is wrong as it stands; nothing was changed.",
    401: "No credentials, or none that hold.",
    403: "Known, but not allowed.",
    404: "No such thing, or none that the caller may see.",
    405: "The address exists, the method does not.",
    409: "The state of things does not allow it now.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "Too often; `retry_after` says how long to wait.",
    500: "A fault of the Engine; its log has the reason.",
    503: "The Engine cannot do this now; try again later.",
}
_CODES: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """``responses=`` of a handler: the error answers that are its own.

    The ones that every route of a kind has (400, 401, 403, 413, 415, 429, 500, 503) are added by
    ``openapi.document``; name here what is special, usually 404 and 409.
    """
    return {
        status: ResponseSpec(data_container=ErrorBody, description=_DESCRIPTIONS[status], generate_examples=False)
        for status in statuses
    }


def describe(status: int) -> str:
    """The sentence that the API document has for an error status."""
    return _DESCRIPTIONS[status]


def error_response(error: EngineError) -> Response[ErrorBody]:
    """The answer that an error becomes."""
    headers: dict[str, str] = {}
    retry_after: float | None = None
    if isinstance(error, RateLimited):
        retry_after = round(error.retry_after, 3)
        headers["Retry-After"] = str(max(1, int(error.retry_after + 0.999)))
    elif isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed))
    elif error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        ErrorBody(error.code, error.detail, retry_after),
        status_code=error.status,
        headers=[ResponseHeader(name=name, value=value) for name, value in headers.items()],
        media_type="application/json",
    )


def _on_engine_error(_: Request[Any, Any, Any], error: EngineError) -> Response[ErrorBody]:
    return error_response(error)


def _on_validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[ErrorBody]:
    found = error.extra if isinstance(error.extra, list) else []
    parts = [f"{item.get('key', 'request')}: {item.get('message', 'invalid')}" for item in found if item]
    detail = "; ".join(parts)[:500] or "The request does not have the form that this address expects."
    return Response(ErrorBody("invalid_request", detail), status_code=400, media_type="application/json")


def _on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
    status = error.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _on_anything(_, error)
    allow = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = {name.strip() for value in allow.values() for name in str(value).split(",")} - {"OPTIONS", ""}
        return error_response(MethodNotAllowed(allowed or {"GET"}))
    detail = {404: "There is nothing at this address."}.get(status, "The request cannot be read as it stands.")
    return Response(
        ErrorBody(_CODES.get(status, "invalid_request"), detail), status_code=status, media_type="application/json"
    )


def _on_anything(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    log.error("unexpected error", method=request.method, route=_template(request), exc_info=error)
    body = ErrorBody("internal_error", "The Engine met a fault of its own. Its log (error.log) has the reason.")
    return Response(body, status_code=500, media_type="application/json")


def _template(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("path_template") or "unknown")


_Handler = Callable[[Request[Any, Any, Any], Any], Response[ErrorBody]]


def exception_handlers() -> ExceptionHandlersMap:
    """What the application does with whatever a handler raises."""
    handlers: dict[type[Exception], _Handler] = {
        EngineError: _on_engine_error,
        ValidationException: _on_validation,
        HTTPException: _on_http,
        Exception: _on_anything,
    }
    return handlers  # type: ignore[return-value]
