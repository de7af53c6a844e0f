"""One file to a device, or from one: over as many connections as it takes, and checked when it is there."""

import contextlib
import glob
import hashlib
import os
import random
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from borealis_base.backoff import Backoff
from borealis_cli.client import PATIENCE_SECONDS, EngineClient, segment
from borealis_cli.errors import CliError, Refusal, Unreachable
from borealis_cli.surroundings import Surroundings
from borealis_cli.text import clean

PIECE: Final = 256 * 1024
PASSING: Final = frozenset(
    {"files_cut", "files_connect_failed", "files_busy", "tunnel_down", "not_connected", "interrupted", "rate_limited"}
)
"""Codes after which the same is tried again."""
_VERSION: Final = re.compile(r'"([0-9a-f-]{1,128})"')

Told = Callable[[int, int], None]
"""Hears how many bytes there are, of how many."""


class Copier:
    """Files of one device, as one account."""

    def __init__(self, around: Surroundings, client: EngineClient, guid: str, user: str, *, overwrite: bool) -> None:
        self._around = around
        self._client = client
        self._at = f"/api/files/{segment(guid)}"
        self._user = user
        self._overwrite = overwrite

    def listed(self, path: str) -> dict[str, Any]:
        """What is in a folder. Raises ``CliError``."""
        return self._get("", path)

    def there(self, path: str) -> dict[str, Any] | None:
        """What is at a path; None for nothing. Raises ``CliError``."""
        found: dict[str, Any] | None = self._get("/upload", path)["there"]
        return found

    def make_folder(self, path: str) -> None:
        """Make a folder where there is none. Raises ``CliError``."""
        try:
            self._client.post(f"{self._at}/folders", {"path": path, "user": self._user})
        except Refusal as no:
            if no.code != "files_exists":
                raise

    def _get(self, below: str, path: str, **more: Any) -> dict[str, Any]:
        params = {"path": path, "user": self._user, **more}
        return self._client.request("GET", f"{self._at}{below}", params=params)

    def up(self, source: Path, path: str, told: Told) -> None:
        """Bring a file to this path. Raises ``CliError``."""
        try:
            file = source.open("rb")
        except OSError as error:
            raise _failed(source, error) from error
        with file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise CliError(f"{clean(source)} is no plain file.")
            size = found.st_size
            named = f"{source.resolve()}\0{size}\0{found.st_mtime_ns}\0{path}"
            asked = {"transfer": hashlib.sha256(os.fsencode(named)).hexdigest()[:32], "size": size}
            whole = hashlib.file_digest(file, "sha256").hexdigest()
            more = {"sha256": whole, "mode": stat.S_IMODE(found.st_mode) & 0o777, "overwrite": self._overwrite}

            def attempt() -> bool:
                offset = int(self._get("/upload", path, **asked)["offset"])
                file.seek(offset)
                told(offset, size)
                body = _body(file, offset, size, told)
                params = {"path": path, "user": self._user, **asked, **more, "offset": offset}
                return bool(self._client.send(f"{self._at}/content", params, body, size - offset)["whole"])

            self._persist(attempt, file.tell)

    def down(self, path: str, target: Path, told: Told) -> None:
        """Fetch a file to this place. Raises ``CliError``."""
        if target.exists() and not self._overwrite:
            raise CliError(f"{clean(target)} is there already. Say --overwrite to replace it.")
        coming = _Coming(target, f"{self._at}\0{path}\0{self._user}")
        try:
            self._persist(lambda: self._fetch(path, coming, told), lambda: coming.size)
            coming.put()
        except OSError as error:
            raise _failed(target, error) from error

    def _fetch(self, path: str, coming: "_Coming", told: Told) -> bool:
        # The last byte comes again: a range that begins at the end of a file is none.
        have = max(coming.size - 1, 0)
        headers = {"Range": f"bytes={have}-", "If-Range": f'"{coming.version}"'} if have else {}
        params = {"path": path, "user": self._user}
        with self._client.stream(f"{self._at}/content", params=params, headers=headers) as answer:
            version = _VERSION.fullmatch(answer.headers.get("etag", ""))
            length = answer.headers.get("content-length", "")
            if version is None or not length.isdigit():
                raise Unreachable("What answers is no Borealis Engine of this version.")
            have = have if answer.status_code == 206 else 0
            size = have + int(length)
            with coming.open(version[1], have) as file:
                told(have, size)
                for piece in answer.iter_raw(PIECE):
                    file.write(piece)
                    coming.size += len(piece)
                    told(coming.size, size)
            transfer = answer.headers.get("x-borealis-transfer", "")
        if coming.size != size:
            raise Unreachable("The connection ended too early.")
        whole = self._client.get(f"/api/transfers/{segment(transfer)}/digest")["sha256"]
        if whole != coming.digest():
            coming.drop()
            raise CliError(f"{clean(path)} did not arrive as it is on the device; it may have changed. Try again.")
        return True

    def _persist(self, attempt: Callable[[], bool], reached: Callable[[], int]) -> None:
        """Try until it is done; patience begins anew with each byte that came further."""
        backoff, best, waited = Backoff(first=0.5, longest=10.0), -1, 0.0
        failure: CliError
        while True:
            try:
                if attempt():
                    return
                failure = CliError("Not all of it arrived.")
            except Unreachable as error:
                failure = error
            except Refusal as no:
                is_passing = no.code in PASSING or no.http_status in {502, 503, 504}
                if not is_passing and not (no.http_status == 401 and self._client.renew()):
                    raise
                failure = no
            if reached() > best:
                backoff, best, waited = Backoff(first=0.5, longest=10.0), reached(), 0.0
            elif waited >= PATIENCE_SECONDS:
                raise failure
            else:
                self._around.note(f"({failure.sentence} Going on.)")
            pause = backoff.next_delay(random.Random())  # noqa: S311  spreads load, guards nothing
            waited += pause
            self._around.sleep(pause)


