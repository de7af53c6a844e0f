"""Toy programs for the tests of the bootstrap."""

from collections.abc import Iterator

import pytest
from tests.programs.toy import Toy


@pytest.fixture(scope="module")
def shared_toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """Toy programs that the tests of one file share, for making their environments takes seconds."""
    programs = Toy(tmp_path_factory.mktemp("toy"))
    programs.certify()
    yield programs
    programs.stop()
