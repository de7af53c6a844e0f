"""Python environments with locked, hashed dependencies.

One for each lock file and interpreter, reused as long as neither changes. Programs in it are always run as
``python -m``: start scripts with their absolute first line break where a path has spaces. Owns ``<runtime>/Python/``
and ``.borealis/``'s environments. May be called by prepare, page and testing.
"""

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from borealis_bootstrap.errors import CannotGoOn, tail
from borealis_bootstrap.layout import python_in
from borealis_bootstrap.shelf import Shelf

Say = Callable[[str], None]

_NO_NETWORK: Final = re.compile(
    r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError|SSLError"
    r"|Temporary failure in name resolution|Network is unreachable|Connection refused"
    r"|Could not find a version that satisfies|No matching distribution found"
)
_HASHES: Final = re.compile(r"DO NOT MATCH THE HASHES|HashMismatch|hashes are required", re.IGNORECASE)
_NEVER_RUN: Final = r"site-packages[/\\](faker[/\\]|.*[/\\]tests?[/\\])"  # thousands of files, none imported
_FULL: Final = re.compile(r"No space left on device|Disk quota exceeded")
_BUILD: Final = re.compile(r"Failed building wheel|error: command .* failed|Microsoft Visual C\+\+")


def environment_key(lock: Path, *, optimised: bool) -> str:
    """Names an environment by what it is made from: lock file, interpreter, and whether it is compiled with ``-OO``.

    Raises:
        CannotGoOn: the lock file is missing.
    """
    try:
        content = lock.read_bytes()
    except FileNotFoundError as error:
        raise CannotGoOn(f"The checkout is incomplete: {lock} is missing. Get it again.") from error
    version = ".".join(str(part) for part in sys.version_info[:3])
    digest = hashlib.sha256(f"{sys.platform}\0{sys.base_prefix}\0{version}\0{optimised}\0".encode())
    digest.update(content)
    return f"{version}-{digest.hexdigest()[:12]}"


def check_venv_module() -> None:
    """See that environments can be made at all.

    Raises:
        CannotGoOn: Debian's Python without its venv package, or another incomplete one.
    """
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise CannotGoOn(
            f"{sys.executable} cannot make virtual environments: apt-get install python3-venv"
            " (or your system's package of that kind), then try again."
        )


def ensure_environment(
    shelf: Shelf, lock: Path, *, log: Path, cache: Path, optimised: bool = False, environ: Mapping[str, str]
) -> str:
    """Make the environment for ``lock`` unless it is there; gives its key. The pointer is not moved.

    Args:
        shelf: where environments of this kind lie.
        lock: requirements with hashes.
        log: where pip's words go.
        cache: pip's cache, used unless ``environ`` names another.
        optimised: compile with ``-OO``.
        environ: the environment of pip, kept whole: it may carry proxies and certificates.

    Raises:
        CannotGoOn: no venv module, no network, a hash that does not fit.
        OSError: disk full, read-only, no right.
    """
    key = environment_key(lock, optimised=optimised)
    if shelf.is_complete(key) and python_in(shelf.path(key)).exists():
        return key
    check_venv_module()
    log.parent.mkdir(parents=True, exist_ok=True)
    pip_environ = {"PIP_CACHE_DIR": str(cache), **environ}

    def fill(folder: Path) -> None:
        python = python_in(folder)
        flags = ["-OO"] if optimised else []
        wheel = bundled_pip()
        _run([sys.executable, "-I", "-m", "venv", *(["--without-pip"] if wheel else []), str(folder)], log, pip_environ)
        pip = [f"{wheel}/pip"] if wheel else ["-m", "pip"]
        options = ["--require-hashes", "--no-compile", "--no-input", "--disable-pip-version-check"]
        options += ["--no-warn-script-location", "--prefer-binary"]
        _run([str(python), "-I", *pip, "install", *options, "-r", str(lock)], log, pip_environ)
        # pip would compile one file after another and without -OO. A package's odd file that fails is no matter.
        workers = str(min(4, os.cpu_count() or 1))
        command = [str(python), "-I", *flags, "-m", "compileall", "-q", "-j", workers, "-x", _NEVER_RUN, str(folder)]
        subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    shelf.build(key, fill)
    return key


def bundled_pip() -> Path | None:
    """The wheel of pip that Python brings for new environments, None where there is none to be seen.

    pip runs from its wheel as it is (get-pip does the same), so no environment needs a copy: three seconds and ten
    megabytes less for each.
    """
    found = importlib.util.find_spec("ensurepip")
    elsewhere = sysconfig.get_config_var("WHEEL_PKG_DIR")  # where distributions keep it
    folders = [Path(elsewhere)] if elsewhere else []
    if found is not None and found.origin:
        folders.append(Path(found.origin).parent / "_bundled")
    wheels = [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]
    return wheels[-1] if wheels else None


def _run(command: list[str], log: Path, environ: Mapping[str, str]) -> None:
    with log.open("ab") as file:
        start = file.tell()
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=dict(environ)
        )
    if done.returncode != 0:
        with log.open("rb") as file:
            file.seek(start)
            said = file.read().decode("utf-8", "replace")
        raise CannotGoOn(failure_sentence(said), log=log)


def failure_sentence(said: str) -> str:
    """What a failed venv or pip means for a person, from what it said."""
    if _FULL.search(said):
        return "The disk is full: free some space and try again."
    if "ensurepip is not available" in said:
        return f"{sys.executable} cannot make virtual environments: apt-get install python3-venv, then try again."
    if _HASHES.search(said):
        return (
            "A downloaded package is not the one that was locked (its hash differs): do not use it. Check where pip"
            " downloads from (pip config list), then try again."
        )
    if _NO_NETWORK.search(said):
        return (
            "The packages cannot be downloaded: this machine has no network, or needs a proxy or mirror"
            " (pip's settings, for example PIP_INDEX_URL or HTTPS_PROXY). Then try again."
        )
    if _BUILD.search(said):
        return (
            "There is no ready-made package for this machine and Python, and building it failed: use CPython 3.11 to"
            " 3.13 on x86-64 or ARM64, or install a C compiler and Python's headers (apt-get install gcc python3-dev)."
        )
    return "The Python environment could not be made; the log below tells why."


__all__ = ["Say", "check_venv_module", "ensure_environment", "environment_key", "failure_sentence", "tail"]
