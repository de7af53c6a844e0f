"""Which screen an operator is shown: whose, and how a program of that user's reaches it.

What programs say of their display is believed for their own account alone: what looks at it runs as that account. Who
sits at the machine is the word of the system (logind) where there is one, then of who owns the X server.
"""

import socket
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_agent.capabilities.screen.display import NO_BUS, NoScreen, environments_of_all, find_screen

FIRST_PERSON: Final = 1000
NOBODY: Final = frozenset({65534, 65535})
NO_SCREEN: Final = "No screen of this device shows anything that could be watched: nobody is signed in at a desktop."
WAYLAND: Final = (
    "The desktop of this device is Wayland, which no VNC server can show. Choose an X11 (Xorg) session at sign-in, or "
    "open a desktop of its own."
)
_SOCKETS: Final = Path("/tmp/.X11-unix")  # noqa: S108


class NoDesktop(Exception):
    """There is no desktop to be had: a word for programs, and a sentence for the operator."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of this machine. ``environment``: what a program of ``uid`` needs to see it."""

    uid: int
    environment: Mapping[str, str]

    @property
    def display(self) -> str:
        """As ``:0``."""
        return self.environment["DISPLAY"]


def find(
    programs: Iterable[tuple[int, Mapping[str, str]]],
    *,
    uid: int | None,
    seated: int | None,
    own: frozenset[str],
    server_uid: Callable[[str], int | None],
) -> Screen:
    """The screen to show.

    Args:
        programs: owner and environment of each program that has a display, the newest first.
        uid: whose screen; None for whoever is at the machine.
        seated: who is at the machine, by the system's word; None where it has none.
        own: displays of desktops that we began ourselves: nobody is at those.
        server_uid: who runs the X server of a display; None where that is not known.

    Raises:
        NoDesktop: ``no_screen`` or ``unsupported``.
    """
    by_uid: dict[int, list[Mapping[str, str]]] = {}
    for owner, environment in programs:
        display = environment.get("DISPLAY", "")
        # A display of another machine (as ``ssh -X`` gives one) is no screen of this device.
        if not display or (_number(display) and _number(display) not in own):
            by_uid.setdefault(owner, []).append(environment)
    turns = [[uid]] if uid is not None else [[] if seated is None else [seated], list(by_uid)]
    for wanted in turns:
        found, wayland = list[Screen](), False
        for each in wanted:
            environment = _screen_of(by_uid.get(each, []))
            if environment.get("XDG_SESSION_TYPE") == "wayland":
                wayland = True
            elif environment and server_uid(environment["DISPLAY"]) in {None, 0, each}:
                # A server that is somebody else's is a picture that somebody else paints.
                found.append(Screen(each, environment))
        if found:
            return min(found, key=lambda screen: (not is_person(screen.uid), _order(screen.display), screen.uid))
        if wayland:
            raise NoDesktop("unsupported", WAYLAND)
    raise NoDesktop("no_screen", NO_SCREEN)


def _screen_of(environments: list[Mapping[str, str]]) -> dict[str, str]:
    """Empty where there is none; ``XDG_SESSION_TYPE`` says where it is Wayland."""
    try:
        return find_screen({}, environments)
    except NoScreen as error:
        return {"XDG_SESSION_TYPE": "wayland"} if str(error) == NO_BUS else {}


def is_person(uid: int) -> bool:
    """Whether somebody signs in with it, rather than a sign-in screen running as it. Who signs in as root is one."""
    return uid == 0 or (uid >= FIRST_PERSON and uid not in NOBODY)


def screen_here(uid: int | None, own: frozenset[str]) -> Screen:
    """Look at this machine. Blocks for a moment. Raises ``NoDesktop``."""
    return find(environments_of_all(), uid=uid, seated=seated_uid(), own=own, server_uid=server_uid)


def seated_uid(seats: Path = Path("/run/systemd/seats")) -> int | None:
    """Whose session the machine's own screen shows, by logind's word; also that of a sign-in screen."""
    try:
        lines = (seats / "seat0").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    told = dict(line.partition("=")[::2] for line in lines)
    found = told.get("ACTIVE_UID", "")
    return int(found) if found.isdigit() else None


def server_uid(display: str, sockets: Path = _SOCKETS) -> int | None:
    """Who runs the X server of a display of this machine, by the kernel's word; None where it does not say."""
    number = _number(display)
    if sys.platform != "linux" or not number:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2.0)
        try:
            connection.connect(str(sockets / f"X{number}"))
        except OSError:
            return None
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(uid)


def _number(display: str) -> str:
    """``0`` of ``:0.0``; empty where the display is of another machine, or none."""
    host, _, number = display.rpartition(":")
    return number.partition(".")[0] if host in {"", "unix"} else ""


def _order(display: str) -> int:
    number = _number(display)
    return int(number) if number.isdigit() else 1 << 30
