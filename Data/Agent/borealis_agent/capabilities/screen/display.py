"""Where the signed-in user's screen is: ``DISPLAY`` and ``XAUTHORITY`` of their session.

An agent that systemd or a scheduler started has neither in its environment; the user's own programs have. Only
processes of one's own account are asked: what somebody else's say is none of our business, nor to be believed.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

NAMES: Final = (
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "XDG_SESSION_TYPE",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
)
SESSION_NAMES: Final = (
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_SESSION_TYPE",
    "XDG_SESSION_ID",
    "XDG_CURRENT_DESKTOP",
    "XDG_RUNTIME_DIR",
)
"""What makes a program part of somebody's desktop session."""
_READ: Final = frozenset(NAMES) | frozenset(SESSION_NAMES)
MAX_ENVIRONMENT: Final = 256 * 1024

NO_SCREEN: Final = (
    "There is no screen here: no program of this user has a DISPLAY. Somebody has to be signed in at a desktop."
)
NO_BUS: Final = (
    "This user's desktop is Wayland, which shows its screen through its portal alone, and no program of theirs names a "
    "session bus to ask it by. Choose an X11 (Xorg) session at sign-in."
)
X_GONE: Final = "The display {display} that this user's programs name is not there any more."


class NoScreen(Exception):
    """There is nothing to take a picture of; the text tells a person why."""


def find_screen(
    own: Mapping[str, str],
    others: Iterable[Mapping[str, str]],
    *,
    sockets: Path = Path("/tmp/.X11-unix"),  # noqa: S108
) -> dict[str, str]:
    """The environment that a program needs to see the screen, or on Wayland to ask for a picture of it.

    Args:
        own: the agent's own environment; it counts first.
        others: environments of the user's programs.
        sockets: where X servers of this machine listen.

    Raises:
        NoScreen: with the reason.
    """
    wayland, portal, gone = False, dict[str, str](), ""
    for environment in _each(own, others):
        display = environment.get("DISPLAY", "")
        if environment.get("XDG_SESSION_TYPE") == "wayland" or (environment.get("WAYLAND_DISPLAY") and not display):
            # An X display there (Xwayland) shows the X programs on black.
            wayland = True
            portal = portal or _by_portal(environment)
        elif display and _is_there(display, sockets):
            return {name: environment[name] for name in NAMES if environment.get(name)}
        elif display:
            gone = display
    if portal:
        return portal
    if wayland:
        raise NoScreen(NO_BUS)
    raise NoScreen(X_GONE.format(display=gone) if gone else NO_SCREEN)


def session_environment(
    own: Mapping[str, str],
    others: Iterable[Mapping[str, str]],
    *,
    sockets: Path = Path("/tmp/.X11-unix"),  # noqa: S108
) -> dict[str, str]:
    """What the agent's own environment lacks of the user's desktop session; empty where it has it, or there is none.

    Args:
        own: the agent's own environment. One that systemd started has it only where the session came before it.
        others: environments of the user's programs, the newest first; asked only if need be.
        sockets: where X servers of this machine listen.
    """
    if own.get("DISPLAY") or own.get("WAYLAND_DISPLAY"):
        return {}
    for environment in others:
        display = environment.get("DISPLAY", "")
        if environment.get("WAYLAND_DISPLAY") or (display and _is_there(display, sockets)):
            return {name: environment[name] for name in SESSION_NAMES if environment.get(name)}
    return {}


def environments_of_mine(proc: Path = Path("/proc")) -> Iterator[dict[str, str]]:
    """The environments of one's own processes that have a display, the newest process first."""
    if sys.platform == "win32":
        return
    me = os.geteuid()
    for _, environment in _environments(proc, lambda uid: uid == me):
        yield environment


def environments_of_all(proc: Path = Path("/proc")) -> Iterator[tuple[int, dict[str, str]]]:
    """Owner and environment of every process that has a display and may be read, the newest process first.

    What somebody else's says is theirs: it holds for what is done as that account, and for nothing else.
    """
    yield from _environments(proc, lambda _uid: True)


def _environments(proc: Path, wanted: Callable[[int], bool]) -> Iterator[tuple[int, dict[str, str]]]:
    numbers = sorted((int(path.name) for path in proc.iterdir() if path.name.isdigit()), reverse=True)
    for number in numbers:
        folder = proc / str(number)
        try:
            uid = folder.stat().st_uid
            if not wanted(uid):
                continue
            with (folder / "environ").open("rb") as file:
                text = file.read(MAX_ENVIRONMENT)
        except OSError:  # it ended, or is not ours to read
            continue
        found = read_environment(text)
        if "DISPLAY" in found or "WAYLAND_DISPLAY" in found:
            yield uid, found


def read_environment(text: bytes) -> dict[str, str]:
    """Those members of a ``/proc/<pid>/environ`` that matter here."""
    found = {}
    for item in text.split(b"\0"):
        name, _, value = item.partition(b"=")
        key = name.decode("ascii", "replace")
        if key in _READ and value:
            found[key] = os.fsdecode(value)
    return found


def _by_portal(environment: Mapping[str, str]) -> dict[str, str]:
    """What is needed to ask a Wayland desktop (``portal``); empty where nothing says how."""
    found = {name: environment[name] for name in NAMES if environment.get(name)}
    folder = found.get("XDG_RUNTIME_DIR", "")
    if "DBUS_SESSION_BUS_ADDRESS" not in found and folder and (Path(folder) / "bus").exists():
        found["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={folder}/bus"
    return {**found, "XDG_SESSION_TYPE": "wayland"} if "DBUS_SESSION_BUS_ADDRESS" in found else {}


def _each(own: Mapping[str, str], others: Iterable[Mapping[str, str]]) -> Iterator[Mapping[str, str]]:
    yield own
    yield from others


def _is_there(display: str, sockets: Path) -> bool:
    host, _, number = display.rpartition(":")
    if host not in {"", "unix"}:
        return True  # of another machine: only trying tells
    return (sockets / f"X{number.partition('.')[0]}").exists()
