"""What is asked about files of a device, and what is told of them."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from borealis_engine.operators.permissions import Principal
from borealis_wire.files import KEEP_MODE


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. ``host``: what they called the Engine by; ``address``: theirs."""

    principal: Principal
    host: str
    address: str


@dataclass(frozen=True, slots=True)
class WhereAsked:
    """A path, and the account whose rights apply; an empty one is the agent's own."""

    path: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class ReadAsked(WhereAsked):
    """A file to fetch, from ``offset`` on if it still is ``version``; without one, whatever it is now."""

    offset: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class WriteAsked(WhereAsked):
    """A file to bring. ``transfer`` is the caller's name of it, by which it is gone on with; ``sha256`` of the whole
    file, where it is known; ``mode`` in permission bits, or what there is.
    """

    transfer: str = ""
    offset: int = 0
    size: int = 0
    sha256: str = ""
    mode: int = KEEP_MODE
    overwrite: bool = False


class FolderEntry(msgspec.Struct, frozen=True):
    """One thing in a folder, as the device tells it.

    ``odd``: its name is no text, so that it cannot be asked for. ``link``: it is a link, and the rest tells of what it
    leads to. ``size`` in bytes, ``modified`` in Unix seconds, ``mode`` the permission bits.
    """

    name: Annotated[str, Meta(max_length=1024)]
    odd: bool
    kind: Literal["file", "folder", "other"]
    link: bool
    size: Annotated[int, Meta(ge=0)]
    modified: float
    mode: Annotated[int, Meta(ge=0, le=0o7777)]
    owner: Annotated[str, Meta(max_length=256)]


class Folder(msgspec.Struct, frozen=True):
    """A folder. ``path`` is without links, ``user`` the account; ``left_out``: entries that there are beside these."""

    path: str
    user: str
    entries: list[FolderEntry]
    left_out: int


class UploadStand(msgspec.Struct, frozen=True):
    """Where an upload stands. ``offset``: bytes that the device has of it, from where it is gone on with; ``there``:
    what is at its path now, null for nothing.
    """

    path: str
    user: str
    offset: int
    there: FolderEntry | None


class TransferRow(msgspec.Struct, frozen=True):
    """A transfer under way. ``since`` in Unix seconds; ``down``: from the device."""

    transfer_id: str
    guid: str
    hostname: str
    username: str
    user: str
    path: str
    down: bool
    since: float
    done: int
    size: int
