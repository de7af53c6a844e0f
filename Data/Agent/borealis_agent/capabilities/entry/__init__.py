"""Entries: ports on the tunnel's address alone, that a connection enters with a sealed order of its own.

Owns the listening sockets. Used by the roles that an operator reaches through the tunnel. Believes nobody's word about
who may enter: the order that comes with each connection goes to the agent's trust first.
"""

from borealis_agent.capabilities.entry.entry import Entry
from borealis_agent.capabilities.entry.visitor import Refusing, Visitor

__all__ = ["Entry", "Refusing", "Visitor"]
