"""A real Engine and a real agent for each test that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.programs import AgentProgram, EngineProgram, enrol


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProgram]:
    """A running Engine."""
    program = EngineProgram(tmp_path / "engine").start()
    yield program
    program.stop()


@pytest.fixture
def agent(engine: EngineProgram, tmp_path: Path) -> Iterator[AgentProgram]:
    """An enrolled agent, online."""
    program = AgentProgram(tmp_path / "agent", "--installer-code", engine.enrolment_token())
    try:
        enrol(engine, program)
        yield program
    finally:
        program.stop()
