"""What is in a folder, what there is at a path, and the small changes: a new folder, something removed."""

import os
import stat
import sys
from typing import Any, Final

from borealis_agent.capabilities.files.faults import FileFault
from borealis_agent.capabilities.files.here import Place
from borealis_agent.capabilities.files.wire import Connection
from borealis_wire import strict_json
from borealis_wire.files import MAX_LISTED, FileAction, FileRefusal, FilesOrder

if sys.platform != "win32":
    import pwd  # now, and not when it is needed: by then this process may be an account that cannot read it

LINE_BYTES: Final = 32 * 1024


def tell_folder(place: Place, connection: Connection, told: dict[str, Any]) -> None:
    """Everything in a folder, as far as it is told. Raises ``FileFault``, ``OSError``."""
    found = place.status()
    if found is None:
        raise FileNotFoundError(2, "")
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, "")
    entries = place.entries()
    first = next(entries, None)  # a folder that may not be read says so now
    connection.tell("opened", **told)
    waiting: list[dict[str, Any]] = []
    size = left_out = count = 0
    while first is not None:
        entry = describe(*first)
        first = next(entries, None)
        count += 1
        if count > MAX_LISTED:
            left_out += 1
            continue
        waiting.append(entry)
        size += len(strict_json.canonical(entry))
        if size > LINE_BYTES:
            connection.tell("entries", entries=waiting)
            waiting, size = [], 0
    if waiting:
        connection.tell("entries", entries=waiting)
    connection.tell("done", left_out=left_out)


def do_small(place: Place, order: FilesOrder, connection: Connection, told: dict[str, Any]) -> None:
    """``stat``, ``mkdir`` and ``remove``. Raises ``FileFault``, ``OSError``."""
    more: dict[str, Any] = {}
    if order.action is FileAction.MKDIR:
        place.make_folder()
    elif order.action is FileAction.REMOVE:
        if not place.is_named:
            raise FileFault(FileRefusal.NO_RIGHT, f"{place.shown} is not removed.")
        place.remove()
    elif order.transfer_id:
        more["partial"] = place.partial_size(order.transfer_id)
    connection.tell("opened", **told)
    found = place.status()
    connection.tell("done", entry=None if found is None else describe(name_of(place), found, None), **more)


def name_of(place: Place) -> str:
    """What it is called, without its folder."""
    return os.path.basename(place.shown)  # noqa: PTH119


def describe(name: str, found: os.stat_result, behind: os.stat_result | None) -> dict[str, Any]:
    """One entry of a folder. ``odd``: its name is no text, and what is told of it does not lead to it."""
    mode = found.st_mode if behind is None else behind.st_mode
    plain = name.encode("utf-8", "replace").decode("utf-8")
    return {
        "name": plain,
        "odd": plain != name,
        "kind": _kind(mode),
        "link": stat.S_ISLNK(found.st_mode),
        "size": found.st_size if behind is None else behind.st_size,
        "modified": found.st_mtime,
        "mode": stat.S_IMODE(mode),
        "owner": owner_of(found.st_uid),
    }


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "other"


_OWNERS: Final[dict[int, str]] = {}


def owner_of(uid: int) -> str:
    """The name of an account; its number where it has none, empty on Windows."""
    if sys.platform != "win32":
        if uid not in _OWNERS:
            try:
                _OWNERS[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                _OWNERS[uid] = str(uid)
        return _OWNERS[uid]
    return ""
