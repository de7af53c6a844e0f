"""What the agent must not load: each of these costs more memory at rest than the whole of its own code."""

import ast
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[4] / "Data"
SOURCES = sorted([*(DATA / "Agent").rglob("*.py"), *(DATA / "Shared").rglob("*.py")])


def imported(path: Path, *, at_load: bool) -> set[str]:
    """First parts of the modules that a file imports; with ``at_load`` only those outside functions."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if at_load and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(DATA)))
def test_rejects_what_is_too_heavy(path: Path) -> None:
    assert "cryptography" not in imported(path, at_load=False)
    assert not imported(path, at_load=True) & {"psutil", "requests", "httpx", "pydantic", "multiprocessing"}
