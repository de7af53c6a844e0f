"""A gateway that serves, for each test that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.gateway_world import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A running gateway."""
    async with open_world(tmp_path) as opened:
        yield opened
