"""Errors by what the caller does about them.

    AgentError
    ├── Retryable        wait ``retry_after`` seconds and do it again
    ├── ReenrolRequired  tokens are of no more use: enrol again
    └── Fatal            a person has to act; the program ends with ``diagnostics()``

An order that must not run is ``borealis_wire.refusal.Refused``: never retried. Only entry points exit.
"""


class AgentError(Exception):
    """Base: ``str()`` is for the log, ``diagnostics()`` for the person."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    def diagnostics(self) -> str:
        """What happened and what to do next, as sentences."""
        return f"{self}. {self.advice}" if self.advice else f"{self}."


class Retryable(AgentError):
    """It may work later. ``retry_after`` in seconds, None where the caller's own back-off decides."""

    def __init__(self, message: str, *, retry_after: float | None = None, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.retry_after = retry_after


class ReenrolRequired(AgentError):
    """The Engine no longer takes our tokens."""


class Fatal(AgentError):
    """Only a person can mend this."""
