"""Which build of agents is up to date: what was set, else what the bootstrap wrote, and nothing that is neither."""

from pathlib import Path

import pytest
from tests.fakes.engine_rest import open_rest

from borealis_engine.overview import AgentBuild, OverviewService

STAGED = "0123456789abcdef"


def test_what_the_bootstrap_wrote_counts_at_once_without_a_new_start(tmp_path: Path) -> None:
    build = AgentBuild(tmp_path / "agent-build")
    assert build() == ""
    build.file.write_text(STAGED + "\n")
    assert build() == STAGED
    build.file.write_text("f" * 16)
    assert build() == "f" * 16


def test_what_somebody_set_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "agent-build"
    file.write_text(STAGED)
    assert AgentBuild(file, "mine")() == "mine"


@pytest.mark.parametrize(
    "content", [b"", b"0123", b"x" * 16, STAGED.encode() * 9, b"\xff" * 16, STAGED.encode() + b" b"]
)
def test_survives_a_file_that_says_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "agent-build"
    file.write_bytes(content)
    assert AgentBuild(file)() == ""
    file.unlink()
    file.mkdir()
    assert AgentBuild(file)() == ""


async def test_after_an_upgrade_the_agents_of_before_are_out_of_date(tmp_path: Path) -> None:
    async with open_rest(tmp_path / "Engine") as rest:
        principal = (await rest.people.set_up()).principal
        device = await rest.add_device("north")
        await rest.people.db.write(
            lambda c: c.exec_driver_sql("UPDATE devices SET agent_build_id = 'f00df00df00df00d'")
        )
        await rest.services.devices.start()
        file = tmp_path / "agent-build"
        service = OverviewService(
            db=rest.services.db, clock=rest.services.clock, devices=rest.services.devices, agent_build=AgentBuild(file)
        )
        assert device.status == "active"
        assert (await service.glance(principal)).counts.outdated == 0
        file.write_text("f00df00df00df00d\n")
        assert (await service.glance(principal)).counts.outdated == 0
        file.write_text(STAGED + "\n")
        glance = await service.glance(principal)
        assert (glance.agent_build, glance.counts.outdated) == (STAGED, 1)
