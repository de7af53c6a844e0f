"""The agent's entry: what importing does, what ends it at once, and with which status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.programs.systems import ON_WINDOWS

from borealis_agent.app import refuse_root_as_user, spool_of
from borealis_agent.core.errors import Fatal
from borealis_agent.core.settings import load_settings
from borealis_wire.events import RunContext

AGENT = Path(__file__).resolve().parents[4] / "Data" / "Agent"
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")


def started(*arguments: str, root: Path, python: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    environ = {
        "PATH": os.environ["PATH"],
        "BOREALIS_ROOT": str(root),
        "HOME": str(root),
        "USERPROFILE": str(root),
        **({"SYSTEMROOT": os.environ["SYSTEMROOT"]} if ON_WINDOWS else {}),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, *python, str(AGENT / "agent.py"), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_importing_the_entry_does_nothing_and_gives_the_client(tmp_path: Path) -> None:
    code = (
        "import sys, threading, os\n"
        f"sys.path[:0] = [{str(AGENT)!r}, {str(AGENT.parent / 'Shared')!r}]\n"
        "before = (list(sys.path), os.umask(0), threading.active_count(), set(os.listdir('.')))\n"
        "os.umask(before[1])\n"
        "import agent\n"
        "assert 'aiohttp' not in sys.modules and 'borealis_agent' not in sys.modules\n"
        "after = (list(sys.path), os.umask(0), threading.active_count(), set(os.listdir('.')))\n"
        "assert before == after, (before, after)\n"
        "from agent import AgentHttpClient\n"
        "assert hasattr(AgentHttpClient, 'ensure_authenticated')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@needs_root
def test_rejects_user_agent_as_root() -> None:
    with pytest.raises(Fatal) as raised:
        refuse_root_as_user(RunContext.INTERACTIVE)
    assert "never runs as root" in raised.value.diagnostics()
    refuse_root_as_user(RunContext.SYSTEM)


@needs_root
@pytest.mark.slow
def test_rejects_user_agent_as_root_with_a_sentence_and_status_3(tmp_path: Path) -> None:
    done = started("--config", "user", root=tmp_path)
    assert done.returncode == 3
    assert "never runs as root" in done.stderr
    assert "--system-service" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_wrong_address_is_one_sentence_and_status_3(tmp_path: Path) -> None:
    done = started("--system-service", "--server-url", "http://plain.example", root=tmp_path)
    assert done.returncode == 3
    assert "https" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_unknown_flag_is_status_2(tmp_path: Path) -> None:
    assert started("--nonsense", root=tmp_path).returncode == 2


@pytest.mark.slow
def test_survives_a_foreign_identity_with_a_sentence_instead_of_a_new_one(tmp_path: Path) -> None:
    settings = tmp_path / "Agent" / "Borealis" / "Settings"
    settings.mkdir(parents=True)
    (settings / "Agent_GUID.txt").write_text("11111111-2222-4333-8444-555555555555\n")
    done = started("--system-service", root=tmp_path, python=("-OO",))
    assert done.returncode == 3
    assert "key is gone" in done.stderr
    assert not (tmp_path / "Agent" / "Borealis" / "Certificates" / "Agent" / "Identity").exists()


@pytest.mark.slow
def test_a_second_agent_in_one_root_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from borealis_agent.app import program
    from borealis_base.files import exclusive_lock

    monkeypatch.setattr(program, "LOCK_SECONDS", 0.1)
    settings = load_settings(["--system-service"], {"BOREALIS_ROOT": str(tmp_path)})
    with exclusive_lock(spool_of(settings) / "lock", timeout=1):
        assert program.run(settings, roles_folder=tmp_path / "Roles", environ={}) == program.PERSON_MUST_ACT


def test_two_agents_that_share_a_root_have_a_journal_each(tmp_path: Path) -> None:
    system = load_settings(["--system-service"], {"BOREALIS_ROOT": str(tmp_path)})
    user = load_settings(["--config", "user"], {"BOREALIS_ROOT": str(tmp_path)}, home=tmp_path / "home")
    assert spool_of(system) != spool_of(user)


@pytest.mark.skipif(ON_WINDOWS, reason="no XDG desktop starts programs there")
def test_a_desktop_starts_an_agent_only_where_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from borealis_agent.app import program

    people = {1000: "ada"}
    monkeypatch.setattr(program, "person_of", people.get)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert program.autostart_is_needed({})
    assert program.autostart_is_needed({"XDG_RUNTIME_DIR": str(tmp_path)})
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd" / "private").touch()
    assert not program.autostart_is_needed({"XDG_RUNTIME_DIR": str(tmp_path)}), "the user unit does it"
    people.clear()
    assert not program.autostart_is_needed({}), "a system account's session, as of the login screen"


@needs_root
@pytest.mark.slow
def test_rejects_autostart_for_root_without_a_word(tmp_path: Path) -> None:
    done = started("--config", "user", "--autostart", root=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
