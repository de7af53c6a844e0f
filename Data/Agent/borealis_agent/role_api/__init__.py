"""The public contract between the agent and its roles: what a role file may import, and all it gets.

A role is a file ``role_<Name>.py`` with ``ROLE_NAME``, ``ROLE_CONTEXTS`` and a class ``Role(ctx)``, with
optional ``register_events()``, ``on_config(roles)`` and ``stop_all()``, each sync or async.
"""

from borealis_agent.role_api.contract import (
    BaseRole,
    ConfigPort,
    ExecutionPort,
    HasHealth,
    HearsConfig,
    HearsShutOut,
    RegistersEvents,
    RoleContext,
    RoleHealth,
    RoleModule,
    SocketPort,
    Stoppable,
)
from borealis_agent.role_api.jobs import JobFile, JobHandler, JobOutcome, OutputSink, VerifiedJob

__all__ = [
    "BaseRole",
    "ConfigPort",
    "ExecutionPort",
    "HasHealth",
    "HearsConfig",
    "HearsShutOut",
    "JobFile",
    "JobHandler",
    "JobOutcome",
    "OutputSink",
    "RegistersEvents",
    "RoleContext",
    "RoleHealth",
    "RoleModule",
    "SocketPort",
    "Stoppable",
    "VerifiedJob",
]
