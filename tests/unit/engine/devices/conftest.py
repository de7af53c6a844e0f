"""The room of devices for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.device_world import DeviceWorld, open_devices


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DeviceWorld]:
    """No device yet."""
    async with open_devices(tmp_path / "Engine") as opened:
        yield opened
