"""``Borealis.sh`` and ``Borealis.ps1``: small, and right."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell
from tests.programs.programs import REPOSITORY, base_environment

SHIM = REPOSITORY / "Borealis.sh"
WINDOWS_SHIM = REPOSITORY / "Borealis.ps1"


def run(*arguments: str, shim: Path = SHIM, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", str(shim), *arguments],
        env={**base_environment(), **environ},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


def tools_without_python(folder: Path) -> str:
    """A PATH with what the shim needs but no Python."""
    for name in ("dirname", "readlink"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return str(folder)


@pytest.mark.slow
def test_help_needs_nothing_installed() -> None:
    done = run("help", BOREALIS_PYTHON=sys.executable)
    assert done.returncode == 0
    assert "./Borealis.sh up" in done.stdout


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    copy = tmp_path / "Borealis.sh"
    copy.write_text(SHIM.read_text().replace("/usr/bin/python3", "no-such-python"))
    done = run("up", shim=copy, PATH=tools_without_python(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("borealis: Python 3.11 or later is needed: apt-get install")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_rejects_an_older_python_and_takes_the_next(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 0\n")  # says nothing, as an older one does
    old.chmod(0o755)
    done = run("help", PATH=f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert done.returncode == 0
    assert "./Borealis.sh up" in done.stdout


@pytest.mark.slow
def test_it_works_through_a_link_and_with_spaces(tmp_path: Path) -> None:
    link = tmp_path / "a link"
    link.symlink_to(SHIM)
    assert run("help", shim=link, BOREALIS_PYTHON=sys.executable).returncode == 0


def test_both_shell_files_are_plain_posix_shell() -> None:
    for script in (SHIM, REPOSITORY / "Data" / "Bootstrap" / "supervise.sh"):
        assert script.read_text().startswith("#!/bin/sh\n")
        done = subprocess.run(["/bin/sh", "-n", str(script)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert os.access(SHIM, os.X_OK)
    assert len(SHIM.read_text().splitlines()) < 40, "what can be Python is Python"


def nodes(node: "tree_sitter.Node") -> Iterator["tree_sitter.Node"]:
    yield node
    for child in node.children:
        yield from nodes(child)


def test_the_powershell_shim_parses_and_has_upstreams_parameters() -> None:
    source = WINDOWS_SHIM.read_bytes()
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    tree = parser.parse(source)
    wrong = [node for node in nodes(tree.root_node) if node.is_error or node.is_missing]
    assert not wrong, [(node.start_point, node.type) for node in wrong]
    text = source.decode("ascii")
    for name in ("Agent", "Server", "EngineProduction", "EngineDev", "EnrollmentCode", "ServerUrl"):
        assert f"${name}" in text
