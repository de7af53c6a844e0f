"""Forwarded connections: which targets a device connects to for an operator, connecting, and carrying bytes.

Used by the role ``PortForward``. The order that names the target was verified before it comes here.
"""

from borealis_agent.capabilities.forward.forwards import Forwards
from borealis_agent.capabilities.forward.targets import Targets

__all__ = ["Forwards", "Targets"]
