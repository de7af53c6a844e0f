"""The text of the systemd units, and what installing and removing them does."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout, layout_from
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.services import (
    Systemd,
    check_systemd,
    install_autostart,
    install_units,
    personal_systemd,
    refuse_if_service,
    remove_units,
    service_state,
    settings_to_keep,
)
from borealis_bootstrap.units import Unit, agent_autostart, agent_unit, agent_user_unit, engine_unit


def layout_at(root: str) -> Layout:
    return layout_from({"BOREALIS_ROOT": root}, checkout=Path("/src"), here=Path("/"))


def lines(unit: Unit, name: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.text.splitlines() if line.startswith(f"{name}=")]


def engine(layout: Layout, port: int = 5000, **extra: str) -> Unit:
    return engine_unit(layout, owner="alice", port=port, extra=extra)


def agent(layout: Layout, url: str = "", *, blindly: bool = False) -> Unit:
    return agent_unit(layout, server_url=url, trust_on_first_use=blindly)


def test_the_engine_runs_as_its_owner_and_may_write_its_own_folder_only() -> None:
    unit = engine(layout_at("/srv/borealis"))
    assert lines(unit, "User") == ["alice"]
    assert lines(unit, "ProtectSystem") == ["strict"]
    assert lines(unit, "ReadWritePaths") == ['"/srv/borealis/Engine"']
    assert lines(unit, "CapabilityBoundingSet") == [""]
    assert lines(unit, "NoNewPrivileges") == ["yes"]
    assert lines(engine(layout_at("/srv"), 443), "AmbientCapabilities") == ["CAP_NET_BIND_SERVICE"]


def test_odd_paths_stay_one_word() -> None:
    unit = agent(layout_at('/srv/my "50%" $HOME\\x'))
    (start,) = lines(unit, "ExecStart")
    entry = '"/srv/my \\"50%%\\" $$HOME\\\\x/Agent/Code/current/Bootstrap/begin.py"'
    assert start.startswith(f'"{sys.executable}" "-I" "-S" "-OO" {entry} ')
    assert 'Environment="BOREALIS_ROOT=/srv/my \\"50%%\\" $HOME\\\\x"' in unit.text


def test_services_follow_the_pointers_so_that_an_upgrade_needs_no_new_unit() -> None:
    (start,) = lines(engine(layout_at("/r")), "ExecStart")
    assert start == '"/r/Engine/venv/bin/python" "/r/Engine/Code/current/Program/server.py"'


def test_the_system_agent_is_not_confined_for_its_scripts_would_be_too() -> None:
    unit = agent(layout_at("/r"), "https://e", blindly=True)
    assert not [line for line in unit.text.splitlines() if line.startswith(("Protect", "NoNew", "Private", "System"))]
    assert lines(unit, "ExecStart")[0].endswith('"--system-service" "--trust-on-first-use"')
    assert 'Environment="BOREALIS_SERVER_URL=https://e"' in unit.text


def test_systemd_hears_that_the_agent_lives_and_bounds_what_it_and_its_scripts_hold() -> None:
    unit = agent(layout_at("/r"))
    assert (lines(unit, "Type"), lines(unit, "NotifyAccess")) == (["notify"], ["main"])
    assert lines(unit, "WatchdogSec") == ["240s"]
    assert (lines(unit, "MemoryMax"), lines(unit, "OOMPolicy")) == (["80%"], ["continue"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("make", [engine, agent, lambda layout: agent_user_unit(layout, server_url="")])
def test_systemd_itself_finds_nothing_wrong(make: "type[Unit]", tmp_path: Path) -> None:
    unit = make(layout_at("/"))  # type: ignore[arg-type, call-arg]
    path = tmp_path / unit.name
    path.write_text(unit.text)
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    # Not installed here, so nothing of it can be executed; and older versions do not know what 254 brought.
    expected = ("is not executable", "'RestartSteps'", "'RestartMaxDelaySec'")
    told = [line for line in done.stderr.splitlines() if unit.name in line]
    assert [line for line in told if not any(words in line for words in expected)] == []


def test_the_user_agent_is_nobody_elses_and_never_root() -> None:
    unit = agent_user_unit(layout_at("/r"), server_url="")
    assert lines(unit, "ConditionUser") == ["!root", "!@system"]
    assert "--system-service" not in unit.text
    assert lines(unit, "User") == []


@pytest.mark.parametrize("root", ["/r", '/a b/$x/"q"/%n/\\back'])
def test_a_desktop_starts_the_same_program_with_the_guard(root: str) -> None:
    """Read back as a desktop does: the value of a string first, then the quoting of Exec."""
    layout = layout_at(root)
    entry = dict(line.split("=", 1) for line in agent_autostart(layout, server_url="https://e").splitlines()[1:])
    value = entry["Exec"].replace("\\\\", "\\")
    words = [
        re.sub(r'\\(["`$\\])', r"\1", word).replace("%%", "%") for word in re.findall(r'"((?:[^"\\]|\\.)*)"', value)
    ]
    assert words[0] == "/usr/bin/env"
    assert f"BOREALIS_ROOT={layout.root}" in words
    assert str(layout.agent.code / "current" / layout.agent.entry) in words
    assert words[-3:] == ["--config", "user", "--autostart"]
    assert (entry["Type"], entry["X-systemd-skip"], entry["Terminal"]) == ("Application", "true", "false")


def test_the_entry_of_a_desktop_is_taken_away_by_its_own_installation(fake: "FakeSystemctl") -> None:
    mine, other = layout_at("/r"), layout_at("/r2")
    before = os.umask(0o077)
    try:
        install_autostart(agent_autostart(mine, server_url=""), fake.systemd, Progress(quiet=True))
    finally:
        os.umask(before)
    assert fake.systemd.autostart.stat().st_mode & 0o777 == 0o644
    assert fake.systemd.autostart.parent.stat().st_mode & 0o777 == 0o755, "every user's desktop reads it"
    remove_units(other, fake.systemd, Progress(quiet=True))
    assert fake.systemd.autostart.exists()
    remove_units(mine, fake.systemd, Progress(quiet=True))
    assert not fake.systemd.autostart.exists()


def test_the_places_of_the_machine_and_of_one_user(tmp_path: Path) -> None:
    assert Systemd().autostart == Path("/etc/xdg/autostart/borealis-agent.desktop")
    assert Systemd().file_of("borealis-agent-user.service") == Path("/etc/systemd/user/borealis-agent-user.service")
    own = personal_systemd({}, tmp_path)
    assert own.autostart == tmp_path / ".config" / "autostart" / "borealis-agent.desktop"
    assert own.file_of("borealis-agent-user.service").parent == tmp_path / ".config" / "systemd" / "user"
    assert not own.is_there
    moved = personal_systemd({"XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_RUNTIME_DIR": str(tmp_path)}, tmp_path)
    assert moved.autostart == tmp_path / "c" / "autostart" / "borealis-agent.desktop"
    (tmp_path / "systemd").mkdir()
    assert moved.is_there


@pytest.mark.parametrize("make", [engine, agent, lambda layout: agent_user_unit(layout, server_url="")])
def test_each_unit_restarts_for_ever_and_has_its_three_sections(make: "type[Unit]") -> None:
    unit = make(layout_at("/r"))  # type: ignore[arg-type, call-arg]
    assert [line for line in unit.text.splitlines() if line.startswith("[")] == ["[Unit]", "[Service]", "[Install]"]
    assert lines(unit, "Restart") == ["always"]
    assert lines(unit, "StartLimitIntervalSec") == ["0"]


def test_rejects_to_keep_a_secret_in_a_unit() -> None:
    given = {"BOREALIS_INSTALLER_CODE": "s", "BOREALIS_PUBLIC_URL": "https://e", "PATH": "/bin"}
    assert settings_to_keep(given) == {"BOREALIS_PUBLIC_URL": "https://e"}


class FakeSystemctl:
    """Remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        self.told: list[str] = []
        self.pid = "0"
        running = folder / "run"
        running.mkdir()
        self.systemd = Systemd(folder / "system", folder / "user", running, self.run)

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        self.told.append(" ".join(command[1:]))
        return subprocess.CompletedProcess(list(command), 0, self.pid if command[1] == "show" else "", "")


