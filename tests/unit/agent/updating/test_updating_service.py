"""An update from the order to its end: what is on disk at each step, what the Engine hears, and when the agent ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_agent.capabilities.update.child import UpdateFailed
from borealis_agent.http import RequestRejected
from borealis_agent.link import NotConnected
from borealis_agent.updating import Restart, Updating, World
from borealis_agent.updating.judging import well_roles, worse_roles
from borealis_base.trial import Build, Update, read_update, write_update
from borealis_wire.refusal import Refused
from borealis_wire.updates import UpdateOrder

OLD, NEW = "0" * 16, "1" * 16
ORDER = UpdateOrder("r", "G", NEW, "1.0", "a" * 64, 3, False, 1.0, 2.0)
TRIAL = Update("r", "trial", Build(OLD, "env"), Build(NEW, "env2"), roles=("bash",))


class Machine:
    """Everything around an agent that updates itself."""

    def __init__(self, folder: Path, *, running: str = OLD) -> None:
        self.folder = folder
        self.path = folder / "Run" / "update.json"
        self.clock = FakeClock(auto=True)
        self.settings: dict[str, Any] = {}
        self.health: dict[str, dict[str, Any]] = {"bash": {"state": "running", "file": "role_Bash.py"}}
        self.connected = True
        self.heard: list[tuple[str, str]] = []
        self.steps: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.runs = 0
        self.closed: list[bool] = []
        self.on_wait: Callable[[], None] = lambda: None
        self.updating = Updating(
            World(folder, running, "1.0", "python3", lambda: self.settings, lambda: "host", lambda: self.health),
            engine=self,
            line=lambda: self,
            runs=self,
            steps=self,
            clock=self.clock,
        )

    async def download(self, path: str, target: Path, *, size: int, timeout: float = 30.0) -> None:
        self._step("download")
        assert (path, size) == (f"/api/agent/update/{ORDER.sha256}", ORDER.size)
        target.write_bytes(b"abc")

    async def unpack(self, package: Path, folder: Path, *, sha256: str, size: int) -> None:
        self._step("unpack")
        assert (package.read_bytes(), sha256, size) == (b"abc", ORDER.sha256, ORDER.size)

    async def adopt(self, folder: Path, build: str) -> Build:
        self._step("adopt")
        return Build(build, "env2")

    async def settle(self) -> None:
        self._step("settle")
        update = read_update(self.path)
        assert update is not None
        write_update(self.path, update.ended("installed"))

    async def call(self, event: str, data: Any = None, *, timeout: float = 15.0) -> Any:
        if not self.connected:
            raise NotConnected("no socket")
        self.heard.append((data["status"], data.get("error", "")))
        assert (event, data["request_id"], data["hostname"]) == ("agent_silent_update_status", "r", "host")
        return {"status": "ok"}

    def take_no_more(self, closed: bool) -> None:
        self.closed.append(closed)

    def under_way(self) -> int:
        self.on_wait()
        return self.runs

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.fails:
            raise self.fails[name]

    @property
    def state(self) -> str:
        found = read_update(self.path)
        return found.state if found else ""


@asynccontextmanager
async def living(machine: Machine) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(machine.updating.run())
    try:
        await asyncio.sleep(0.05)
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Restart):
            await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


async def test_an_order_ends_the_agent_with_a_staged_version_on_trial(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with living(machine) as task:
        machine.updating.follow(ORDER)
        assert machine.state == "preparing", "noted before anything is done"
        with pytest.raises(Restart):
            await asyncio.wait_for(task, 10)
    assert machine.steps == ["download", "unpack", "adopt"]
    found = read_update(machine.path)
    assert found is not None
    assert (found.state, found.new) == ("trial", Build(NEW, "env2"))
    assert found.roles == ("bash", "role_Bash.py")
    assert machine.heard == [("started", "")]
    assert not (tmp_path / "Update").exists(), "nothing of the package is left behind"


async def test_scripts_under_way_are_waited_for_and_no_further_one_is_begun(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.runs = 2
    looks = iter(range(5))

    def fewer() -> None:
        if next(looks, None) is None:
            machine.runs = 0

    machine.on_wait = fewer
    async with living(machine) as task:
        machine.updating.follow(ORDER)
        with pytest.raises(Restart):
            await asyncio.wait_for(task, 10)
    assert machine.closed == [True]
    assert machine.heard == [("started", ""), ("waiting", "2 scripts are under way.")]


async def test_scripts_that_do_not_end_are_not_lost_the_update_is(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.runs, machine.settings = 1, {"update_wait_seconds": 60}
    async with living(machine):
        machine.updating.follow(ORDER)
        await until(lambda: machine.state == "" and bool(machine.heard))
    assert machine.closed == [True, False]
    assert machine.heard[-1] == ("error", "1 scripts were still under way after 60 s. Order the update again")


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("download", RequestRejected(404, "package_not_found", "gone")),
        ("unpack", UpdateFailed("The package was refused: it is not the package that was signed.")),
        ("adopt", UpdateFailed("The disk is full: free some space and try again.")),
        ("adopt", OSError(28, "No space left on device")),
    ],
)
async def test_survives_a_step_that_fails_and_tells_why(tmp_path: Path, step: str, error: Exception) -> None:
    machine = Machine(tmp_path)
    machine.fails[step] = error
    async with living(machine) as task:
        machine.updating.follow(ORDER)
        await until(lambda: machine.state == "" and len(machine.heard) == 2)
        assert not task.done()
    assert machine.heard[1] == ("error", str(error))
    assert not (tmp_path / "Update").exists()


async def test_survives_being_killed_while_it_prepares(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "Update").mkdir()
    write_update_in(machine, replace(TRIAL, state="preparing"))
    async with living(machine):
        await until(lambda: machine.state == "")
    assert machine.heard == [("error", "The agent ended while it prepared the update. Nothing was changed.")]
    assert machine.steps == []
    assert not (tmp_path / "Update").exists()


async def test_the_new_version_proves_itself_once_the_engine_answers(tmp_path: Path) -> None:
    machine = Machine(tmp_path, running=NEW)
    machine.connected = False
    write_update_in(machine, TRIAL)
    async with living(machine):
        await asyncio.sleep(0.05)
        assert machine.state == "trial", "not before the Engine was reached"
        machine.connected = True
        await until(lambda: machine.state == "")
    assert machine.steps == ["settle"]
    assert machine.heard == [("started", ""), ("installed", "")]


async def test_a_new_version_that_breaks_a_role_gives_itself_up(tmp_path: Path) -> None:
    machine = Machine(tmp_path, running=NEW)
    machine.health["bash"] = {"state": "rejected", "reason": "no such module"}
    write_update_in(machine, TRIAL)
    async with living(machine) as task:
        with pytest.raises(Restart):
            await asyncio.wait_for(task, 10)
    found = read_update(machine.path)
    assert found is not None
    assert (found.state, "bash: no such module" in found.reason) == ("trial", True)


async def test_survives_pointers_that_cannot_be_moved_yet(tmp_path: Path) -> None:
    machine = Machine(tmp_path, running=NEW)
    machine.fails["settle"] = UpdateFailed("no")
    write_update_in(machine, TRIAL)
    async with living(machine):
        await until(lambda: machine.steps.count("settle") > 1)
        assert machine.state == "confirmed", "the next start does it where we cannot"
        machine.fails.clear()
        await until(lambda: machine.state == "")
    assert machine.heard[-1] == ("installed", "")


async def test_the_version_before_tells_that_it_was_brought_back_until_the_engine_has_heard(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.connected = False
    write_update_in(machine, TRIAL.ended("rolled_back", "why"))
    async with living(machine):
        await asyncio.sleep(0.05)
        assert machine.state == "rolled_back"
        machine.connected = True
        await until(lambda: machine.state == "")
    assert machine.heard == [("rolled_back", "why")]


async def test_a_trial_of_another_version_is_over_when_we_run(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    write_update_in(machine, TRIAL)
    async with living(machine):
        await until(lambda: machine.state == "")
    assert machine.heard[-1][0] == "rolled_back"


async def test_an_order_for_what_runs_already_is_done(tmp_path: Path) -> None:
    machine = Machine(tmp_path, running=NEW)
    async with living(machine):
        machine.updating.follow(ORDER)
        await until(lambda: ("installed", "") in machine.heard)
    assert machine.steps == []


def write_update_in(machine: Machine, update: Update) -> None:
    machine.path.parent.mkdir()
    write_update(machine.path, update)


def test_a_role_that_is_gone_counts_as_meant_and_one_that_cannot_be_read_does_not() -> None:
    before = well_roles(
        {"a": {"state": "running", "file": "role_A.py"}, "b": {"state": "rejected", "file": "role_B.py"}}
    )
    assert before == ("a", "role_A.py")
    assert worse_roles(before, {}) == {}
    assert worse_roles(before, {"b": {"state": "rejected", "file": "role_B.py"}}) == {}
    assert worse_roles(before, {"a": {"state": "degraded"}}) == {}
    broken = {"role_A.py": {"state": "rejected", "file": "role_A.py", "reason": "bad syntax"}}
    assert worse_roles(before, broken) == {"role_A.py": "bad syntax"}


async def test_survives_a_disk_that_takes_nothing_and_tells_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with living(machine):
        machine.updating.follow(ORDER)
        monkeypatch.setattr("borealis_agent.updating.service.write_update", full)
        await until(lambda: len(machine.heard) == 2)
        assert machine.heard[1][0] == "error"
        assert "No space left" in machine.heard[1][1]
    assert machine.closed == [True, False], "work goes on"


async def test_rejects_an_order_before_it_was_seen_what_an_earlier_life_left(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with pytest.raises(Refused, match="busy"):
        machine.updating.check(ORDER)
    async with living(machine):
        machine.updating.check(ORDER)
