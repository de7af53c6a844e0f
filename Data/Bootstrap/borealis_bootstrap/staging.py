"""Copy the code of a program out of ``Data/`` into its runtime, as a version named by its content.

Owns ``<runtime>/Code/``. Never touches what lies beside it. May be called by prepare.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from borealis_base.files import write_atomic
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Runtime
from borealis_bootstrap.package import files_of, put_package
from borealis_bootstrap.shelf import CURRENT, MARKER, code_shelf, environment_shelf


def version_of(sources: tuple[tuple[str, Path], ...]) -> str:
    """16 hex digits that name the content: same files, same name.

    Raises:
        CannotGoOn: the checkout is incomplete.
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for name, source in sources:
        count = 0
        for relative, path in files_of(source):
            content = path.read_bytes()
            digest.update(f"{name}/{relative}\0{len(content)}\0".encode())
            digest.update(content)
            count += 1
        if count == 0:
            raise CannotGoOn(f"The checkout is incomplete: {source} is missing. Get it again.")
    return digest.hexdigest()[:16]


def stage(runtime: Runtime, python: Path) -> str:
    """Stage the code as it is now, unless it is there already and whole; gives its version.

    The pointer is not moved here: a running program keeps its version until somebody decides otherwise.

    Raises:
        CannotGoOn: the checkout is incomplete.
        OSError: disk full, read-only, no right.
    """
    version = version_of(runtime.sources)
    shelf = code_shelf(runtime)
    if shelf.is_complete(version) and _is_whole(shelf.path(version), runtime, version):
        return version

    def fill(folder: Path) -> None:
        for name, source in runtime.sources:
            _copy(source, folder / name)
        _compile(folder, runtime, python)

    shelf.build(version, fill)
    return version


def name_agent_build(engine: Runtime) -> None:
    """Tell the Engine which version the agents of its checkout have, also one that goes on running.

    Beside its code, for a service follows the pointer there and has no other news of an upgrade. A checkout without the
    agent leaves nothing to go by, and the Engine then goes by what most agents are.

    Raises:
        OSError: disk full, read-only, no right.
    """
    try:
        version = version_of(Runtime("agent", engine.folder, engine.checkout).sources)
        put_package(engine, version)
    except CannotGoOn:
        engine.agent_build.unlink(missing_ok=True)
        return
    write_atomic(engine.agent_build, version.encode() + b"\n", mode=0o644)


def _is_whole(folder: Path, runtime: Runtime, version: str) -> bool:
    """Whether a staged version still is what its name says: a torn or edited one is staged again."""
    staged = tuple((name, folder / name) for name, _ in runtime.sources)
    try:
        return version_of(staged) == version
    except (CannotGoOn, OSError):
        return False


def _copy(source: Path, target: Path) -> None:
    """Copy readable for everybody, writable for the owner: the signed-in user's agent runs the same files."""
    for relative, path in files_of(source):
        copy = target / relative if relative else target
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o644)
    if target.is_dir():
        for folder, _, _ in os.walk(target):
            Path(folder).chmod(0o755)


def _compile(folder: Path, runtime: Runtime, python: Path) -> None:
    """Compile ahead, so that the first start is quick and a runtime that is read-only stays quick."""
    subprocess.run(
        [str(python), "-I", *runtime.python_flags, "-m", "compileall", "-q", str(folder)],
        check=False,  # a file that does not compile is found, with its reason, by whoever imports it
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


__all__ = [
    "CURRENT",
    "MARKER",
    "code_shelf",
    "environment_shelf",
    "files_of",
    "name_agent_build",
    "stage",
    "version_of",
]
