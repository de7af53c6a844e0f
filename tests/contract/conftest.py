"""The REST door over real rooms."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.engine_rest import Rest, open_rest


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    """Nobody is set up yet; there is no device."""
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened
