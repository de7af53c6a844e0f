"""What can go wrong between agent and Engine, by what the caller does about it (families in ``core.errors``)."""

from borealis_agent.core.errors import AgentError, Fatal, Retryable


class EngineNotTrusted(Retryable):
    """Whoever answers does not hold the pinned CA's key, or its certificate is not in order. Nothing was sent."""


class WrongEngine(Fatal):
    """At first contact: no certificate with the pinned key. Nothing was sent."""


class DeviceRevoked(Retryable):
    """An operator revoked this device. Stay up, ask rarely; only a new enrolment helps."""


class RequestRejected(AgentError):
    """The Engine understood the request and said no; asking again the same way is of no use.

    Attributes:
        status: the HTTP status.
        code: the Engine's error code, such as ``rate_limited``; empty where it gave none.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"the Engine answered {status} {code}".rstrip() + (f": {detail}" if detail else ""))
        self.status = status
        self.code = code
        self.detail = detail
