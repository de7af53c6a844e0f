"""An agent replaces itself by an order: to a new build, and back by itself where the new one does not come up.

Real programs as a person installs them: ``Borealis.sh`` from a checkout, the supervisor's shell script, environments
with hashes. The tests of this file are one story and run in order.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.programs.programs import REPOSITORY, EngineProgram, base_environment, wait_for, wait_run
from tests.programs.toy import kill, processes_with

from borealis_base.trial import Update, read_update
from borealis_bootstrap.environments import ensure_environment
from borealis_bootstrap.layout import Runtime, layout_from
from borealis_bootstrap.package import put_package
from borealis_bootstrap.staging import environment_shelf, version_of
from borealis_bootstrap.supervision import Supervision

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CRASH = 'raise SystemExit("this build cannot start")\n'
DEAF = """
import borealis_agent.link.driver as driver
async def _open(self):
    return driver.SocketFailed(detail="this build cannot connect")
driver.Link._open = _open
"""


class Fleet:
    """One Engine, and one machine whose agent was started from a checkout of its own."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        for name in ("Agent", "Bootstrap", "Shared"):
            source = REPOSITORY / "Data" / name
            shutil.copytree(source, self.checkout / "Data" / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.checkout / "requirements").mkdir()
        for name in ("agent.txt", "ansible.txt"):
            (self.checkout / "requirements" / name).write_text("# what is needed was lent by the tests\n")
        shutil.copy(REPOSITORY / "Borealis.sh", self.checkout)
        self.engine = EngineProgram(folder / "engine")
        self.root = folder / "a machine"
        self.environ = {
            **base_environment(),
            "BOREALIS_ROOT": str(self.root),
            "BOREALIS_PYTHON": sys.executable,
            "BOREALIS_BACKOFF_FIRST": "100",
        }
        self.guid = ""

    @property
    def agent(self) -> Supervision:
        """What supervises the agent."""
        return Supervision(layout_from(self.environ, checkout=self.checkout, here=Path("/")).agent)

    @property
    def pid(self) -> int:
        """The agent's process now."""
        return self.agent.state().pid or 0

    def lend_packages(self) -> None:
        """Make the environment before the bootstrap does, with the tests' packages: those of its own take 20 s."""
        agent = layout_from(self.environ, checkout=self.checkout, here=Path("/")).agent
        agent.logs.mkdir(parents=True)
        shelf = environment_shelf(agent)
        options = {"log": agent.install_log, "cache": self.root / "cache", "environ": self.environ, "optimised": True}
        key = ensure_environment(shelf, agent.requirements, **options)  # type: ignore[arg-type]
        lent = Path(sysconfig.get_paths()["purelib"])
        home = next((shelf.path(key) / "lib").glob("python*/site-packages"))
        (home / "lent.pth").write_text(f"{lent}\n")

    def start(self) -> None:
        """Bring both up, and admit the machine."""
        self.lend_packages()
        self.engine.start()
        token = self.engine.enrolment_token()
        done = subprocess.run(
            [str(self.checkout / "Borealis.sh"), "agent", "--detach", "--enrollment-code", token],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with self.engine.owner() as client:
            approval = wait_for("the knock", lambda: client.get("/api/admin/device-approvals").json()["approvals"])[0]
            reference = approval["approval_reference"]
            wait_for(
                "the approval",
                lambda: client.post(f"/api/admin/device-approvals/{reference}/approve", json={}).status_code == 200,
            )
        self.settings(update_trial_seconds=12)
        self.guid = wait_for("the device online", lambda: next(iter(self.online()), ""), seconds=60)

    def settings(self, **values: Any) -> None:
        """Change the agent's settings file."""
        path = self.root / "Agent" / "Borealis" / "Settings" / "agent_settings_SYSTEM.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **values}))

    def online(self) -> list[str]:
        """GUIDs of devices with a live session."""
        with self.engine.owner() as client:
            devices = client.get("/api/devices").json()["devices"]
        return [one["guid"] for one in devices if one["presence"]["contexts"]]

    def device(self) -> dict[str, Any]:
        """What the Engine knows of the machine."""
        with self.engine.owner() as client:
            found: dict[str, Any] = client.get(f"/api/devices/{self.guid}").json()
        return found

    def publish(self, change: Callable[[Path], None]) -> str:
        """Give the Engine a package with a change; the checkout stays as it is. Gives its build."""
        tree = self.checkout.with_name("changed")
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(self.checkout, tree, ignore=shutil.ignore_patterns("__pycache__"))
        change(tree)
        engine = Runtime("engine", self.engine.root / "Engine", tree)
        build = version_of(Runtime("agent", engine.folder, tree).sources)
        put_package(engine, build)
        return build

    def update(self) -> str:
        """Order it; gives the rollout's id."""
        with self.engine.owner() as client:
            answer = client.post("/api/updates", json={"all": True})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["rollout"]["rollout_id"])

    def outcome(self, rollout_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """Wait for the end of the one update in it."""

        def ended() -> dict[str, Any] | None:
            with self.engine.owner() as client:
                (update,) = client.get(f"/api/updates/{rollout_id}").json()["updates"]
            return None if update["state"] in {"queued", "ordered", "started", "waiting"} else update

        return wait_for("the update's end", ended, seconds=seconds, log=self.root / "Agent" / "Logs" / "agent.log")


def append(name: str, text: str) -> Callable[[Path], None]:
    """A change to a file of the agent."""

    def change(tree: Path) -> None:
        path = tree / "Data" / "Agent" / name
        path.write_text(path.read_text() + text)

    return change


def prepend(name: str, text: str) -> Callable[[Path], None]:
    """The same, before everything else."""

    def change(tree: Path) -> None:
        path = tree / "Data" / "Agent" / name
        path.write_text(text + path.read_text())

    return change


def needs_more(tree: Path) -> None:
    """A change of what is needed: an environment of its own is made first, which has none of the tests' packages."""
    (tree / "requirements" / "agent.txt").write_text("# something else\n")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """An enrolled machine, online."""
    found = Fleet(tmp_path_factory.mktemp("update"))
    try:
        found.start()
        yield found
    finally:
        found.agent.stop()
        found.engine.stop()


def test_an_agent_becomes_another_build_and_stays_the_same_device(fleet: Fleet) -> None:
    before, old = fleet.pid, fleet.agent.started()
    build = fleet.publish(append("role_manager.py", "# changed\n"))
    outcome = fleet.outcome(fleet.update())
    assert (outcome["state"], outcome["reason"]) == ("installed", "")
    wait_for("the new build", lambda: fleet.device()["agent_build_id"] == build)
    assert fleet.online() == [fleet.guid]
    assert old is not None and old.version != build
    assert not [pid for pid in processes_with(str(fleet.root)) if pid == before]
    started = fleet.agent.started()
    assert started is not None and started.version == build
    assert (fleet.root / "Agent" / "Code" / "current").readlink().name == build


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (prepend("agent.py", CRASH), "ended 3 times"),
        (append("borealis_agent/app/__init__.py", DEAF), "did not reach the Engine within 12 s"),
        (needs_more, "ended 3 times"),
        (append("Roles/role_ScriptExec_SYSTEM.py", "1 / 0\n"), "Roles that worked before do not any more"),
    ],
    ids=["crashes", "cannot connect", "needs packages that its environment lacks", "breaks a role"],
)
def test_survives_a_build_that_does_not_come_up(fleet: Fleet, change: Callable[[Path], None], reason: str) -> None:
    known = fleet.device()["agent_build_id"]
    build = fleet.publish(change)
    outcome = fleet.outcome(fleet.update())
    assert outcome["state"] == "rolled_back"
    assert reason in outcome["reason"]
    assert fleet.device()["agent_build_id"] == known != build
    wait_for("the device online", fleet.online)
    assert not processes_with(f"/Code/{build}/")
    assert not (fleet.root / "Agent" / "Run" / "update.json").exists()


