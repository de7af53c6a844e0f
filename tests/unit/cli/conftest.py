"""A command line beside a fake Engine, for each test that asks."""

from pathlib import Path

import pytest
from tests.fakes.cli_world import CliWorld


@pytest.fixture
def cli(tmp_path: Path) -> CliWorld:
    """On the Engine's own machine."""
    return CliWorld(tmp_path / "root", tmp_path / "home")
