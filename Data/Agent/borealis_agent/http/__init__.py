"""The agent's REST door: pinned TLS, first contact, tokens that stay fresh, retries.

Owns: every HTTP connection of the agent, and the token lock. May be called by: ``enrolment``, ``link``, ``roles``,
``app``. Does not decide whom to trust (``trust``, through ``ports.TrustPort``) nor how to enrol
(``enrolment``, through ``ports.Enroller``).
"""

from borealis_agent.http.answer import Answer
from borealis_agent.http.client import AgentHttpClient
from borealis_agent.http.errors import DeviceRevoked, EngineNotTrusted, RequestRejected, WrongEngine
from borealis_agent.http.ports import Enroller, TrustPort
from borealis_agent.http.transport import EngineTransport

__all__ = [
    "AgentHttpClient",
    "Answer",
    "DeviceRevoked",
    "EngineNotTrusted",
    "EngineTransport",
    "Enroller",
    "RequestRejected",
    "TrustPort",
    "WrongEngine",
]
