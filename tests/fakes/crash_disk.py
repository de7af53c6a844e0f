"""A disk in memory that crashes or fails at a chosen step, and shows what a reboot would find."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Choose = Callable[[int, int], int]
"""``choose(low, high)``: a number from ``low`` to ``high``, both included."""


class Crashed(BaseException):
    """The process is gone at this very step."""


@dataclass
class _Inode:
    data: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    """What was there at the last sync."""


class CrashDisk:
    """Implements ``outbox.disk.Disk``. Steps count from 1; ``crash_at`` 0 means never."""

    def __init__(
        self,
        *,
        crash_at: int = 0,
        fail_at: frozenset[int] = frozenset(),
        choose: Choose | None = None,
        renames_open_files: bool = True,
    ) -> None:
        self.renames_open_files = renames_open_files
        self.crash_at = crash_at
        self.fail_at = fail_at
        self.full = False
        self.steps = 0
        self.syncs = 0
        self._choose = choose or (lambda low, _high: low)
        self._names: dict[str, _Inode] = {}
        self._durable_names: dict[str, _Inode] = {}
        self._unsynced: list[tuple[str, str | None, _Inode | None]] = []
        self._handles: dict[int, _Inode] = {}
        self._next = 3

    def reboot(self, *, power_loss: bool, crash_at: int = 0, choose: Choose | None = None) -> "CrashDisk":
        """The disk as the next life of the agent finds it.

        A killed process loses nothing that it wrote. A power cut keeps what was synced, and of the rest some
        beginning, of bytes as of renames.
        """
        after = CrashDisk(crash_at=crash_at, choose=choose or self._choose, renames_open_files=self.renames_open_files)
        if not power_loss:
            after._names = {name: _Inode(inode.data[:], inode.durable) for name, inode in self._names.items()}
        else:
            names = dict(self._durable_names)
            for kind, name, inode in self._unsynced[: self._choose(0, len(self._unsynced))]:
                if kind == "set" and name is not None and inode is not None:
                    names[name] = inode
                elif name is not None:
                    names.pop(name, None)
            after._names = {name: _Inode(self._survived(inode)) for name, inode in names.items()}
        for inode in after._names.values():
            inode.durable = bytes(inode.data)
        after._durable_names = dict(after._names)
        return after

    def _survived(self, inode: _Inode) -> bytearray:
        data, durable = bytes(inode.data), inode.durable
        if not data.startswith(durable):
            return bytearray(data if self._choose(0, 1) else durable)
        more = data[len(durable) :]
        kept = self._choose(0, len(more))
        hole = b"\0" * min(len(more) - kept, self._choose(0, 1) * 64)  # the size may arrive before the bytes
        return bytearray(durable + more[:kept] + hole)

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.crash_at:
            raise Crashed
        if self.full or self.steps in self.fail_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    # --- Disk

    def read(self, path: Path) -> bytes:
        inode = self._names.get(str(path))
        if inode is None:
            raise FileNotFoundError(str(path))
        return bytes(inode.data)

    def open(self, path: Path) -> int:
        self._step()
        name = str(path)
        if name not in self._names:
            self._set(name, _Inode())
        self._next += 1
        self._handles[self._next] = self._names[name]
        return self._next

    def append(self, handle: int, data: bytes) -> None:
        inode = self._handles[handle]
        try:
            self._step()
        except (Crashed, OSError):
            inode.data += data[: self._choose(0, len(data))]
            raise
        inode.data += data

    def read_at(self, handle: int, offset: int, size: int) -> bytes:
        return bytes(self._handles[handle].data[offset : offset + size])

    def truncate(self, handle: int, size: int) -> None:
        self._step()
        inode = self._handles[handle]
        del inode.data[size:]

    def sync(self, handle: int) -> None:
        self._step()
        self.syncs += 1
        inode = self._handles[handle]
        inode.durable = bytes(inode.data)

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        ends = [self._names.get(str(path)) for path in (source, target)]
        if not self.renames_open_files and any(inode is end for inode in self._handles.values() for end in ends):
            raise PermissionError(errno.EACCES, "Sharing violation")
        inode = self._names.pop(str(source))
        self._unsynced.append(("drop", str(source), None))
        self._set(str(target), inode)

    def sync_folder(self, folder: Path) -> None:
        del folder
        self._step()
        self._durable_names = dict(self._names)
        self._unsynced.clear()

    def remove(self, path: Path) -> None:
        if str(path) in self._names:
            self._step()
            del self._names[str(path)]
            self._unsynced.append(("drop", str(path), None))

    def modified_at(self, path: Path) -> float:
        if str(path) not in self._names:
            raise FileNotFoundError(str(path))
        return 0.0

    def names(self, folder: Path) -> list[str]:
        return [Path(name).name for name in self._names if Path(name).parent == folder]

    # --- for tests

    def overwrite(self, path: Path, data: bytes) -> None:
        """Somebody puts other bytes there."""
        inode = _Inode(bytearray(data), data)
        self._names[str(path)] = self._durable_names[str(path)] = inode

    def delete(self, path: Path) -> None:
        """Somebody deletes the file."""
        self._names.pop(str(path), None)
        self._durable_names.pop(str(path), None)

    def _set(self, name: str, inode: _Inode) -> None:
        self._names[name] = inode
        self._unsynced.append(("set", name, inode))
