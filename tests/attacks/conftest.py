"""One Engine for all attacks that leave it as it was, and an event loop for their sockets."""

from collections.abc import Iterator

import pytest
from tests.attacks.background import Background
from tests.attacks.house import House, a_house
from tests.attacks.people import Target, engine_set_up
from tests.programs.programs import EngineProgram


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    """An event loop in a thread."""
    loop = Background()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory, background: Background) -> Iterator[Target]:
    """An Engine with a first operator, ``ada``, made by the one-time link."""
    engine = EngineProgram(tmp_path_factory.mktemp("target") / "engine").start()
    try:
        with engine_set_up(engine, background) as found:
            yield found
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, background: Background) -> Iterator[House]:
    """An Engine with a real agent. A test that leaves the two apart calls ``house.settled()``."""
    with a_house(tmp_path_factory.mktemp("house"), background) as found:
        yield found
