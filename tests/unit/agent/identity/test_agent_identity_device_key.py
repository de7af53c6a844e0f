"""The device key: made once, whoever starts first, and never replaced silently."""

import multiprocessing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from tests.fakes.fake_randomness import FakeRandomness
from tests.fakes.racing_agents import create_key, start_all
from tests.programs.systems import ON_WINDOWS, needs_file_modes

from borealis_agent.core.errors import Fatal
from borealis_agent.identity.device_key import (
    PRIVATE_FILE,
    PUBLIC_FILE,
    load_device_key,
    load_or_create_device_key,
)
from borealis_agent.platform.protection import FileModes
from borealis_wire.keys import SigningKey


def make(folder: Path, seed: str = "key") -> SigningKey:
    return load_or_create_device_key(folder, randomness=FakeRandomness(seed), protection=FileModes())


def test_the_key_is_made_once_and_read_ever_after(tmp_path: Path) -> None:
    folder = tmp_path / "Identity"
    assert load_device_key(folder, protection=FileModes()) is None
    first = make(folder, "one")
    second = make(folder, "two")
    assert first.seed == second.seed
    assert ON_WINDOWS or (folder / PRIVATE_FILE).stat().st_mode & 0o777 == 0o600
    assert ON_WINDOWS or folder.stat().st_mode & 0o777 == 0o700


def test_the_files_are_what_other_tools_read(tmp_path: Path) -> None:
    key = make(tmp_path)
    private = load_pem_private_key((tmp_path / PRIVATE_FILE).read_bytes(), password=None)
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public.spki == spki
    assert (tmp_path / PUBLIC_FILE).read_text().strip() == key.public.spki_base64


def test_a_key_that_another_tool_made_is_taken(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / PRIVATE_FILE).write_bytes(pem)
    key = make(tmp_path)
    assert key.public.raw == private.public_key().public_bytes_raw()
    assert (tmp_path / PUBLIC_FILE).read_text().strip() == key.public.spki_base64


@pytest.mark.parametrize("content", [None, b"", b"torn", b"\xff\xfe"])
def test_survives_a_public_file_that_is_missing_or_torn(tmp_path: Path, content: bytes | None) -> None:
    key = make(tmp_path)
    path = tmp_path / PUBLIC_FILE
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert make(tmp_path).seed == key.seed
    assert path.read_text().strip() == key.public.spki_base64


def test_rejects_a_public_file_of_another_key(tmp_path: Path) -> None:
    make(tmp_path)
    other = SigningKey.from_seed(b"o" * 32)
    (tmp_path / PUBLIC_FILE).write_text(other.public.spki_base64)
    with pytest.raises(Fatal, match="another key") as caught:
        make(tmp_path)
    assert "backup" in caught.value.diagnostics()


def torn_keys() -> list[bytes]:
    whole = SigningKey.from_seed(b"k" * 32).to_pkcs8_pem().encode()
    rsa_like = whole.replace(b"MC4CAQAwBQYDK2Vw", b"MC4CAQAwBQYDK2Vx")
    return [b"", whole[: len(whole) // 2], whole.replace(b"PRIVATE", b"PUBLIC"), b"\0" * 119, b"\xff" * 48, rsa_like]


@pytest.mark.parametrize("content", torn_keys())
def test_rejects_a_torn_or_foreign_private_key_and_makes_no_other(tmp_path: Path, content: bytes) -> None:
    make(tmp_path)
    (tmp_path / PRIVATE_FILE).write_bytes(content)
    with pytest.raises(Fatal, match="cannot be used as the device key"):
        make(tmp_path)
    assert (tmp_path / PRIVATE_FILE).read_bytes() == content


def test_rejects_the_loss_of_the_private_key_and_makes_no_other(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / PRIVATE_FILE).unlink()
    with pytest.raises(Fatal, match="lost"):
        make(tmp_path)
    assert not (tmp_path / PRIVATE_FILE).exists()


def test_rejects_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Fatal, match="cannot be"):
        make(tmp_path / "file" / "Identity")


@needs_file_modes
def test_a_key_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / PRIVATE_FILE).chmod(0o644)
    make(tmp_path)
    assert (tmp_path / PRIVATE_FILE).stat().st_mode & 0o777 == 0o600


class Wrapping:
    """A protection that shows whether it was used."""

    def protect(self, data: bytes) -> bytes:
        return b"wrapped" + data[::-1]

    def unprotect(self, data: bytes) -> bytes:
        if not data.startswith(b"wrapped"):
            raise ValueError("not ours")
        return data[7:][::-1]


def test_the_key_goes_to_disk_under_the_protection_of_the_system(tmp_path: Path) -> None:
    key = load_or_create_device_key(tmp_path, randomness=FakeRandomness(), protection=Wrapping())
    assert (tmp_path / PRIVATE_FILE).read_bytes().startswith(b"wrapped")
    again = load_device_key(tmp_path, protection=Wrapping())
    assert again is not None
    assert again.seed == key.seed
    with pytest.raises(Fatal):
        load_device_key(tmp_path, protection=FileModes())


@pytest.mark.slow
def test_two_agents_that_start_together_get_one_key(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    ready, outcome = processes.Barrier(3), processes.Queue()
    workers = [processes.Process(target=create_key, args=(tmp_path, ready, outcome)) for _ in range(3)]
    start_all(workers)
    found = [outcome.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 10
