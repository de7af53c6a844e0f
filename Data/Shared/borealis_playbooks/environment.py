"""Ansible in an environment of its own: installed once from a lock file with hashes, then only looked at.

Owns the folder it is given: ``<key>/`` is a virtual environment with ``collections/`` beside its packages, whole if it
holds ``complete``; a half-made one is made anew. Linux. Raises ``CannotInstall`` with a sentence for people.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

COMPLETE: Final = "complete"
COLLECTIONS: Final = ("ansible/posix", "ansible/windows", "community/general")
DOWNLOAD_MB: Final = 66
ON_DISK_MB: Final = 60
NEEDED_BYTES: Final = 300 * 1024 * 1024
PROGRESS_SECONDS: Final = 2.0
_BUNDLE: Final = "ansible"
_LEFT_OUT: Final = frozenset({"changelogs", "docs", "tests", "LICENSES"})
_NO_NETWORK: Final = re.compile(
    r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError|SSLError"
    r"|Temporary failure in name resolution|Network is unreachable|Connection refused|Could not fetch URL"
    r"|Could not find a version that satisfies|No matching distribution found"
)
_HASHES: Final = re.compile(r"DO NOT MATCH THE HASHES|HashMismatch|hashes are required", re.IGNORECASE)
_FULL: Final = re.compile(r"No space left on device|Disk quota exceeded")

Say = Callable[[str], None]


class CannotInstall(Exception):
    """Ansible cannot be had. The text says why and what to do."""


def lock_file(name: str = "ansible.txt") -> Path:
    """A lock file: beside the staged program, or in the checkout.

    Raises:
        CannotInstall: it is nowhere.
    """
    here = Path(__file__).resolve()
    places = (here.parents[2] / name, here.parents[3] / "requirements" / name)
    for place in places:
        if place.is_file():
            return place
    raise CannotInstall(f"Borealis is incomplete: {places[0]} is missing. Install it again.")


def environment_key(lock: Path, folder: Path) -> str:
    """Names an environment by what it is made from, the lock file and the interpreter, and by where: it cannot move."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    digest = hashlib.sha256(f"{sys.base_prefix}\0{version}\0{folder.resolve()}\0".encode() + lock.read_bytes())
    return f"{version}-{digest.hexdigest()[:12]}"


