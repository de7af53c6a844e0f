"""A real Engine with the built page, and a browser; each file of tests has its own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from tests.browser.browsing import Desk, desk_at, page_engine, set_up
from tests.page.page_build import built_page
from tests.programs.programs import EngineProgram

expect.set_options(timeout=20_000)  # a machine that builds and tests at the same time is slow, not wrong


@pytest.fixture(scope="module")
def fresh_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProgram]:
    """An Engine that nobody set up yet."""
    program = page_engine(tmp_path_factory.mktemp("engine") / "engine", built_page(), impatient=True).start()
    yield program
    program.stop()


@pytest.fixture(scope="module")
def engine(fresh_engine: EngineProgram) -> EngineProgram:
    """An Engine whose first operator is ``ada``."""
    set_up(fresh_engine)
    return fresh_engine


# A browser per file and none beyond it: as long as its library runs, no test of this process may have an event loop.
@pytest.fixture(scope="module")
def desk(fresh_engine: EngineProgram) -> Iterator[Desk]:
    """A browser for that Engine."""
    with desk_at(fresh_engine) as opened:
        yield opened
