"""What is started for a desktop: programs, their words, and the cookie of an own X server. Starts nothing."""

import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from borealis_agent.capabilities.desktop.finding import NoDesktop
from borealis_agent.capabilities.desktop.programs import OWN_SERVER, SCREEN_SERVER, Which, which

INSTALL: Final[Mapping[str, str]] = {
    SCREEN_SERVER: "x11vnc shows a screen, and is not installed on this device: install it (apt-get install x11vnc).",
    OWN_SERVER: (
        "A desktop of its own needs Xvnc, which is not installed on this device: install TigerVNC's server "
        "(apt-get install tigervnc-standalone-server)."
    ),
    "session": (
        "There is nothing on this device that a desktop could be made of: install a desktop, or at least a window "
        "manager and a terminal (apt-get install openbox xterm)."
    ),
}
"""What to tell an operator where a program is missing."""
_MANAGERS: Final = ("x-window-manager", "openbox", "xfwm4", "icewm", "fluxbox", "mwm", "twm")
_TERMINALS: Final = ("xterm", "x-terminal-emulator", "xfce4-terminal", "gnome-terminal", "konsole", "urxvt")
_XSESSIONS: Final = ("/etc/X11/Xsession", "/etc/X11/xinit/Xsession")
_FAMILY_LOCAL: Final = 256


def needed(program: str, look: Which = which) -> str:
    """Where a server is. Raises ``NoDesktop``: ``missing``, with what to install."""
    if (found := look(program)) is None:
        raise NoDesktop("missing", INSTALL[program])
    return found


def screen_command(server: str, display: str, *, title: str, view_only: bool) -> list[str]:
    """``x11vnc`` for one connection, which it has as its standard input and output; it listens on nothing.

    Neither the user's own settings of it nor other programs on the display can make it do more: no remote control, no
    commands, no connections of its own. Without the wireframes of its default, so that what is shown is what is there;
    with XDAMAGE, so that it looks where something changed.
    """
    words = [server, "-inetd", "-norc", "-quiet", "-display", display, "-desktop", title, "-shared"]
    words += ["-noipv6", "-no6", "-nolookup", "-noremote", "-novncconnect", "-nocmds"]
    words += ["-noxrecord", "-nowireframe", "-repeat", "-xrandr", "newfbsize", "-defer", "10"]
    return [*words, "-viewonly", "-nosel"] if view_only else words


def own_command(server: str, *, cookie: str, title: str, width: int, height: int, tell: int) -> list[str]:
    """``Xvnc`` with a display of its own. Its standard input is the socket it accepts connections on; no other listens.

    It needs no secret there: only the agent reaches that socket. ``tell``: the descriptor that it writes its number on.
    """
    words = [server, "-inetd", "-displayfd", str(tell), "-auth", cookie, "-nolisten", "tcp"]
    words += ["-SecurityTypes", "None", "-geometry", f"{width}x{height}", "-depth", "24", "-desktop", title]
    return [*words, "-AcceptSetDesktopSize=1", "-AlwaysShared=1", "-IdleTimeout=0", "-dpi", "96"]


def session_commands(home: str, look: Which = which, readable: Callable[[str], bool] | None = None) -> list[list[str]]:
    """What makes a desktop of an X server: the first is the session and ends it, the others are beside it.

    As a sign-in would: the account's own ``.xsession``, or the machine's desktop. Where there is none, a window manager
    with a terminal, or a terminal.

    Raises:
        NoDesktop: ``missing``.
    """
    can_run = readable or (lambda path: os.access(path, os.X_OK))
    xsession = next((path for path in _XSESSIONS if can_run(path)), None)
    own = f"{home}/.xsession"
    if can_run(own):
        return [[xsession] if xsession else [own]]
    desktop = look("x-session-manager")
    if desktop and Path(desktop).resolve().name != "openbox-session":  # which shows nothing but a grey ground
        return [[xsession] if xsession else [desktop]]
    terminal = next(filter(None, map(look, _TERMINALS)), None)
    manager = next(filter(None, map(look, _MANAGERS)), None)
    if manager is None and terminal is None:
        raise NoDesktop("missing", INSTALL["session"])
    if manager and terminal and Path(manager).resolve().name == "openbox":
        # It passes over what shows itself while it starts, so it has to start the terminal itself.
        return [[manager, "--startup", terminal]]
    return [[program] for program in (manager, terminal) if program]


def cookie_entry(cookie: bytes, display: str) -> bytes:
    """An entry of an Xauthority file: who has the cookie may use the display ``display`` (a number) of this machine."""
    parts = (socket.gethostname().encode(), display.encode("ascii"), b"MIT-MAGIC-COOKIE-1", cookie)
    return struct.pack(">H", _FAMILY_LOCAL) + b"".join(struct.pack(">H", len(part)) + part for part in parts)
