"""Guards for every test: no network but loopback, no inherited Borealis settings."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from pytest_socket import enable_socket, socket_allow_hosts  # type: ignore[import-untyped]

# The same examples in every run, and no deadline: how fast a shared machine is at some moment says nothing.
# On Windows, which is emulated, fewer: what they look for depends on no system.
settings.register_profile(
    "borealis", deadline=None, derandomize=True, max_examples=15 if sys.platform == "win32" else 100
)
settings.load_profile("borealis")


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True, scope="session")
def _no_inherited_settings() -> None:
    for name in [name for name in os.environ if name.startswith("BOREALIS_")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The system that is emulated takes longest in one piece: begun last, it would keep the other processor waiting."""
    items.sort(key=lambda item: "windows" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Thousands of tests stay for ever: looking through them for cycles, again and again, takes longer than many do."""
    gc.collect()
    gc.freeze()
