"""``install`` with toy programs and a toy systemd: what is on disk afterwards."""

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.programs.toy import Toy

from borealis_bootstrap import install as installing
from borealis_bootstrap import windows_tasks
from borealis_bootstrap.arguments import parse
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.services import Systemd

pytestmark = pytest.mark.slow

TOKEN = f"https://e:5000#{'-'.join(['AAAA'] * 8)}.{'0' * 64}"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    monkeypatch.setattr(installing, "is_root", lambda: True)
    running = tmp_path / "run"
    running.mkdir()

    def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(list(command), 0, "0" if "show" in command else "", "")

    return Systemd(tmp_path / "system", tmp_path / "user", running, run)


def install(toy: Toy, systemd: Systemd, *line: str) -> int:
    return installing.install(toy.layout, Progress(quiet=True), toy.environ, parse(["install", *line]), systemd)


def started_by(unit: Path) -> list[str]:
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    return shlex.split(line.partition("=")[2])


def test_both_services_start_what_is_there_and_uninstall_takes_them_away(shared_toy: Toy, systemd: Systemd) -> None:
    assert install(shared_toy, systemd, "engine") == 0
    assert install(shared_toy, systemd, "agent", "--enrollment-code", TOKEN) == 0
    units = sorted(path.name for folder in (systemd.system_units, systemd.user_units) for path in folder.iterdir())
    assert units == ["borealis-agent-user.service", "borealis-agent.service", "borealis-engine.service"]
    for unit in (*systemd.system_units.iterdir(), *systemd.user_units.iterdir()):
        command = started_by(unit)
        assert Path(command[0]).is_file(), command
        assert any(Path(word).is_file() for word in command[1:]), command
        assert TOKEN not in unit.read_text()
    assert "--autostart" in systemd.autostart.read_text()
    settings = shared_toy.root / "Agent" / "Borealis" / "Settings" / "agent_settings_SYSTEM.json"
    assert json.loads(settings.read_text())["installer_code"] == TOKEN
    assert installing.uninstall(shared_toy.layout, Progress(quiet=True), purge=False, systemd=systemd) == 0
    assert list(systemd.system_units.iterdir()) == list(systemd.user_units.iterdir()) == []
    assert not systemd.autostart.exists()
    assert not (shared_toy.root / "Agent" / "Code").exists()
    assert settings.exists()


def test_an_ordinary_user_installs_for_the_own_sessions_alone(
    shared_toy: Toy, systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "is_root", lambda: False)
    told: list[str] = []

    def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        told.append(" ".join(command))
        return subprocess.CompletedProcess(list(command), 0, "", "")

    mine = replace(systemd, user_units=tmp_path / ".config" / "systemd" / "user", run=run, personal=True)
    assert install(shared_toy, mine, "agent", "--enrollment-code", TOKEN) == 0
    assert all(line.startswith("systemctl --user ") for line in told), told
    assert "systemctl --user restart borealis-agent-user.service" in told
    made = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("borealis-*"))
    assert made == [".config/autostart/borealis-agent.desktop", ".config/systemd/user/borealis-agent-user.service"]
    settings = shared_toy.root / "Agent" / "Borealis" / "Settings" / "agent_settings_CURRENTUSER.json"
    assert json.loads(settings.read_text())["installer_code"] == TOKEN
    assert installing.uninstall(shared_toy.layout, Progress(quiet=True), purge=True, systemd=mine) == 0
    assert list(tmp_path.rglob("borealis-*")) == []


def test_rejects_the_engine_for_an_ordinary_user(
    shared_toy: Toy, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "is_root", lambda: False)
    with pytest.raises(CannotGoOn, match="as root"):
        install(shared_toy, systemd, "engine")


def test_rejects_an_agent_without_invitation(shared_toy: Toy, systemd: Systemd) -> None:
    with pytest.raises(CannotGoOn, match="--enrollment-code TOKEN"):
        install(shared_toy, systemd, "agent")


def test_on_windows_both_tasks_start_what_is_there_and_the_system_one_follows_updates(
    shared_toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: dict[str, ElementTree.Element] = {}

    def register(name: str, xml: str, _folder: Path, _run: object = None) -> None:
        tasks[name] = ElementTree.fromstring(xml.partition("\n")[2])

    monkeypatch.setattr(windows_tasks, "register", register)
    command = parse(["agent", "--enrollment-code", TOKEN])
    layout = shared_toy.layout
    assert installing.install_agent_on_windows(layout, Progress(quiet=True), shared_toy.environ, command) == 0
    assert list(tasks) == [windows_tasks.SYSTEM_TASK, windows_tasks.USER_TASK]
    for task in tasks.values():
        (python,) = [found.text for found in task.iter() if found.tag.endswith("}Command")]
        (arguments,) = [found.text for found in task.iter() if found.tag.endswith("}Arguments")]
        assert python is not None and Path(python).is_file()
        assert arguments is not None and TOKEN not in arguments
    system, user = ("".join(task.itertext()) for task in tasks.values())
    assert "begin.py" in system and "--system-service" in system
    assert "begin.py" not in user and "--config user" in user
    assert (layout.agent.code / "begin.py").is_file()
