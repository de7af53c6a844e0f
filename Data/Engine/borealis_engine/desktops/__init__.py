"""Remote desktops: who may see one, what the policy of its site says, and the order that opens it.

Owns the table ``desktop_policy``. May be called by ``api`` and ``app``; the socket door carries its streams. Reaches a
device by ``lines.Way`` alone, which is the tunnel. What comes through is the Remote Framebuffer Protocol, which nobody
reads here. The device asks its user, shows that somebody watches, and sees to it that who may only look does only look.
"""

from borealis_engine.desktops.models import DesktopAsked, DesktopPolicy, DesktopTicket, OpenDesktop
from borealis_engine.desktops.policies import Policies
from borealis_engine.desktops.service import STAY_KIND, STREAM_PATH, DesktopService

__all__ = [
    "STAY_KIND",
    "STREAM_PATH",
    "DesktopAsked",
    "DesktopPolicy",
    "DesktopService",
    "DesktopTicket",
    "OpenDesktop",
    "Policies",
]
