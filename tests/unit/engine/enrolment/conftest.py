"""The room of enrolment for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.enrolment_world import LOOSE, EnrolmentWorld, open_enrolment

from borealis_engine.enrolment import EnrolmentLimits


@pytest.fixture
def limits() -> EnrolmentLimits:
    """Limits that are in no test's way; a test of limits has its own."""
    return LOOSE


@pytest.fixture
async def room(tmp_path: Path, limits: EnrolmentLimits) -> AsyncIterator[EnrolmentWorld]:
    """Nobody has asked yet."""
    async with open_enrolment(tmp_path / "Engine", limits=limits) as opened:
        yield opened
