"""The settings file as roles know it."""

import json
import os
from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_agent.core.config import MAX_CONFIG_BYTES, AgentConfig, number_setting
from borealis_agent.core.errors import Fatal
from borealis_agent.core.ownership import require_own, require_private
from borealis_agent.role_api import ConfigPort


def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "agent_settings_SYSTEM.json"
    config: ConfigPort = AgentConfig(path, clock=FakeClock())
    assert config.data["config_file_watcher_interval"] == 2
    config.data["regions"] = {"node": {"x": 1}}
    config._write()
    assert not config.watch()
    again = AgentConfig(path, clock=FakeClock())
    assert again.data["regions"] == {"node": {"x": 1}}
    assert again.data["agent_id"] == ""


def test_a_change_from_outside_is_seen_once(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    config = AgentConfig(path, clock=FakeClock())
    path.write_text(json.dumps({"installer_code": "x", "config_file_watcher_interval": 7}))
    assert config.watch()
    assert not config.watch()
    assert config.data["installer_code"] == "x"
    assert config.interval == 7


@pytest.mark.parametrize("value", [0, -1, "2", None, True, [1]])
def test_an_interval_is_at_least_a_second(tmp_path: Path, value: object) -> None:
    config = AgentConfig(tmp_path / "s.json", clock=FakeClock())
    config.data["config_file_watcher_interval"] = value
    assert config.interval >= 1


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b" " * (MAX_CONFIG_BYTES + 1)])
def test_survives_a_torn_settings_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    config = AgentConfig(path, clock=FakeClock(1_700_000_000))
    assert config.data["regions"] == {}
    assert (tmp_path / "s.json.bad-1700000000").read_bytes() == content
    config.data["agent_id"] = "a"
    config._write()
    assert AgentConfig(path, clock=FakeClock()).data["agent_id"] == "a"


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
class TestOwnership:
    """Files that another account may write steer nobody."""

    def test_rejects_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_text("x")
        (tmp_path / "link").symlink_to(tmp_path / "real")
        with pytest.raises(Fatal, match="not trusted"):
            require_own(tmp_path / "link")

    def test_rejects_a_file_that_others_may_write(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("x")
        path.chmod(0o664)
        with pytest.raises(Fatal, match="other accounts"):
            require_own(path)

    @pytest.mark.skipif(os.name != "nt" and os.geteuid() != 0, reason="needs root to give a file away")
    def test_rejects_a_file_of_another_account(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("x")
        os.chown(path, 12345, 12345)
        with pytest.raises(Fatal, match="12345"):
            require_own(path)

    def test_a_secret_is_made_private(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        path.write_text("x")
        path.chmod(0o644)
        require_private(path)
        assert path.stat().st_mode & 0o777 == 0o600
        require_private(tmp_path / "absent")


@pytest.mark.parametrize(
    ("written", "counts"), [(0, 0.05), (-1, 0.05), (1e9, 300.0), (3, 3.0), ("3", 10.0), (True, 10.0), (None, 10.0)]
)
def test_a_number_beyond_its_bounds_counts_as_the_bound(written: object, counts: float) -> None:
    assert number_setting({"n": written}, "n", otherwise=10.0, least=0.05, most=300.0) == counts
