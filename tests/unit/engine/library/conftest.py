"""The REST door over real rooms: the library is tested through it, as operators use it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.engine_rest import Caller, Rest, open_rest


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    """Nobody is set up yet; there is no device."""
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened


@pytest.fixture
async def ada(rest: Rest) -> Caller:
    """The first operator, signed in."""
    return rest.signed_in(await rest.people.set_up())
