"""What is asked of a screen, and what comes back."""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from borealis_wire.screen import ImageFormat, Region

MAX_LISTED_MONITORS: Final = 65
MAX_LISTED_WINDOWS: Final = 256


@dataclass(frozen=True, slots=True)
class PictureAsked:
    """One picture. ``region``: a part of the monitor; ``seconds``: how long to wait for it.

    ``user``: whose screen; empty for the one who sits at the machine, or else the first by name.
    """

    monitor: int = 1
    region: Region | None = None
    format: ImageFormat = ImageFormat.PNG
    quality: int = 80
    seconds: float = 15.0
    user: str = ""


@dataclass(frozen=True, slots=True)
class WatchAsked:
    """A live view. ``rate``: frames a second at most; ``seconds``: it ends by itself after that. ``user``: whose."""

    monitor: int = 1
    rate: float = 10.0
    quality: int = 60
    seconds: int = 1800
    user: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture."""

    data: bytes
    format: ImageFormat


_Pixels = Annotated[int, Meta(ge=-100_000, le=100_000)]
_Text = Annotated[str, Meta(max_length=512)]


class Monitor(msgspec.Struct, frozen=True):
    """A monitor in the pixels of the whole desktop. Number 0 is all of them together."""

    number: Annotated[int, Meta(ge=0, le=64)]
    x: _Pixels
    y: _Pixels
    width: Annotated[int, Meta(ge=0, le=100_000)]
    height: Annotated[int, Meta(ge=0, le=100_000)]


class Window(msgspec.Struct, frozen=True):
    """A top-level window, in the pixels of the whole desktop."""

    id: Annotated[int, Meta(ge=0, le=2**53)]
    title: _Text
    program: _Text = ""
    x: _Pixels = 0
    y: _Pixels = 0
    width: Annotated[int, Meta(ge=0, le=100_000)] = 0
    height: Annotated[int, Meta(ge=0, le=100_000)] = 0
    active: bool = False


class ScreenList(msgspec.Struct, frozen=True):
    """What a signed-in user has in front of them. ``user``: who that is; ``note``: what could not be listed."""

    user: _Text
    monitors: Annotated[list[Monitor], Meta(max_length=MAX_LISTED_MONITORS)]
    windows: Annotated[list[Window], Meta(max_length=MAX_LISTED_WINDOWS)]
    note: _Text = ""


class WindowList(msgspec.Struct, frozen=True):
    """``agent_window_list``, as devices send it."""

    order_id: Annotated[str, Meta(max_length=256)] = ""
    agent_id: Annotated[str, Meta(max_length=512)] = ""
    user: _Text = ""
    monitors: Annotated[list[Monitor], Meta(max_length=MAX_LISTED_MONITORS)] = []
    windows: Annotated[list[Window], Meta(max_length=MAX_LISTED_WINDOWS)] = []
    note: _Text = ""


class Watcher(msgspec.Struct, frozen=True):
    """Somebody who watches live now. ``since``: Unix seconds. ``user``: whose screen, if the agent names one."""

    username: str
    monitor: int
    rate: float
    quality: int
    since: float
    user: str = ""
