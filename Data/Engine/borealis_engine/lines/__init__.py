"""Lines: connections to entries of devices, each opened under a sealed order of its own.

Owns nothing. Used by the rooms that reach into a device through its tunnel: shells, desktops, files, forwards. ``Way``
is how a device is reached, filled in by ``app``.
"""

from borealis_engine.lines.line import EntryName, Line
from borealis_engine.lines.ports import Place, Sealer, Way

__all__ = ["EntryName", "Line", "Place", "Sealer", "Way"]