@pytest.fixture
def fake(tmp_path: Path) -> FakeSystemctl:
    return FakeSystemctl(tmp_path)


def test_installing_writes_enables_and_starts(fake: FakeSystemctl) -> None:
    layout = layout_at("/r")
    install_units([agent(layout), agent_user_unit(layout, server_url="")], fake.systemd, Progress(quiet=True))
    assert fake.told == [
        "daemon-reload",
        "enable borealis-agent.service",
        "restart borealis-agent.service",
        "--global enable borealis-agent-user.service",
    ]
    assert (fake.systemd.system_units / "borealis-agent.service").stat().st_mode & 0o777 == 0o644
    fake.pid = "77"
    assert service_state(layout, "agent", fake.systemd).pid == 77
    with pytest.raises(CannotGoOn, match=r"is a service: systemctl status borealis-agent\.service"):
        refuse_if_service(layout, systemd=fake.systemd)


def test_uninstalling_removes_our_units_and_nobody_elses(fake: FakeSystemctl) -> None:
    ours, theirs = layout_at("/r"), layout_at("/r2")
    install_units([engine(theirs)], fake.systemd, Progress(quiet=True))
    install_units([agent(ours)], fake.systemd, Progress(quiet=True))
    fake.told.clear()
    remove_units(ours, fake.systemd, Progress(quiet=True))
    assert fake.told == ["disable --now borealis-agent.service", "daemon-reload"]
    assert [entry.name for entry in fake.systemd.system_units.iterdir()] == ["borealis-engine.service"]
    refuse_if_service(ours, systemd=fake.systemd)


def test_no_systemd_and_no_root_are_one_sentence_each(fake: FakeSystemctl, tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="no systemd"):
        check_systemd(Systemd(running=tmp_path / "none"), root=True)
    with pytest.raises(CannotGoOn, match="sudo"):
        check_systemd(fake.systemd, root=False)
    check_systemd(fake.systemd, root=True)
    assert not service_state(layout_at("/r"), "engine", Systemd(running=tmp_path / "none")).installed
