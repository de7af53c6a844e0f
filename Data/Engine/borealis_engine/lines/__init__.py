"""Lines: connections to entries of devices, each opened under a sealed order of its own.

Used by the rooms that reach into a device through its tunnel: shells, desktops, files, forwards. ``Way`` is how a
device is reached, filled in by ``app``; ``Stays`` keeps account of who is connected, and ``Tickets`` lets a browser
come back by WebSocket for what it asked for by REST.
"""

from borealis_engine.lines.lasting import NO_TUNNEL, beside, ending_with, while_it_lasts
from borealis_engine.lines.line import EntryName, Line
from borealis_engine.lines.ports import Place, Sealer, Way
from borealis_engine.lines.stays import Rights, Stay, StayKind, Stays
from borealis_engine.lines.stream import LineStream, Stream, Streams, Waiting
from borealis_engine.lines.tickets import TICKET_SECONDS, Tickets

__all__ = [
    "NO_TUNNEL",
    "TICKET_SECONDS",
    "EntryName",
    "Line",
    "LineStream",
    "Place",
    "Rights",
    "Sealer",
    "Stay",
    "StayKind",
    "Stays",
    "Stream",
    "Streams",
    "Tickets",
    "Waiting",
    "Way",
    "beside",
    "ending_with",
    "while_it_lasts",
]