class _Coming:
    """A file that is not whole yet, beside its place. Its name says which version of which file it is of."""

    def __init__(self, target: Path, what: str) -> None:
        self._target = target
        mark = hashlib.sha256(os.fsencode(what)).hexdigest()[:16]
        self._stem = f".borealis-{mark}"
        self.version, self.size = "", 0
        for found in target.parent.glob(f"{glob.escape(self._stem)}-*.part"):
            self.version = found.name[len(self._stem) + 1 : -len(".part")]
            self.size = found.stat().st_size

    @property
    def _path(self) -> Path:
        return self._target.parent / f"{self._stem}-{self.version}.part"

    @contextlib.contextmanager
    def open(self, version: str, have: int) -> Iterator[Any]:
        """To be written from ``have`` on. Raises ``OSError``."""
        if version != self.version:
            self.drop()
            self.version = version
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._path, flags, 0o600), "wb", buffering=0) as file:
            file.truncate(have)
            file.seek(have)
            self.size = have
            yield file

    def digest(self) -> str:
        """Of all that is there. Raises ``OSError``."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def drop(self) -> None:
        """Forget what is there."""
        if self.version:
            self._path.unlink(missing_ok=True)
        self.size = 0

    def put(self) -> None:
        """It takes its place. Raises ``OSError``."""
        if os.name == "posix":
            mask = os.umask(0o022)
            os.umask(mask)
            self._path.chmod(0o666 & ~mask)
        self._path.replace(self._target)


def _body(file: Any, offset: int, size: int, told: Told) -> Iterator[bytes]:
    while offset < size:
        piece = file.read(min(PIECE, size - offset))
        if not piece:
            raise CliError("The file was made shorter while it was sent.")
        yield piece
        offset += len(piece)
        told(offset, size)


def _failed(path: Path, error: OSError) -> CliError:
    return CliError(f"{clean(path)}: {error.strerror or error}.")
