"""Orders about files of a device: what an operator may ask for, to bytes and back. Shape only, like ``orders``.

Each order is for one connection. The device answers ``opened`` with what it found, or ``refused``; then:

- ``list``: lines ``entries`` ``{entries}`` and at last ``done`` ``{left_out}``.
- ``stat``, ``mkdir``, ``remove``: ``done`` with what there is now.
- ``read``: as many plain bytes as ``opened`` said, from ``offset`` on; then ``done`` ``{part, whole}``, the SHA-256 of
  what was sent and of the whole file.
- ``write``: the Engine sends the plain bytes from ``offset`` to ``size``, then ``end`` ``{part}``, the SHA-256 of
  these; the device answers ``done`` when the file is in its place, or ``refused``, also in between.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from borealis_wire.entry import EntryKind, EntryOrderBase
from borealis_wire.envelope import FILES_TYPE
from borealis_wire.limits import KIB
from borealis_wire.members import malformed, order_of, text_of, whole_of

FILES_PORT: Final = 47003
"""``BOREALIS_FILES_PORT`` names another."""
FILES_ORDER_SECONDS: Final = 60
"""How long an order may be begun. A transfer may take as long as it takes."""
MAX_PATH: Final = 4096
"""Bytes of a path, in UTF-8."""
MAX_FILE_BYTES: Final = 2**43
"""8 TiB: more is a mistake."""
MAX_MODE: Final = 0o777
KEEP_MODE: Final = -1
"""As ``mode``: that of the file that is replaced, or what the account's new files have."""
MAX_LISTED: Final = 20_000
"""Entries of a folder that are told; of one with more, the first in the order of their names."""
PARTIAL_SECONDS: Final = 7 * 24 * 3600
"""So long a file that did not arrive whole is kept for its operator to go on with."""
MAX_ORDER_BYTES: Final = 32 * KIB
_HEX: Final = frozenset("0123456789abcdef")


class FileAction(StrEnum):
    """What is done. ``STAT`` tells of one path, and how much of a transfer is there already."""

    LIST = "list"
    STAT = "stat"
    READ = "read"
    WRITE = "write"
    MKDIR = "mkdir"
    REMOVE = "remove"


class FileRefusal(StrEnum):
    """Why a device does not do it."""

    NOT_FOUND = "not_found"
    NO_RIGHT = "no_right"
    IS_FOLDER = "is_folder"
    NOT_FOLDER = "not_folder"
    NOT_PLAIN = "not_plain"
    """A device, a pipe, a socket: nothing to be read or written as a file."""
    EXISTS = "exists"
    NOT_EMPTY = "not_empty"
    NO_SPACE = "no_space"
    READ_ONLY = "read_only"
    TOO_LONG = "too_long"
    UNSAFE_LINK = "unsafe_link"
    """The agent's own account would follow a link that another account made."""
    CHANGED = "changed"
    """There is less of it there than the order goes on from."""
    DIGEST_MISMATCH = "digest_mismatch"
    NO_ACCOUNT = "no_account"
    UNSUPPORTED = "unsupported"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FilesOrder(EntryOrderBase):
    """One connection about files of one device. Times are Unix seconds.

    Attributes:
        order_id: unique; no order is followed twice.
        asked_by: the operator's name.
        action: what is done.
        path: absolute, or from the account's home on; empty for the home itself.
        user: the account whose rights apply; empty for the one that the agent runs as.
        offset: of ``read`` and ``write``: the byte to go on from.
        size: of ``write``: how large the file is when it is whole.
        version: of ``read``: go on from ``offset`` only if the file still is this one, as ``opened`` called it before;
            else from its beginning.
        transfer_id: of ``write`` and ``stat``: 32 hex digits; names what there is of a file that is not whole yet.
        sha256: of ``write``: of the whole file, where it is known; else empty.
        mode: of ``write``: permission bits, or :data:`KEEP_MODE`.
        overwrite: of ``write``: replace a file that is there.
    """

    JOB_ID: ClassVar[str] = "files"

    order_id: str
    device_guid: str
    asked_by: str
    action: FileAction
    issued_at: float
    expires_at: float
    path: str = ""
    user: str = ""
    offset: int = 0
    size: int = 0
    version: str = ""
    transfer_id: str = ""
    sha256: str = ""
    mode: int = KEEP_MODE
    overwrite: bool = False


def parse_files(payload: bytes) -> FilesOrder:
    """Read an order about files.

    Raises:
        Refused: ``malformed``.
    """
    value, issued_at, expires_at = order_of(
        payload, FilesOrder.names(), what="about files", seconds=FILES_ORDER_SECONDS, max_bytes=MAX_ORDER_BYTES
    )
    action = text_of(value, "action")
    if action not in set(FileAction):
        raise malformed(f"action is one of {', '.join(FileAction)}")
    if not isinstance(value["overwrite"], bool):
        raise malformed("overwrite is true or false")
    order = FilesOrder(
        order_id=text_of(value, "order_id"),
        device_guid=text_of(value, "device_guid"),
        asked_by=text_of(value, "asked_by"),
        action=FileAction(action),
        path=text_of(value, "path", least=0, most=MAX_PATH),
        user=text_of(value, "user", least=0),
        offset=whole_of(value, "offset", 0, MAX_FILE_BYTES),
        size=whole_of(value, "size", 0, MAX_FILE_BYTES),
        version=text_of(value, "version", least=0, most=128),
        transfer_id=text_of(value, "transfer_id", least=0, most=32),
        sha256=text_of(value, "sha256", least=0, most=64),
        mode=whole_of(value, "mode", KEEP_MODE, MAX_MODE),
        overwrite=value["overwrite"],
        issued_at=issued_at,
        expires_at=expires_at,
    )
    _check(order)
    return order


def _check(order: FilesOrder) -> None:
    if not is_path(order.path):
        raise malformed(f"path has no zero byte, and {MAX_PATH} bytes at most")
    if order.transfer_id and not is_hex(order.transfer_id, 32):
        raise malformed("transfer_id is 32 hex digits")
    if order.sha256 and not is_hex(order.sha256, 64):
        raise malformed("sha256 is 64 hex digits")
    writes = order.action is FileAction.WRITE
    if writes and (not order.transfer_id or not order.path or order.offset > order.size):
        raise malformed("a file is written to a path, by a transfer, and from a byte within it on")
    if not writes and (order.size or order.sha256 or order.overwrite or order.mode != KEEP_MODE):
        raise malformed("size, sha256, mode and overwrite are for what is written")
    if order.transfer_id and not writes and order.action is not FileAction.STAT:
        raise malformed("transfer_id is for what is written")
    if order.action is not FileAction.READ and (order.version or (order.offset and not writes)):
        raise malformed("version and offset are for what is read")


def is_path(text: str) -> bool:
    """Whether a text can be a path in an order; that there is such a file is another matter."""
    return "\0" not in text and len(text.encode("utf-8", "surrogatepass")) <= MAX_PATH


def is_hex(text: str, digits: int) -> bool:
    """Whether a text is so many lower-case hex digits."""
    return len(text) == digits and set(text) <= _HEX


FILES_ENTRY: Final = EntryKind(FILES_TYPE, parse_files, "files are")
