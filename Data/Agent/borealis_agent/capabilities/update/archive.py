"""Unpack an agent's package: digest first, then plain files under plain names and nothing else. Runs in a child.

Standard library only: the child is started without site packages.
"""

import gzip
import hashlib
import os
import re
import sys
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

MAX_FILES: Final = 5000
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_NAME: Final = 200
_PIECE: Final = 64 * 1024
# One name in all systems: no drive, no stream, no short name, nothing that a shell or a person could misread.
_PART: Final = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]", re.ASCII)


class BadPackage(Exception):
    """It is not what was signed, or holds what no package of ours does."""


def unpack(package: Path, folder: Path, *, sha256: str, size: int) -> int:
    """Verify and unpack; gives the number of files.

    Args:
        package: the archive.
        folder: where to; must not be there yet. What was unpacked before an error stays, for the caller to delete.
        sha256: of the whole archive.
        size: of the whole archive.

    Raises:
        BadPackage: nothing outside of ``folder`` was touched.
        OSError: disk full, no right.
    """
    with package.open("rb") as file:
        _check(file, sha256, size)
        file.seek(0)
        folder.mkdir(mode=0o700)
        try:
            with gzip.GzipFile(fileobj=file) as plain:
                stream: Any = _Bounded(plain)  # of a file's methods the archive's reader asks for one
                with tarfile.open(fileobj=stream, mode="r|") as archive:
                    return _unpack_all(archive, folder)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError) as error:
            raise BadPackage(f"it cannot be read ({str(error) or type(error).__name__})") from error


def safe_path(name: str) -> tuple[str, ...]:
    """The parts of a member's name.

    Raises:
        BadPackage: absolute, upwards, or with anything else than plain letters, digits, dots, dashes and underscores.
    """
    parts = tuple(name.split("/"))
    if len(name) > MAX_NAME or not all(_PART.fullmatch(part) for part in parts):
        raise BadPackage(f"a file has the name {name[:MAX_NAME]!r}")
    return parts


def _check(file: BinaryIO, sha256: str, size: int) -> None:
    digest, seen = hashlib.sha256(), 0
    while piece := file.read(_PIECE):
        seen += len(piece)
        if seen > size:
            break
        digest.update(piece)
    if seen != size or digest.hexdigest() != sha256:
        raise BadPackage("it is not the package that was signed")


def _unpack_all(archive: tarfile.TarFile, folder: Path) -> int:
    seen: set[str] = set()
    for member in archive:
        if not member.isreg() or member.issparse():
            raise BadPackage(f"{member.name[:MAX_NAME]!r} is no plain file")
        parts = safe_path(member.name)
        # As a system that ignores case sees it: there one file would silently take the other's place.
        key = member.name.casefold()
        if key in seen or len(seen) >= MAX_FILES or member.size > MAX_FILE_BYTES:
            raise BadPackage(f"{member.name!r} is there twice, is too large, or is one file too many")
        seen.add(key)
        _write(archive, member, folder.joinpath(*parts))
    return len(seen)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        raise BadPackage(f"{member.name!r} has no content")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    # Never the mode that stands in the archive: nothing of a package is run before it was staged.
    with os.fdopen(os.open(path, flags, 0o600), "wb") as target:
        while piece := source.read(_PIECE):
            target.write(piece)


class _Bounded:
    """What comes out of the decompressor, up to a bound: whatever it claims, no more is ever held or written."""

    def __init__(self, source: gzip.GzipFile) -> None:
        self._source = source
        self._left = MAX_BYTES

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes. Raises ``BadPackage`` beyond the bound."""
        data = self._source.read(min(size, _PIECE) if size >= 0 else _PIECE)
        self._left -= len(data)
        if self._left < 0:
            raise BadPackage(f"it holds more than {MAX_BYTES} bytes")
        return data


def main(words: Sequence[str]) -> int:
    """``PACKAGE FOLDER SHA256 SIZE``: one sentence on standard error where it is refused."""
    package, folder, sha256, size = words
    try:
        unpack(Path(package), Path(folder), sha256=sha256, size=int(size))
    except BadPackage as error:
        sys.stderr.write(f"The package was refused: {error}.\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"The package could not be unpacked: {error}.\n")
        return 1
    return 0
