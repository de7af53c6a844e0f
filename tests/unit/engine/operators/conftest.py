"""The rooms of operators and audit for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.people import People, open_people


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    """Nobody is set up yet."""
    async with open_people(tmp_path / "Engine") as opened:
        yield opened
