"""The signing key: made once, never replaced silently, rotated so that every device can follow."""

import os
from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.core.errors import Fatal
from borealis_engine.signing import SigningService, _vault, statements
from borealis_wire import base64s
from borealis_wire.envelope import JOB_TYPE, KEYS_TYPE, open_envelope, pre_authentication_encoding
from borealis_wire.keys import VerifyKey
from borealis_wire.orders import parse_keys
from borealis_wire.refusal import Refused


async def started(folder: Path, seed: str = "s", clock: FakeClock | None = None) -> SigningService:
    service = SigningService(folder=folder, clock=clock or FakeClock(), randomness=FakeRandomness(seed))
    await service.start()
    return service


async def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = await started(tmp_path / "keys")
    again = await started(tmp_path / "keys", "other")
    assert first.current_public == again.current_public
    assert (tmp_path / "keys" / _vault.KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert VerifyKey.from_spki((tmp_path / "keys" / _vault.PUBLIC_FILE).read_bytes()) == first.current_public


async def test_a_loosened_key_file_is_tightened(tmp_path: Path) -> None:
    await started(tmp_path)
    (tmp_path / _vault.KEY_FILE).chmod(0o644)
    await started(tmp_path)
    assert (tmp_path / _vault.KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
async def test_rejects_torn_key_instead_of_making_a_new_one(tmp_path: Path, content: bytes) -> None:
    await started(tmp_path)
    (tmp_path / _vault.KEY_FILE).write_bytes(content)
    with pytest.raises(Fatal, match="signing_key_unusable"):
        await started(tmp_path)
    assert (tmp_path / _vault.KEY_FILE).read_bytes() == content


async def test_rejects_missing_key_where_there_was_one(tmp_path: Path) -> None:
    await started(tmp_path)
    (tmp_path / _vault.KEY_FILE).unlink()
    with pytest.raises(Fatal, match="signing_key_missing"):
        await started(tmp_path)


async def test_rejects_torn_statements(tmp_path: Path) -> None:
    await (await started(tmp_path)).rotate()
    (tmp_path / statements.STATEMENTS_FILE).write_text("{")
    with pytest.raises(Fatal, match="key_statements_unusable"):
        await started(tmp_path)


async def test_a_device_that_knows_only_the_first_key_follows_every_rotation(tmp_path: Path) -> None:
    service = await started(tmp_path)
    trusted = {key.key_id: key for key in service.public_keys}
    for _ in range(3):
        await service.rotate()
    for envelope in service.statement_for_devices():
        statement = parse_keys(open_envelope(envelope, expected_type=KEYS_TYPE, trusted=trusted).payload)
        trusted = {key.key_id: key for key in statement.keys if key.key_id not in statement.revoked}
    sealed = service.seal(JOB_TYPE, b"{}")
    assert open_envelope(sealed, expected_type=JOB_TYPE, trusted=trusted).key_id == service.current_public.key_id


async def test_rejects_old_key_once_it_was_revoked(tmp_path: Path) -> None:
    service = await started(tmp_path)
    old = service.seal(JOB_TYPE, b"{}")
    first = service.current_public
    envelope = await service.rotate(revoke_old=True)
    statement = parse_keys(open_envelope(envelope, expected_type=KEYS_TYPE, trusted={first.key_id: first}).payload)
    assert statement.revoked == (first.key_id,)
    with pytest.raises(Refused, match="unknown_key"):
        open_envelope(old, expected_type=JOB_TYPE, trusted={key.key_id: key for key in service.public_keys})


async def test_retired_keys_count_for_a_while_and_no_longer(tmp_path: Path) -> None:
    clock = FakeClock()
    service = await started(tmp_path, clock=clock)
    old = service.current_public
    await service.rotate()
    assert old in service.public_keys
    clock.advance(91 * 24 * 3600)
    assert old not in service.public_keys


class PowerCut(Exception):
    """The machine stops here."""


@pytest.mark.parametrize("step", range(8))
async def test_survives_power_cut_at_any_step_of_a_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    service = await started(tmp_path)
    first = service.current_public
    count = 0
    real_replace, real_fsync = Path.replace, os.fsync

    def tick() -> None:
        nonlocal count
        if count == step:
            raise PowerCut
        count += 1

    def replace(self: Path, target: Path) -> Path:
        tick()
        return real_replace(self, target)

    def fsync(descriptor: int) -> None:
        tick()
        real_fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr(os, "fsync", fsync)
        try:
            await service.rotate()
            finished = True
        except PowerCut:
            finished = False
    again = await started(tmp_path, "after")
    trusted = {first.key_id: first}
    for envelope in again.statement_for_devices():
        statement = parse_keys(open_envelope(envelope, expected_type=KEYS_TYPE, trusted=trusted).payload)
        trusted = {key.key_id: key for key in statement.keys}
    assert again.current_public.key_id in trusted, "a device could not follow"
    assert again.current_public != first or not finished


async def test_upstreams_plain_signature_holds_over_the_script(tmp_path: Path) -> None:
    service = await started(tmp_path)
    signature = base64s.decode(service.sign_script(b"echo"))
    assert service.current_public.verifies(signature, b"echo")
    assert not service.current_public.verifies(signature, b"echo ")


async def test_rejects_a_script_that_is_what_an_envelope_signs(tmp_path: Path) -> None:
    """Else whoever may run a script somewhere has orders for other devices signed."""
    service = await started(tmp_path)
    with pytest.raises(ValueError, match="envelope"):
        service.sign_script(pre_authentication_encoding(KEYS_TYPE, b"{}"))
