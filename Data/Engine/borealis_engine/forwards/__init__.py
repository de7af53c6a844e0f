"""Forwards: TCP connections of operators to targets that a device reaches, through its tunnel.

Owns no tables. Called by ``api`` (who asks, what is open, an end) and, as ``lines.Streams``, by ``gateway``.
"""

from borealis_engine.forwards.models import OpenForward
from borealis_engine.forwards.service import FORWARDS, STREAM_PATH, ForwardService

__all__ = ["FORWARDS", "STREAM_PATH", "ForwardService", "OpenForward"]
