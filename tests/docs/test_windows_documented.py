"""``Docs/windows.md`` names tests that exist, and every test that is for Windows."""

import re

from tests.programs.programs import REPOSITORY

PAGE = (REPOSITORY / "Docs" / "windows.md").read_text()


def test_every_test_it_names_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert named
    assert [name for name in sorted(named) if not (REPOSITORY / name).is_file()] == []


def test_every_test_for_windows_is_named() -> None:
    there = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "tests/windows").rglob("test_*.py")}
    assert [name for name in sorted(there) if f"`{name}`" not in PAGE] == []


def test_nothing_is_both_run_and_not_tried() -> None:
    run, not_tried = PAGE.split("## Not tried")
    assert "PowerShell, and `Borealis.ps1`" in not_tried
    assert "PowerShell runs" not in run
