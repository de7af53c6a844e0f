"""Names, figures and DPAPI as Windows gives them; run there by ``tests/windows/test_windows_units.py``."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fakes.fake_randomness import FakeRandomness

from borealis_agent.identity import AccessToken, TokenVault
from borealis_agent.identity.device_key import PRIVATE_FILE, load_device_key, load_or_create_device_key
from borealis_agent.platform import machine
from borealis_agent.platform.protection import protection_for
from borealis_base.clock import SystemClock
from borealis_wire.events import RunContext

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="run on Windows by test_windows_units.py")

PIN = "ab" * 32


def test_names_and_rights_are_the_systems() -> None:
    assert machine.hostname() == os.environ["COMPUTERNAME"].lower() or machine.hostname() == os.environ["COMPUTERNAME"]
    assert machine.current_user() == f"{os.environ['USERDOMAIN']}\\{os.environ['USERNAME']}"
    assert machine.operating_system() == "Windows 10.0.18362"
    assert machine.is_privileged() in {True, False}


def test_figures_are_in_their_range() -> None:
    uptime, memory, own = machine.uptime_seconds(), machine.memory_percent(), machine.own_memory()
    assert uptime is not None and uptime > 0
    assert memory is not None and 0 < memory <= 100
    assert own is not None and 5_000_000 < own < 2_000_000_000
    meter = machine.CpuMeter()
    until = time.monotonic() + 5
    while (load := meter.percent()) is None and time.monotonic() < until:
        sum(range(100_000))
    assert load is not None and 0 <= load <= 100


def test_a_process_exists_until_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert machine.process_exists(process.pid)
        process.kill()
        process.wait()
    assert not machine.process_exists(process.pid)


@pytest.mark.parametrize("context", list(RunContext))
def test_dpapi_opens_what_it_sealed(context: RunContext) -> None:
    protection = protection_for(context)
    for secret in (b"", b"x", os.urandom(32), os.urandom(4000)):
        sealed = protection.protect(secret)
        assert sealed != secret
        assert len(secret) < 16 or secret not in sealed
        assert protection.unprotect(sealed) == secret


@pytest.mark.parametrize("context", list(RunContext))
@pytest.mark.parametrize("blob", [b"", b"foreign", b"\x01\x00\x00\x00" + bytes(200), os.urandom(300)])
def test_rejects_a_blob_that_dpapi_did_not_make(context: RunContext, blob: bytes) -> None:
    with pytest.raises(ValueError, match="DPAPI cannot open it"):
        protection_for(context).unprotect(blob)


@pytest.mark.parametrize("cut", [10, 40, -1])
def test_rejects_a_torn_blob(cut: int) -> None:
    protection = protection_for(RunContext.SYSTEM)
    with pytest.raises(ValueError, match="DPAPI cannot open it"):
        protection.unprotect(protection.protect(b"secret" * 20)[:cut])


def test_the_device_key_lies_sealed_and_comes_back(tmp_path: Path) -> None:
    protection = protection_for(RunContext.SYSTEM)
    made = load_or_create_device_key(tmp_path, protection=protection, randomness=FakeRandomness("one"))
    assert b"PRIVATE KEY" not in (tmp_path / PRIVATE_FILE).read_bytes()
    again = load_device_key(tmp_path, protection=protection)
    assert again is not None
    assert again.seed == made.seed


def test_tokens_at_rest_open_with_a_key_that_dpapi_sealed(tmp_path: Path) -> None:
    def vault() -> TokenVault:
        return TokenVault(
            tmp_path,
            ca_pin=PIN,
            clock=SystemClock(),
            randomness=FakeRandomness("two"),
            protection=protection_for(RunContext.SYSTEM),
        )

    first = vault()
    for number in range(3):  # each replaces the file of the one before
        first.store_refresh(f"REFRESH-{number}")
        first.store_access(RunContext.SYSTEM, AccessToken(f"ACCESS-{number}", 5.0))
    assert vault().load_refresh() == "REFRESH-2"
    assert vault().load_access(RunContext.SYSTEM) == AccessToken("ACCESS-2", 5.0)
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"REFRESH" not in everything
    assert b"ACCESS" not in everything


def test_survives_a_key_that_was_carried_here_from_elsewhere(tmp_path: Path) -> None:
    vault = TokenVault(
        tmp_path,
        ca_pin=PIN,
        clock=SystemClock(),
        randomness=FakeRandomness("three"),
        protection=protection_for(RunContext.SYSTEM),
    )
    vault.store_refresh("REFRESH")
    (tmp_path / "token.key").write_bytes(os.urandom(230))
    assert vault.load_refresh() is None
    assert [path.name for path in tmp_path.glob("token.key.bad-*")] != []
    vault.store_refresh("NEW")
    assert vault.load_refresh() == "NEW"
