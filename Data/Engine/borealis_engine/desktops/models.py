"""What is asked of a desktop, what the policy allows, and what is told of one that somebody has open."""

from dataclasses import dataclass
from typing import Final

import msgspec

from borealis_wire.desktop import Consent, DesktopKind

ASK_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class DesktopAsked:
    """A desktop that an operator wants to see. ``user``: the account; empty for whoever is at the screen.

    ``width`` and ``height`` are in pixels, of a desktop of its own.
    """

    kind: DesktopKind = DesktopKind.SCREEN
    user: str = ""
    view_only: bool = False
    width: int = 1280
    height: int = 800


class DesktopPolicy(msgspec.Struct, frozen=True):
    """What holds for the desktops of a site's devices, or where ``site_id`` is null, of all that have no policy.

    ``ask_seconds``: how long a signed-in user has for an answer, where they are asked. ``view_only``: nobody types or
    points there, whatever was asked for. ``updated_at``: Unix seconds, null where nobody ever set it.
    """

    site_id: int | None
    consent: Consent = Consent.NEVER
    ask_seconds: int = ASK_SECONDS
    view_only: bool = False
    updated_at: float | None = None
    updated_by: str = ""


class DesktopTicket(msgspec.Struct, frozen=True):
    """The right to one WebSocket. ``path``: of the Engine; the token goes behind it as ``?token=``.

    ``expires_at``: Unix seconds. ``view_only`` and ``consent``: what holds by now; the policy is asked again when the
    WebSocket is opened.
    """

    token: str
    path: str
    expires_at: float
    session_id: str
    view_only: bool
    consent: Consent


class OpenDesktop(msgspec.Struct, frozen=True):
    """A desktop that somebody has open. ``id`` names the connection; ``since``: Unix seconds; ``user``: the account, as
    far as it is known; ``kind``: screen or own.
    """

    id: str
    guid: str
    hostname: str
    username: str
    user: str
    kind: str
    view_only: bool
    since: float
