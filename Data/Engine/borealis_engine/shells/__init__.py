"""Remote shells: who may open one, the order that opens it, and the bytes between an operator and a device.

Owns the table ``recordings`` and the folder ``Data/Recordings``. May be called by ``api``, ``gateway`` and ``app``.
Reaches a device by ``lines.Way`` alone, which is the tunnel. ``session`` is one operator at one shell, ``line`` its
connection to the device; a shell outlives a connection, and is taken up again under another sealed order.
"""

from borealis_engine.shells.models import OpenShell, RecordingRow, ShellAsked
from borealis_engine.shells.recordings import Recordings
from borealis_engine.shells.service import ShellService
from borealis_engine.shells.session import Ended, Output, Seat, Session

__all__ = [
    "Ended",
    "OpenShell",
    "Output",
    "RecordingRow",
    "Recordings",
    "Seat",
    "Session",
    "ShellAsked",
    "ShellService",
]
