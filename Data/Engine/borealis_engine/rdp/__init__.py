"""Remote desktops by RDP: the device's pictures, made by programs of the Engine's machine into a stream for a browser.

Owns the table ``rdp_certificates`` and the empty folder ``Data/Remote_Desktop``. May be called by ``api`` and ``app``;
``gateway`` carries its streams. Reaches a device by ``lines.Way`` alone, which is the tunnel. ``keeper`` is a program
of its own, which nothing here imports.
"""

from borealis_engine.rdp.certificates import KnownCertificates
from borealis_engine.rdp.commands import Account
from borealis_engine.rdp.models import OpenRdp, RdpAsked, RdpTicket
from borealis_engine.rdp.service import RDP, STREAM_PATH, RdpService

__all__ = ["RDP", "STREAM_PATH", "Account", "KnownCertificates", "OpenRdp", "RdpAsked", "RdpService", "RdpTicket"]
