"""Agents that replace themselves: who is to, in which order, and what came of it (upstream's ``agent_silent_update``).

Owns the tables ``agent_rollouts`` and ``agent_updates``. May be called by ``api`` and ``gateway``. The package comes
from the bootstrap (``agent-package.tar.gz`` beside the Engine's code); every order names its digest, and is sealed for
one device.
"""

from borealis_engine.updates.models import Asked, Begun, Rollout, RolloutState, Skipped, Update, UpdateState
from borealis_engine.updates.package import Package, Packages
from borealis_engine.updates.service import UpdateService

__all__ = [
    "Asked",
    "Begun",
    "Package",
    "Packages",
    "Rollout",
    "RolloutState",
    "Skipped",
    "Update",
    "UpdateService",
    "UpdateState",
]
