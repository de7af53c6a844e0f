"""Pictures of a Wayland desktop, by its portal (org.freedesktop.portal.Screenshot, version 1 and later). In the child.

There a program sees no screen by itself: it asks the desktop, which may ask the user, and which writes the picture
into a file. The file is read and removed. One picture shows all of the desktop; monitors, windows and live views are
not to be had in this way. Loads jeepney (D-Bus) when it is needed.
"""

import contextlib
import io
import os
import secrets
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

SECONDS: Final = 40.0
"""For the user to answer what the desktop asks them."""
MAX_FILE: Final = 64 * 1024 * 1024
MAX_PIXELS: Final = 100_000_000
"""A dozen of 4K monitors; three bytes of the child's memory each, for a moment."""
_BUS: Final = "org.freedesktop.portal.Desktop"
_PATH: Final = "/org/freedesktop/portal/desktop"
_REQUEST: Final = "org.freedesktop.portal.Request"
_GRANTED, _DENIED = 0, 1

NO_BUS: Final = "This Wayland session has no D-Bus session bus, so its desktop cannot be asked for a picture."
NO_PORTAL: Final = (
    "This Wayland desktop has no portal for screenshots (org.freedesktop.portal.Screenshot). Install "
    "xdg-desktop-portal and the part of it for this desktop, or choose an X11 (Xorg) session at sign-in."
)
DENIED: Final = "The user did not allow the picture."
FAILED: Final = "The desktop's portal ended the request without a picture."
SILENT: Final = (
    "The desktop asked the user whether a picture may be taken, and nobody answered in {seconds:.0f} s. Ask again."
)
NO_FILE: Final = "The desktop's portal named no picture that can be read ({why})."
ONE_PICTURE: Final = "A Wayland desktop gives one picture of all its monitors: ask for monitor 0 or 1."
NOT_LIVE: Final = (
    "A Wayland desktop shows no live view here: each picture goes through its portal and may ask the user. Take single "
    "pictures, or choose an X11 (Xorg) session at sign-in."
)
NOT_LISTED: Final = "A Wayland desktop tells programs neither its monitors nor its windows; a picture shows all of it."


class PortalError(Exception):
    """No picture; the text tells a person why."""


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the session is one whose screen the portal alone shows."""
    wayland = environ.get("XDG_SESSION_TYPE") == "wayland"
    return wayland or ("WAYLAND_DISPLAY" in environ and "DISPLAY" not in environ)


def take_picture(*, seconds: float = SECONDS) -> Any:
    """Ask the desktop for a picture; gives a Pillow image in RGB.

    Args:
        seconds: how long the user may think about it.

    Raises:
        PortalError: with the reason.
    """
    return read_picture(ask_for_file(seconds))


def ask_for_file(seconds: float) -> str:
    """The address of the file that the portal wrote. Raises ``PortalError``."""
    from jeepney.io.blocking import open_dbus_connection

    try:
        connection = open_dbus_connection(bus="SESSION", auth_timeout=5.0)
    except (OSError, KeyError, ValueError, RuntimeError, ConnectionError) as error:
        raise PortalError(NO_BUS) from error
    with contextlib.closing(connection):
        try:
            return _ask(connection, seconds)
        except (OSError, EOFError) as error:
            raise PortalError(f"The session's D-Bus was lost ({type(error).__name__}). Try again.") from error


def _ask(connection: Any, seconds: float) -> str:
    from jeepney import DBusAddress, HeaderFields, MatchRule, MessageType, message_bus, new_method_call
    from jeepney.io.blocking import Proxy

    deadline = time.monotonic() + seconds
    rule = MatchRule(type="signal", interface=_REQUEST, member="Response")
    Proxy(message_bus, connection, timeout=5.0).AddMatch(rule)
    options = {
        "handle_token": ("s", f"borealis{secrets.token_hex(8)}"),
        "interactive": ("b", False),
        "modal": ("b", False),
    }
    portal = DBusAddress(_PATH, bus_name=_BUS, interface="org.freedesktop.portal.Screenshot")
    with connection.filter(rule, bufsize=16) as answers:
        try:
            said = connection.send_and_get_reply(
                new_method_call(portal, "Screenshot", "sa{sv}", ("", options)), timeout=seconds
            )
        except TimeoutError as error:
            raise PortalError(SILENT.format(seconds=seconds)) from error
        if said.header.message_type is not MessageType.method_return:
            raise PortalError(NO_PORTAL)
        handle, owner = said.body[0], said.header.fields.get(HeaderFields.sender)
        while True:
            try:
                answer = connection.recv_until_filtered(answers, timeout=max(deadline - time.monotonic(), 0.0))
            except TimeoutError as error:
                request = DBusAddress(handle, bus_name=_BUS, interface=_REQUEST)
                connection.send(new_method_call(request, "Close"))  # the question goes away again
                raise PortalError(SILENT.format(seconds=seconds)) from error
            fields = answer.header.fields
            if fields.get(HeaderFields.path) == handle and fields.get(HeaderFields.sender) == owner:
                return _uri_of(answer.body)


def _uri_of(body: Any) -> str:
    code, results = body
    if code != _GRANTED:
        raise PortalError(DENIED if code == _DENIED else FAILED)
    kind, uri = results.get("uri", ("", None))
    if kind != "s" or not isinstance(uri, str):
        raise PortalError(NO_FILE.format(why="it gave no address"))
    return uri


def read_picture(uri: str) -> Any:
    """Read the picture that the portal wrote for us, and remove it. Raises ``PortalError``."""
    from PIL import Image

    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise PortalError(NO_FILE.format(why="its address is no file"))
    path = Path(unquote(parts.path))
    try:
        data = _take(path)
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise PortalError(NO_FILE.format(why="it is larger than any screen"))
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PortalError(NO_FILE.format(why=str(error) or type(error).__name__)) from error


def _take(path: Path) -> bytes:
    """The bytes of a file of this user's own; a link, a device or somebody else's file is left alone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise ValueError("it is not a file of this user's")
        try:
            data = file.read(MAX_FILE + 1)
        finally:
            path.unlink(missing_ok=True)
    if len(data) > MAX_FILE:
        raise ValueError("the file is too large")
    return data
