"""A PowerShell is asked before it is trusted, by stand-ins."""

import os
import sys
from pathlib import Path

import pytest

from borealis_agent.execution.powershell import PowerShells, is_version


@pytest.mark.parametrize(("output", "real"), [(b"5\r\n", True), (b"7\n", True), (b"", False), (b"usage: 5\n", False)])
def test_only_a_number_is_a_version(output: bytes, real: bool) -> None:
    assert is_version(output) is real


@pytest.mark.slow
async def test_it_is_asked_until_it_has_answered_once(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(
        "import pathlib, sys\n"
        "ledger = pathlib.Path(sys.argv[1])\n"
        "before = ledger.read_text() if ledger.exists() else ''\n"
        "ledger.write_text(before + sys.argv[-2] + ' ')\n"
        "print(7 if before else '')\n"
    )
    command = (sys.executable, "-S", str(stand_in), str(ledger), "-File")
    shells = PowerShells(os.environ)
    assert [await shells.answers(command) for _ in range(4)] == [False, True, True, True]
    assert ledger.read_text() == "-Command -Command "


async def test_what_cannot_be_started_does_not_answer(tmp_path: Path) -> None:
    assert not await PowerShells({}).answers((str(tmp_path / "pwsh"), "-File"))
