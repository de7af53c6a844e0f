"""The folder of one run: made fresh and private below ``Agent/Temp``, holds script and files, removed afterwards."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_agent.role_api import JobFile
from borealis_base.files import private_folder
from borealis_wire.events import RunContext

PREFIXES: Final[Mapping[RunContext, str]] = {RunContext.SYSTEM: "sj_", RunContext.INTERACTIVE: "usr_"}
"""Two agents may share the folder; each empties it of its own, SYSTEM of everything else as well."""
_UTF8_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with the script and the files of one run; the script starts in it."""

    folder: Path
    script: Path
    files: tuple[Path, ...]

    async def remove(self) -> None:
        """Remove everything in it. Never raises: what is locked now is removed at the next start."""
        try:
            # The usual case, without a thread: the script made no file of its own.
            for path in (self.script, *self.files):
                path.unlink(missing_ok=True)
            self.folder.rmdir()
        except OSError:
            await asyncio.to_thread(_remove_tree, self.folder)


def prepare_temp(temp: Path, prefix: str) -> None:
    """Make ``Agent/Temp`` private, and empty it of what an earlier life of this agent left.

    Raises:
        OSError: it cannot be made.
    """
    if temp.is_symlink():
        temp.unlink()  # never follow what somebody put in our place
    private_folder(temp)
    others = tuple(other for other in PREFIXES.values() if other != prefix)
    for path in list(temp.iterdir()):
        if path.name.startswith(others) or (prefix != PREFIXES[RunContext.SYSTEM] and not path.name.startswith(prefix)):
            continue
        if path.is_dir() and not path.is_symlink():
            _remove_tree(path)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def make_workspace(temp: Path, prefix: str, script: bytes, suffix: str, files: Iterable[JobFile]) -> Workspace:
    """Write script and files into a fresh folder of mode 0700.

    Raises:
        OSError: disk full, read-only, no right; nothing is left.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=temp))
    try:
        files = tuple(files)
        name = _free_name(suffix, {file.name.casefold() for file in files})
        if sys.platform == "win32" and suffix == ".ps1":
            script = _UTF8_BOM + script  # Windows PowerShell takes a file without it for the old code page
        path = _write(folder / name, script)
        return Workspace(folder, path, tuple(_write(folder / file.name, file.data) for file in files))
    except BaseException:
        _remove_tree(folder)
        raise


def _write(path: Path, data: bytes) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return path


def _free_name(suffix: str, taken: set[str]) -> str:
    name, count = f"script{suffix}", 1
    while name in taken:
        name, count = f"script-{count}{suffix}", count + 1
    return name


def _remove_tree(folder: Path) -> None:
    """Remove a tree also where a script took away its own rights; links are removed, never followed."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for path, folders, files in os.walk(folder):
            # A read-only file keeps itself from being removed on Windows; elsewhere its folder does.
            for name in (".", *folders, *(files if sys.platform == "win32" else ())):
                with contextlib.suppress(OSError):
                    inner = Path(path) / name
                    if not inner.is_symlink():
                        inner.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
