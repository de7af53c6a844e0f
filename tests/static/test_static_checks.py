"""Linters, types and the direction of imports: tests like all others, so that one closing line tells everything."""

import os
import subprocess
import sys

import pytest
from tests.programs.programs import REPOSITORY, base_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SOURCES = ("Data/Shared", "Data/Agent", "Data/Engine", "Data/Engine/cli", "Data/Bootstrap", "tools")
# What runs on Windows too is checked as Windows sees it.
ON_WINDOWS = ("Data/Shared", "Data/Agent")


def check(*command: str) -> None:
    """Run a checker and fail with what it says."""
    path = os.pathsep.join([*(str(REPOSITORY / name) for name in SOURCES), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={**base_environment(), "PYTHONPATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_ruff_finds_nothing() -> None:
    check("-m", "ruff", "check", ".")


def test_everything_is_formatted() -> None:
    check("-m", "ruff", "format", "--check", ".")


def test_types_hold() -> None:
    check("-m", "mypy", "Data", "tools")


def test_types_hold_on_windows() -> None:
    check("-m", "mypy", "--platform", "win32", *ON_WINDOWS)


def test_imports_go_downwards_only() -> None:
    check("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")
