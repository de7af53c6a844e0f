"""The composition root: builds every room, gives each what it needs, and runs them until told to stop.

Called by ``server.py`` alone. Everything it does is arranging; it decides nothing about devices, runs or people.
"""

from borealis_engine.app.program import run

__all__ = ["run"]
