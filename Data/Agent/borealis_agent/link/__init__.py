"""The agent's line to the Engine: one socket while that works, polling while it does not, and heartbeats.

Owns: the Socket.IO connection. ``session`` decides, ``driver`` does. May be called by: ``intake``, ``app``. Hands what
comes in to ``ports.Inbox`` and believes none of it: verification is ``intake``'s.
"""

from borealis_agent.link.callers import person_of
from borealis_agent.link.driver import Link, NotConnected
from borealis_agent.link.heartbeat import HeartbeatLoop
from borealis_agent.link.polling import PollingLoop
from borealis_agent.link.ports import Inbox
from borealis_agent.link.user_broker import SOCKET_NAME, TokenLender, UserBroker
from borealis_agent.link.user_door import BorrowingEnroller, UserDoor, pinned_to_json

__all__ = [
    "SOCKET_NAME",
    "BorrowingEnroller",
    "HeartbeatLoop",
    "Inbox",
    "Link",
    "NotConnected",
    "PollingLoop",
    "TokenLender",
    "UserBroker",
    "UserDoor",
    "person_of",
    "pinned_to_json",
]
