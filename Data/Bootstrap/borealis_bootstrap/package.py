"""The agent's code as one archive, which the Engine hands to agents that are to update themselves.

Owns ``agent-package.tar.gz`` and ``agent-package.json`` beside the Engine's code. May be called by staging.
"""

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from borealis_base.files import write_atomic
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Runtime

_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "web-interface", "Unit_Tests"})
_CONTENT: Final = ("Data/Agent", "Data/Bootstrap", "Data/Shared", "requirements/agent.txt", "requirements/ansible.txt")
_RELEASE: Final = re.compile(r'^VERSION: Final = "([0-9]+(?:\.[0-9]+)*)"$', re.MULTILINE)
ARCHIVE: Final = "agent-package.tar.gz"
DESCRIPTION: Final = "agent-package.json"


def files_of(source: Path) -> Iterator[tuple[str, Path]]:
    """Every file to stage below ``source`` (or ``source`` itself): relative POSIX name and path, in name order."""
    if source.is_file():
        yield "", source
        return
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("."))
        for name in sorted(names):
            if name.endswith((".pyc", ".pyo")) or name.startswith("."):
                continue
            path = Path(folder) / name
            if path.is_file():
                yield path.relative_to(source).as_posix(), path


def put_package(engine: Runtime, build: str) -> None:
    """Write archive and description for the agents of this checkout, unless they are there.

    Args:
        engine: beside whose code they lie.
        build: the version of the agent's code.

    Raises:
        CannotGoOn: the checkout is incomplete.
        OSError: disk full, read-only, no right.
    """
    description = engine.code / DESCRIPTION
    if _is_whole(description, build):
        return
    archive = make_package(engine.checkout)
    # The archive first: a description never speaks of one that is not there. The Engine compares the two.
    write_atomic(engine.code / ARCHIVE, archive, mode=0o644)
    told = {
        "build_id": build,
        "release": release_of(engine.checkout),
        "sha256": hashlib.sha256(archive).hexdigest(),
        "size": len(archive),
    }
    write_atomic(description, json.dumps(told).encode(), mode=0o644)


def _is_whole(description: Path, build: str) -> bool:
    try:
        told = json.loads(description.read_text(encoding="utf-8"))
        content = description.with_name(ARCHIVE).read_bytes()
        return bool(told["build_id"] == build and told["sha256"] == hashlib.sha256(content).hexdigest())
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def make_package(checkout: Path) -> bytes:
    """The archive: same files, same bytes. Order, times, owners and modes are fixed.

    Raises:
        CannotGoOn: the checkout is incomplete.
        OSError: a file cannot be read.
    """
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for part in _CONTENT:
            files = list(files_of(checkout / part))
            if not files:
                raise CannotGoOn(f"The checkout is incomplete: {checkout / part} is missing. Get it again.")
            for relative, path in files:
                content = path.read_bytes()
                member = tarfile.TarInfo(f"{part}/{relative}" if relative else part)
                member.size = len(content)
                member.mode = 0o644
                archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def release_of(checkout: Path) -> str:
    """The agent's release, like ``1.4.2``: what is older and what newer. ``0`` where its code names none."""
    try:
        text = (checkout / "Data" / "Agent" / "borealis_agent" / "__init__.py").read_text(encoding="utf-8")
    except FileNotFoundError:
        return "0"
    found = _RELEASE.search(text)
    return found.group(1) if found else "0"
