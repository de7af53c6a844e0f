"""Commands about files of a device: look into a folder, and copy both ways."""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from borealis_cli.client import EngineClient
from borealis_cli.errors import USAGE, CliError
from borealis_cli.file_copy import Copier, Told
from borealis_cli.lookups import find_device
from borealis_cli.options import Json, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import clean

_REMOTE: Final = re.compile(r"([^/\\:]{2,}):(.*)", re.DOTALL)
"""A device and a path. One letter is a drive of this machine."""
_NAME: Final = re.compile(r"[^/\\\0]+")

User = Annotated[str, typer.Option("--user", "-u", help="The account on the device; else the agent's own.")]


def ls(
    ctx: typer.Context,
    where: Annotated[str, typer.Argument(metavar="DEVICE:PATH", help="Without a path, the account's home.")],
    user: User = "",
    everything: Annotated[bool, typer.Option("--all", "-a", help="Hidden ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List a folder of a device."""
    around = surroundings(ctx)
    name, path = _remote(where) or (where, "")
    with engine(ctx) as client:
        answer = _copier(around, client, name, user).listed(path)
    if as_json:
        print_json(around, answer)
        return
    shown = [one for one in answer["entries"] if everything or not one["name"].startswith(".")]
    rows = [
        [
            stat.filemode(_BITS.get(one["kind"], 0) | one["mode"]),
            one["owner"],
            one["size"] if one["kind"] == "file" else "",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(one["modified"])),
            clean(one["name"]) + ("/" if one["kind"] == "folder" else "") + (" (a link)" if one["link"] else ""),
        ]
        for one in shown
    ]
    show_table(around.out, ["Mode", "Owner", "Bytes", "Changed", "Name"], rows, empty="The folder is empty.")
    if answer["left_out"]:
        around.note(f"{answer['left_out']} more are not shown.")


_BITS: Final = {"file": stat.S_IFREG, "folder": stat.S_IFDIR}


def cp(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="SOURCE... TARGET", help="One side as DEVICE:PATH.")],
    user: User = "",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders, and all in them.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
) -> None:
    """Copy files to a device, or from one. Goes on by itself after a cut, and when it is said again."""
    around = surroundings(ctx)
    if len(paths) < 2:
        raise CliError("Say what is copied, and where to.", USAGE)
    *sources, target = paths
    to = _remote(target)
    froms = [_remote(one) for one in sources]
    if (to is None) != all(froms) or (to is not None and any(froms)):
        raise CliError("Either the sources are on a device or the target is, as DEVICE:PATH.", USAGE)
    with engine(ctx) as client, _progress(around) as progress:
        if to is not None:
            job = _Job(_copier(around, client, to[0], user, overwrite=overwrite), progress, around, recursive=recursive)
            for one in sources:
                job.up(Path(one), to[1], many=len(sources) > 1)
        else:
            for found in froms:
                assert found is not None
                copier = _copier(around, client, found[0], user, overwrite=overwrite)
                job = _Job(copier, progress, around, recursive=recursive)
                job.down(found[1], Path(target), many=len(sources) > 1)


class _Job:
    """What one command copies."""

    def __init__(self, copier: Copier, progress: Progress, around: Surroundings, *, recursive: bool) -> None:
        self._copier = copier
        self._progress = progress
        self._around = around
        self._recursive = recursive

    def up(self, source: Path, path: str, *, many: bool) -> None:
        """Bring a file or folder. Raises ``CliError``."""
        there = self._copier.there(path)
        if not path or path.endswith("/") or (there is not None and there["kind"] == "folder"):
            path = _below(path, source.resolve().name)
        elif many:
            raise CliError(f"{clean(path)} is no folder, and several files do not go into one.")
        if not source.is_dir():
            self._copier.up(source, path, self._bar(source.name))
            return
        self._check_recursive(source)
        for folder, folders, names in os.walk(source):
            below = Path(folder).relative_to(source).as_posix()
            at = path if below == "." else _below(path, below)
            self._copier.make_folder(at)
            folders.sort()
            for name in sorted(names):
                file = Path(folder, name)
                if file.is_symlink() or not file.is_file():
                    self._around.note(f"{clean(file)} is left out: no plain file.")
                else:
                    self._copier.up(file, _below(at, name), self._bar(name))

    def down(self, path: str, target: Path, *, many: bool) -> None:
        """Fetch a file or folder. Raises ``CliError``."""
        there = self._copier.there(path)
        if there is None:
            raise CliError(f"There is no {clean(path)} on the device.")
        if target.is_dir():
            target /= _name(there["name"] or "files")
        elif many:
            raise CliError(f"{clean(target)} is no folder, and several files do not go into one.")
        if there["kind"] == "folder":
            self._check_recursive(path)
            self._folder_down(path, target)
        else:
            self._copier.down(path, target, self._bar(target.name))

    def _folder_down(self, path: str, target: Path) -> None:
        answer = self._copier.listed(path)
        try:
            target.mkdir(exist_ok=True)
        except OSError as error:
            raise CliError(f"{clean(target)}: {error.strerror or error}.") from error
        if answer["left_out"]:
            self._around.note(f"{clean(path)}: {answer['left_out']} more are left out.")
        for one in answer["entries"]:
            at = _below(path or "~", str(one["name"]))
            if one["odd"] or one["link"] or one["kind"] == "other" or _NAME.fullmatch(one["name"]) is None:
                self._around.note(f"{clean(at)} is left out: no plain file.")
            elif one["kind"] == "folder":
                self._folder_down(at, target / _name(one["name"]))
            else:
                self._copier.down(at, target / _name(one["name"]), self._bar(str(one["name"])))

    def _check_recursive(self, what: object) -> None:
        if not self._recursive:
            raise CliError(f"{clean(what)} is a folder. Say -r to copy all of it.")

    def _bar(self, name: str) -> Told:
        bar = self._progress.add_task(clean(name), total=None)

        def told(done: int, size: int) -> None:
            self._progress.update(bar, completed=done, total=size)

        return told


def _remote(text: str) -> tuple[str, str] | None:
    found = _REMOTE.fullmatch(text)
    return None if found is None else (found[1], found[2])


def _copier(around: Surroundings, client: EngineClient, name: str, user: str, *, overwrite: bool = False) -> Copier:
    return Copier(around, client, str(find_device(client, name)["guid"]), user, overwrite=overwrite)


def _below(folder: str, name: str) -> str:
    return f"{folder.rstrip('/') or ('/' if folder else '')}/{name}".replace("//", "/") if folder else name


def _name(name: str) -> str:
    """A name that a device told, as one of ours. Raises ``CliError``."""
    if _NAME.fullmatch(name) is None or name in {".", ".."} or (os.name == "nt" and ":" in name):
        raise CliError(f"{clean(name)!r} cannot be the name of a file here.")
    return name


@contextmanager
def _progress(around: Surroundings) -> Iterator[Progress]:
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = around.console_of(around.stderr)
    with Progress(*columns, console=console, disable=not around.stderr.isatty()) as progress:
        yield progress
