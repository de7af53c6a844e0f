"""Guards for every test: no network but loopback, no inherited Borealis settings."""

import os
from collections.abc import Iterator

import pytest
from pytest_socket import enable_socket, socket_allow_hosts  # type: ignore[import-untyped]


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True, scope="session")
def _no_inherited_settings() -> None:
    for name in [name for name in os.environ if name.startswith("BOREALIS_")]:
        del os.environ[name]
