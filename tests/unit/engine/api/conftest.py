"""The REST door: one for each test, or one for a whole file of requests that change nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.engine_rest import Rest, open_rest


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    """Nobody is set up yet; there is no device."""
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_rest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rest]:
    """The same for all tests of a file, which says ``pytestmark = pytest.mark.asyncio(loop_scope="module")``."""
    async with open_rest(tmp_path_factory.mktemp("shared") / "Engine") as opened:
        yield opened
