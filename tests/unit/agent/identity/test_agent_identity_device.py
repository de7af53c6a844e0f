"""Opening an identity: each row of the table does what it says, with real files."""

import logging
import shutil
from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness
from tests.programs.systems import ON_WINDOWS

from borealis_agent.core.errors import Fatal
from borealis_agent.core.paths import AgentPaths
from borealis_agent.identity import AccessToken, DeviceIdentity, Start, StartAction, open_identity
from borealis_agent.platform.protection import FileModes
from borealis_wire.events import RunContext

PIN = "a" * 64
GUID = "6F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10"


def open_in(root: Path, *, pin: str = PIN, offered: bool = False, seed: str = "one") -> tuple[DeviceIdentity, Start]:
    return open_identity(
        paths=AgentPaths(root),
        context=RunContext.SYSTEM,
        ca_pin=pin,
        offered=offered,
        clock=FakeClock(),
        randomness=FakeRandomness(seed),
        protection=FileModes(),
    )


def enrolled(root: Path, *, seconds: float = 900) -> DeviceIdentity:
    identity, _ = open_in(root)
    identity.store_guid(GUID)
    identity.vault(PIN).store_refresh("r")
    identity.vault(PIN).store_access(RunContext.SYSTEM, AccessToken("a", FakeClock().now() + seconds))
    return identity


def test_the_first_launch_makes_a_key_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        identity, start = open_in(tmp_path, pin="")
    assert start.action is StartAction.ENROL
    assert start.sentence in caplog.text
    assert identity.fingerprint in caplog.text
    assert identity.load_guid() is None
    assert ON_WINDOWS or AgentPaths(tmp_path).settings.stat().st_mode & 0o777 == 0o700


def test_an_enrolled_device_connects_or_attests(tmp_path: Path) -> None:
    identity = enrolled(tmp_path)
    again, start = open_in(tmp_path, seed="two")
    assert start.action is StartAction.CONNECT
    assert again.fingerprint == identity.fingerprint
    identity.vault(PIN).store_access(RunContext.SYSTEM, AccessToken("a", FakeClock().now() - 1))
    assert open_in(tmp_path)[1].action is StartAction.ATTEST
    identity.discard_tokens()
    assert open_in(tmp_path)[1].action is StartAction.ATTEST


def test_survives_tokens_without_a_guid(tmp_path: Path) -> None:
    identity = enrolled(tmp_path)
    (AgentPaths(tmp_path).settings / "Agent_GUID.txt").write_bytes(b"torn")
    again, start = open_in(tmp_path)
    assert start.action is StartAction.DISCARD_AND_ENROL
    assert again.fingerprint == identity.fingerprint
    assert identity.vault(PIN).load_refresh() is None


def test_rejects_a_guid_without_a_key_and_makes_none(tmp_path: Path) -> None:
    enrolled(tmp_path)
    shutil.rmtree(AgentPaths(tmp_path).identity)
    with pytest.raises(Fatal, match="key is gone") as caught:
        open_in(tmp_path, offered=True)
    assert "backup" in caught.value.diagnostics()
    assert not AgentPaths(tmp_path).identity.exists()


def test_rejects_a_device_whose_pinned_engine_is_gone(tmp_path: Path) -> None:
    identity = enrolled(tmp_path)
    with pytest.raises(Fatal, match="tampered") as caught:
        open_in(tmp_path, pin="")
    assert "borealis codes create" in caught.value.diagnostics()
    _, start = open_in(tmp_path, pin="", offered=True)
    assert start.action is StartAction.ENROL_SAME_KEY
    assert open_in(tmp_path)[0].fingerprint == identity.fingerprint


def test_survives_token_files_for_another_engine(tmp_path: Path) -> None:
    enrolled(tmp_path)
    _, start = open_in(tmp_path, pin="b" * 64)
    assert start.action is StartAction.ATTEST


def test_what_the_other_agent_wrote_is_seen(tmp_path: Path) -> None:
    identity, _ = open_in(tmp_path)
    other, _ = open_in(tmp_path)
    other.store_guid(GUID.lower())
    assert identity.load_guid() == GUID