def ensure_environment(folder: Path, lock: Path, *, say: Say) -> Path:
    """The environment for ``lock``, made unless it is there. It is kept from being removed while this process lives.

    Raises:
        CannotInstall: no network, no room, no venv module, a hash that does not fit.
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = environment_key(lock, folder)
    path = folder / key
    if not (path / COMPLETE).is_file():
        with (folder / f"{key}.lock").open("ab") as turn:
            _wait_for_turn(turn.fileno(), say)
            if not (path / COMPLETE).is_file():
                _install(folder, path, lock, say)
    _hold(path)
    _prune(folder, key)
    return path


def ensure_addition(path: Path, lock: Path, *, say: Say) -> None:
    """Add what a second lock file holds to an environment that is whole; it names the same versions of what is there.

    Raises:
        CannotInstall: as above.
        OSError: the folder cannot be written.
    """
    done = path / f"with-{lock.stem}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if done.is_file():
        return
    with (path.parent / f"{path.name}.lock").open("ab") as turn:
        _wait_for_turn(turn.fileno(), say)
        if done.is_file():
            return
        say(f"Adding to Ansible, once: {lock.stem}")
        pip = _pip()
        with tempfile.TemporaryDirectory(prefix=".work-", dir=path.parent) as name:
            call = [str(path / "bin" / "python"), "-I", *([str(pip / "pip")] if pip else ["-m", "pip"]), "install"]
            options = ["--require-hashes", "--no-input", "--no-cache-dir", "--disable-pip-version-check"]
            _Steps(path, Path(name), time.monotonic(), say).run(lock.stem, [*call, *options, "-r", str(lock)])
        done.write_text("whole\n")


def split_lock(text: str) -> tuple[str, str]:
    """A lock file as two: what is installed, and the bundle of collections, of which only folders are unpacked."""
    blocks: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith((" ", "\t")) and blocks:
            blocks[-1] += line
        elif line.strip() and not line.startswith("#"):
            blocks.append(line)
    bundle = [block for block in blocks if re.split(r"[\s=;<>~!\[]", block, maxsplit=1)[0] == _BUNDLE]
    return "".join(block for block in blocks if block not in bundle), "".join(bundle)


def unpack_collections(wheel: Path, target: Path) -> int:
    """Unpack the few collections that are wanted, without their tests and documents; gives how many files."""
    count = 0
    wanted = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            parts = member.filename.split("/")
            if member.is_dir() or not member.filename.startswith(wanted) or ".." in parts or parts[3] in _LEFT_OUT:
                continue
            archive.extract(member, target)
            count += 1
    return count


def failure_sentence(said: str) -> str:
    """What a failed venv or pip means for a person, from what it said."""
    if _FULL.search(said):
        return "Ansible cannot be installed: the disk is full. Free some space and run the playbook again."
    if _HASHES.search(said):
        return (
            "Ansible was not installed: a downloaded package is not the one that was locked (its hash differs). Check"
            " where pip downloads from on this machine (pip config list), then run the playbook again."
        )
    if _NO_NETWORK.search(said):
        return (
            "Ansible cannot be downloaded: this machine has no network to the package index, or needs a proxy or mirror"
            " (in its pip.conf). Then run the playbook again."
        )
    return f"Ansible cannot be installed: {said.strip().splitlines()[-1][:300] if said.strip() else 'pip failed'}"


def _install(folder: Path, path: Path, lock: Path, say: Say) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise CannotInstall(
            f"Ansible needs {NEEDED_BYTES >> 20} MB free on the machine to be installed, there are {free >> 20} MB."
            " Free some space and run the playbook again."
        )
    began = time.monotonic()
    say(
        f"Ansible is not on this machine yet. Installing it, once: about {DOWNLOAD_MB} MB to download,"
        f" {ON_DISK_MB} MB on disk, in {path}"
    )
    shutil.rmtree(path, ignore_errors=True)
    packages, bundle = split_lock(lock.read_text("utf-8"))
    for left in folder.glob(".work-*"):  # of an installation that was cut off; this is the only one now
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=folder) as name:
        work = Path(name)
        steps = _Steps(path, work, began, say)
        pip = _pip()
        venv = [sys.executable, "-I", "-m", "venv", *(["--without-pip"] if pip else []), str(path)]
        steps.run("1/3 Python environment", venv)
        call = [str(path / "bin" / "python"), "-I", *([str(pip / "pip")] if pip else ["-m", "pip"])]
        options = ["--require-hashes", "--no-input", "--no-cache-dir", "--disable-pip-version-check"]
        (work / "packages.txt").write_text(packages)
        (work / "bundle.txt").write_text(bundle)
        install = [*call, "install", *options, "--no-warn-script-location", "-r", str(work / "packages.txt")]
        steps.run("2/3 ansible-core and ansible-runner", install)
        download = [
            *call,
            "download",
            *options,
            "--no-deps",
            "-d",
            str(work / "wheels"),
            "-r",
            str(work / "bundle.txt"),
        ]
        steps.run("3/3 collections " + ", ".join(COLLECTIONS).replace("/", "."), download)
        for wheel in (work / "wheels").glob("*.whl"):
            unpack_collections(wheel, path / "collections")
    (path / COMPLETE).write_text("whole\n")
    say(f"Ansible is installed: {_megabytes(path)} MB in {time.monotonic() - began:.0f} s\n")


class _Steps:
    """Runs the steps of an installation one by one and says how far each is."""

    def __init__(self, path: Path, work: Path, began: float, say: Say) -> None:
        self._path = path
        self._work = work
        self._began = began
        self._say = say

    def run(self, title: str, command: Sequence[str]) -> None:
        """One step. Raises ``CannotInstall``."""
        self._say(f"  {title}")
        log = self._work / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
            while True:
                try:
                    process.wait(PROGRESS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    size = _megabytes(self._path) + _megabytes(self._work)
                    self._say(f"    {size} MB here, {time.monotonic() - self._began:.0f} s")
        if process.returncode != 0:
            said = log.read_bytes()[-20_000:].decode("utf-8", "replace")
            raise CannotInstall(failure_sentence(said))


def _pip() -> Path | None:
    """The wheel of pip that Python brings for new environments: it runs as it is. None where there is none."""
    found = importlib.util.find_spec("ensurepip")
    elsewhere = sysconfig.get_config_var("WHEEL_PKG_DIR")  # where distributions keep it
    folders = [Path(elsewhere)] if elsewhere else []
    if found is not None and found.origin:
        folders.append(Path(found.origin).parent / "_bundled")
    wheels = [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]
    if not wheels and found is None:
        raise CannotInstall(
            f"{sys.executable} cannot make virtual environments: apt-get install python3-venv on the machine, then run"
            " the playbook again."
        )
    return wheels[-1] if wheels else None


def _wait_for_turn(descriptor: int, say: Say) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another run is installing Ansible on this machine; waiting for it.")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _hold(path: Path) -> None:
    """Keep the environment in use as long as this process lives, also after ``exec``."""
    descriptor = os.open(path / COMPLETE, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def _prune(folder: Path, key: str) -> None:
    """Remove environments of earlier versions that nobody uses. Never raises."""
    for path in folder.iterdir():
        if path.name.startswith((key, ".")) or not path.is_dir() or path.is_symlink():
            continue
        try:
            with (path / COMPLETE).open("rb") as file:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                (path / COMPLETE).unlink()
            shutil.rmtree(path, ignore_errors=True)
            (folder / f"{path.name}.lock").unlink(missing_ok=True)
        except OSError:
            continue


def _megabytes(folder: Path) -> int:
    total = 0
    for inner, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(inner) / name).lstat().st_size
            except OSError:
                continue
    return total >> 20