def test_survives_kill_9_of_the_old_version_while_it_prepares_and_of_the_new_one_on_trial(fleet: Fleet) -> None:
    known = fleet.device()["agent_build_id"]
    path = fleet.root / "Agent" / "Run" / "update.json"

    def update_in(state: str) -> Update | None:
        found = read_update(path)
        return found if found is not None and found.state == state else None

    build = fleet.publish(append("role_manager.py", "# once more\n"))
    rollout = fleet.update()
    wait_for("the order", lambda: update_in("preparing"))
    kill(fleet.pid)
    outcome = fleet.outcome(rollout)
    assert outcome["state"] == "failed"
    assert "ended while it prepared" in outcome["reason"]
    assert fleet.device()["agent_build_id"] == known

    rollout = fleet.update()
    wait_for("the trial", lambda: update_in("trial"))
    old = fleet.pid
    wait_for("the new version", lambda: update_in("trial") and fleet.pid not in {0, old})
    kill(fleet.pid)
    assert fleet.outcome(rollout)["state"] == "installed"
    wait_for("the new build", lambda: fleet.device()["agent_build_id"] == build)
    wait_for("the device online", fleet.online)


def test_a_script_under_way_is_finished_before_the_agent_is_replaced(fleet: Fleet, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with fleet.engine.owner() as client:
        body = {
            "script_content": f"until [ -e {go} ]; do sleep 0.1; done; echo done",
            "script_type": "bash",
            "all": True,
        }
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        wait_for("the run", lambda: client.get(f"/api/runs/{run_id}").json()["status"] == "Running")
        build = fleet.publish(append("role_manager.py", "# and again\n"))
        rollout = fleet.update()

        def waits() -> bool:
            (update,) = client.get(f"/api/updates/{rollout}").json()["updates"]
            return bool(update["state"] == "waiting")

        wait_for("the update to wait", waits)
        go.touch()
        run = wait_run(client, run_id)
    assert (run["status"], run["stdout"]) == ("Success", "done\n")
    assert fleet.outcome(rollout)["state"] == "installed"
    wait_for("the new build", lambda: fleet.device()["agent_build_id"] == build)
