"""Tokens at rest: they open on this device, for this Engine, and nowhere else."""

import json
import multiprocessing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness
from tests.fakes.racing_agents import start_all, store_tokens
from tests.programs.systems import ON_WINDOWS

from borealis_agent.identity.vault import AccessToken, TokenVault, clear_tokens, token_files_present
from borealis_agent.platform.protection import FileModes
from borealis_wire import base64s
from borealis_wire.events import RunContext

PIN, OTHER_PIN = "a" * 64, "b" * 64


def vault_in(folder: Path, pin: str = PIN, seed: str = "vault") -> TokenVault:
    return TokenVault(folder, ca_pin=pin, clock=FakeClock(), randomness=FakeRandomness(seed), protection=FileModes())


def test_tokens_come_back_as_they_were(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    assert vault.load_refresh() is None
    assert vault.load_access(RunContext.SYSTEM) is None
    vault.store_refresh("the refresh token")
    vault.store_access(RunContext.SYSTEM, AccessToken("for system", 12345.5))
    vault.store_access(RunContext.INTERACTIVE, AccessToken("for the user", 67890.0))
    again = vault_in(tmp_path, seed="after a restart")
    assert again.load_refresh() == "the refresh token"
    assert again.load_access(RunContext.SYSTEM) == AccessToken("for system", 12345.5)
    assert again.load_access(RunContext.INTERACTIVE) == AccessToken("for the user", 67890.0)


def test_nothing_secret_stands_in_the_files(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    vault.store_refresh("REFRESH-SECRET")
    vault.store_access(RunContext.SYSTEM, AccessToken("ACCESS-SECRET", 1.0))
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"SECRET" not in everything
    assert "SECRET" not in repr(AccessToken("ACCESS-SECRET", 1.0))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert ON_WINDOWS or modes == {"access.jwt": 0o600, "refresh.token": 0o600, "token.key": 0o400}


def test_the_expiry_stands_readable_beside_the_token(tmp_path: Path) -> None:
    vault_in(tmp_path).store_access(RunContext.SYSTEM, AccessToken("t", 1_760_000_900.0))
    shown = json.loads((tmp_path / "access.jwt").read_bytes())
    assert shown["access_expires_at"] == 1_760_000_900
    assert shown["access_bound_at"] == 1_760_000_000


def test_the_cipher_is_aes_256_gcm_with_the_pin_as_associated_data(tmp_path: Path) -> None:
    vault_in(tmp_path).store_refresh("r")
    document = json.loads((tmp_path / "refresh.token").read_bytes())
    key = (tmp_path / "token.key").read_bytes()
    assert len(key) == 32
    nonce, sealed = base64s.decode(document["nonce"]), base64s.decode(document["sealed"])
    assert json.loads(AESGCM(key).decrypt(nonce, sealed, PIN.encode())) == {"kind": "refresh", "token": "r"}


def test_each_writing_has_its_own_nonce(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    nonces = set()
    for _ in range(20):
        vault.store_refresh("the same")
        nonces.add(json.loads((tmp_path / "refresh.token").read_bytes())["nonce"])
    assert len(nonces) == 20


def test_rejects_a_token_for_another_engine(tmp_path: Path) -> None:
    vault_in(tmp_path).store_refresh("r")
    assert vault_in(tmp_path, OTHER_PIN).load_refresh() is None
    assert [path.name for path in tmp_path.glob("refresh.token*")] == ["refresh.token.bad-1760000000"]


def test_rejects_a_token_from_another_device(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    vault_in(here, seed="here").store_refresh("r")
    vault_in(there, seed="there").store_refresh("r")
    (there / "refresh.token").write_bytes((here / "refresh.token").read_bytes())
    assert vault_in(there).load_refresh() is None


def test_rejects_an_access_token_put_in_place_of_the_refresh_token(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    vault.store_access(RunContext.SYSTEM, AccessToken("a", 1.0))
    (tmp_path / "access.jwt").rename(tmp_path / "refresh.token")
    assert vault.load_refresh() is None


def test_rejects_the_other_contexts_access_token(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    vault.store_access(RunContext.SYSTEM, AccessToken("a", 1.0))
    (tmp_path / "access.jwt").rename(tmp_path / "access_currentuser.jwt")
    assert vault.load_access(RunContext.INTERACTIVE) is None


def test_a_look_without_the_lock_moves_nothing(tmp_path: Path) -> None:
    vault_in(tmp_path).store_refresh("r")
    assert vault_in(tmp_path).peek_refresh() == "r"
    assert vault_in(tmp_path, OTHER_PIN).peek_refresh() is None
    assert vault_in(tmp_path).load_refresh() == "r"


def whole_file(tmp_path: Path) -> bytes:
    vault_in(tmp_path).store_refresh("r")
    return (tmp_path / "refresh.token").read_bytes()


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_survives_a_file_torn_or_changed_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    whole = whole_file(tmp_path)
    changed = bytearray(whole)
    if data.draw(st.booleans()):
        del changed[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "refresh.token").write_bytes(bytes(changed))
    vault = vault_in(tmp_path)
    found = vault.load_refresh()
    # White space between members may change without harm; nothing else opens.
    assert found is None or (found == "r" and json.loads(changed) == json.loads(whole))
    if found is None:
        assert not (tmp_path / "refresh.token").exists()
        assert list(tmp_path.glob("refresh.token.bad-*"))
    vault.store_refresh("new")
    assert vault.load_refresh() == "new"


@pytest.mark.parametrize("key", [None, b"", b"short", b"x" * 33])
def test_survives_a_key_file_that_is_gone_or_torn(tmp_path: Path, key: bytes | None) -> None:
    vault = vault_in(tmp_path)
    vault.store_refresh("r")
    path = tmp_path / "token.key"
    path.unlink()
    if key is not None:
        path.write_bytes(key)
    assert vault.load_refresh() is None
    vault.store_refresh("new")
    assert vault.load_refresh() == "new"


def test_clearing_takes_the_tokens_and_leaves_the_key(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    vault.store_refresh("r")
    vault.store_access(RunContext.INTERACTIVE, AccessToken("a", 1.0))
    assert token_files_present(tmp_path)
    vault.clear_access(RunContext.INTERACTIVE)
    assert vault.load_refresh() == "r"
    clear_tokens(tmp_path)
    assert not token_files_present(tmp_path)
    assert (tmp_path / "token.key").exists()


@pytest.mark.slow
def test_two_agents_that_store_at_once_share_one_key(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    barrier = processes.Barrier(3)
    workers = [
        processes.Process(target=store_tokens, args=(tmp_path, str(number), PIN, barrier)) for number in range(3)
    ]
    start_all(workers)
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    vault = vault_in(tmp_path)
    assert vault.load_refresh() in {"0", "1", "2"}
    assert all(vault.load_access(context) is not None for context in RunContext)
    assert not list(tmp_path.glob("*.bad-*"))
