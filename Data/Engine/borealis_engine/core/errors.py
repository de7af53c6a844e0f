"""Errors by what the caller is told. The REST door turns each into ``{"error": code, "detail": sentence}``.

EngineError
├── Invalid          400  the request is wrong as it stands
├── Unauthenticated  401  nobody we know
├── Forbidden        403  known, but not allowed
├── NotFound         404
├── Conflict         409  the state of things does not allow it now
├── TooLarge         413
├── RateLimited      429  carries ``retry_after`` seconds
├── Unavailable      503  try again later
└── Fatal                 a person has to act; the program ends with the detail
"""

from typing import ClassVar


class EngineError(Exception):
    """Base. ``code`` is upstream's where upstream has one; ``detail`` says what happened and what to do."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Invalid(EngineError):
    """The request is wrong; sending it again changes nothing."""

    status = 400


class Unauthenticated(EngineError):
    """No credentials, or none that hold."""

    status = 401


class Forbidden(EngineError):
    """Known, but without the right."""

    status = 403


class NotFound(EngineError):
    """No such thing, or none that the caller may see."""

    status = 404


class Conflict(EngineError):
    """Something else is in the way."""

    status = 409


class TooLarge(EngineError):
    """More bytes or items than allowed."""

    status = 413


class RateLimited(EngineError):
    """Too often. ``retry_after`` in seconds, at least a little above zero."""

    status = 429

    def __init__(self, retry_after: float, detail: str = "Too many requests. Wait and try again.") -> None:
        super().__init__("rate_limited", detail)
        self.retry_after = retry_after


class Unavailable(EngineError):
    """The Engine cannot do this now."""

    status = 503


class Fatal(EngineError):
    """The Engine cannot start or go on; ``detail`` tells a person what to do."""
