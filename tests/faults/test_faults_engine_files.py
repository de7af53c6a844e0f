"""Threat 19, the Engine: a torn or foreign file leads to a clear state: it works, or ends with status 3 and a sentence.

Never a crash loop, never a new key in place of one that devices trust.
"""

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.attacks.attacker import RogueDevice
from tests.attacks.background import Background
from tests.attacks.people import OwnersKey
from tests.programs.programs import EngineProgram, Program, wait_for

from borealis_engine.enrolment import certificate_making as making
from borealis_wire.events import Rest
from borealis_wire.keys import SigningKey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Break = Callable[[Path], None]


def torn(path: Path) -> None:
    """The second half is gone."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Nothing is left in it."""
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    """Other bytes of the same size."""
    path.write_bytes(secrets.token_bytes(max(64, path.stat().st_size if path.exists() else 64)))


def gone(path: Path) -> None:
    """It is not there."""
    path.unlink()


def folder(path: Path) -> None:
    """A folder has its name."""
    path.unlink(missing_ok=True)
    path.mkdir()


def newer(path: Path) -> None:
    """A later version wrote it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_later'")
        connection.commit()


def foreign_signing_key(path: Path) -> None:
    """A good key of another Engine."""
    path.write_text(SigningKey.from_seed(secrets.token_bytes(32)).to_pkcs8_pem())


def foreign_p256_key(path: Path) -> None:
    """The same for TLS."""
    path.write_bytes(making.key_pem(making.new_key()))


def foreign_ca(path: Path) -> None:
    """Another Engine's CA."""
    path.write_bytes(making.certificates_pem([making.make_authority(making.new_key(), path.stat().st_mtime)]))


SIGNING: Final = "Certificates/Code-Signing/borealis-script-ed25519"
JWT: Final = "Data/Auth_Tokens/borealis-jwt-ed25519.key"
STOPS: Final[list[tuple[str, Break, str]]] = [
    ("database.db", garbage, "database"),
    ("database.db", torn, "database"),
    ("database.db", folder, "database"),
    ("database.db", newer, "newer Borealis"),
    ("Certificates/borealis-root-ca.pem", torn, "borealis-root-ca.pem is torn"),
    ("Certificates/borealis-root-ca.pem", gone, "borealis-root-ca.pem is missing"),
    ("Certificates/borealis-root-ca.pem", foreign_ca, "is not the key of"),
    ("Certificates/borealis-root-ca-key.pem", torn, "borealis-root-ca-key.pem is torn"),
    ("Certificates/borealis-root-ca-key.pem", gone, "borealis-root-ca-key.pem is missing"),
    ("Certificates/borealis-root-ca-key.pem", foreign_p256_key, "is not the key of"),
    (f"{SIGNING}.key", torn, "script-signing key"),
    (f"{SIGNING}.key", empty, "script-signing key"),
    (f"{SIGNING}.key", gone, "script-signing key"),
    (f"{SIGNING}.key", foreign_signing_key, "script-signing key"),
    ("Certificates/Code-Signing/key-statements.json", garbage, "key-statements.json is torn"),
    (JWT, torn, "cannot be read as a private key"),
    (JWT, empty, "cannot be read as a private key"),
    ("Data/Secrets/totp.key", torn, "does not hold 32 bytes"),
    ("Data/Secrets/totp.key", empty, "does not hold 32 bytes"),
]
WORKS: Final[list[tuple[str, Break]]] = [
    ("database.db-wal", garbage),
    ("Certificates/borealis-server-cert.pem", torn),
    ("Certificates/borealis-server-cert.pem", gone),
    ("Certificates/borealis-server-key.pem", garbage),
    ("Certificates/borealis-server-key.pem", foreign_p256_key),
    ("Certificates/borealis-server-bundle.pem", garbage),
    (f"{SIGNING}.pub", garbage),
    (f"{SIGNING}.pub", gone),
    (JWT, gone),
    ("Data/Secrets/cli.token", garbage),
    ("Data/Secrets/setup.link", garbage),
    ("Data/engine.json", garbage),
    ("Data/engine.json", torn),
    ("Data/engine.lock", garbage),
    ("Logs/engine.log", garbage),
]


@dataclass
class Ground:
    """An Engine that has lived, with a device and a job in its queue; stopped, and a copy of it."""

    engine: EngineProgram
    device: RogueDevice
    run_id: str
    backup: Path

    @property
    def home(self) -> Path:
        """Its folder."""
        return self.engine.root / "Engine"

    def restore(self) -> None:
        """As it was."""
        self.engine.stop()
        shutil.rmtree(self.home)
        shutil.copytree(self.backup, self.home, symlinks=True)

    def owner(self) -> httpx.Client:
        """The Engine's owner."""
        return self.engine.client(auth=OwnersKey(self.engine))

    def assert_same_engine(self) -> None:
        """The device's tokens, the queue and the keys are those from before."""
        answer = self.device.refresh()
        assert answer.status_code == 200, answer.text
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        work = self.device.post(Rest.SCRIPT_REQUEST, {"guid": self.device.guid}, bearer).json()
        assert [job["run_id"] for job in work["jobs"]] == [self.run_id]
        with self.owner() as owner:
            assert owner.get("/api/setup").status_code == 200
            assert [item["guid"] for item in owner.get("/api/devices").json()["devices"]] == [self.device.guid]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    background = Background()
    root = tmp_path_factory.mktemp("files")
    engine = EngineProgram(root / "engine").start()
    with engine.client(auth=OwnersKey(engine)) as owner:
        device = RogueDevice(engine, background, hostname="files").enrol(owner)
        body = {"script_content": "true", "script_type": "bash", "guids": [device.guid]}
        run_id = owner.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
    engine.stop()
    shutil.copytree(root / "engine" / "Engine", root / "backup", symlinks=True)
    yield Ground(engine, device, run_id, root / "backup")
    engine.stop()
    background.close()


def begun(engine: EngineProgram) -> int | None:
    """Start it: its exit status, or None where it answers."""
    engine.output.unlink(missing_ok=True)
    Program.start(engine)

    def outcome() -> str | None:
        assert engine.process is not None
        if engine.process.poll() is not None:
            return "ended"
        # Its certificate is part of what is tried here, so it is not looked at.
        return "answers" if httpx.get(f"{engine.url}/health", verify=False).status_code == 200 else None

    if wait_for("an end, or an answer", outcome, seconds=30, log=engine.output) == "answers":
        return None
    assert engine.process is not None
    return engine.process.returncode


@pytest.mark.parametrize(
    ("name", "breaking", "words"), STOPS, ids=[f"{Path(name).name}-{how.__name__}" for name, how, _ in STOPS]
)
def test_survives_a_file_it_cannot_do_without_by_saying_so(
    ground: Ground, name: str, breaking: Break, words: str
) -> None:
    path = ground.home / name
    before = {item: item.read_bytes() for item in ground.home.rglob("*") if _is_precious(item)}
    breaking(path)
    try:
        assert begun(ground.engine) == 3, ground.engine.output.read_text()
        said = ground.engine.output.read_text().strip()
        assert words in said
        assert len(said.splitlines()) == 1 and "Traceback" not in said, said
        assert path.name in said or "database" in said
        changed = [item for item, data in before.items() if item != path and item.read_bytes() != data]
        assert changed == [], "it wrote over what it should have left for a person to mend"
    finally:
        ground.restore()


def _is_precious(path: Path) -> bool:
    return path.is_file() and ("Certificates" in path.parts or path.suffix == ".key")


@pytest.mark.parametrize(("name", "breaking"), WORKS, ids=[f"{Path(name).name}-{how.__name__}" for name, how in WORKS])
def test_survives_a_file_that_it_can_make_again(ground: Ground, name: str, breaking: Break) -> None:
    ca = (ground.home / "Certificates" / "borealis-root-ca.pem").read_bytes()
    signing = (ground.home / f"{SIGNING}.key").read_bytes()
    path = ground.home / name
    path.touch()
    breaking(path)
    try:
        assert begun(ground.engine) is None, ground.engine.output.read_text()
        ground.assert_same_engine()
        assert (ground.home / "Certificates" / "borealis-root-ca.pem").read_bytes() == ca
        assert (ground.home / f"{SIGNING}.key").read_bytes() == signing
    finally:
        ground.restore()


@pytest.mark.parametrize("breaking", [gone, empty])
def test_survives_a_lost_database_and_says_that_it_is_one(ground: Ground, breaking: Break) -> None:
    """Its keys are there and its memory is not: it begins anew, under the same keys, and a person hears of it."""
    for extra in ("database.db-wal", "database.db-shm"):
        (ground.home / extra).unlink(missing_ok=True)
    breaking(ground.home / "database.db")
    try:
        assert begun(ground.engine) is None, ground.engine.output.read_text()
        assert "the database is new, and this Engine is not" in ground.engine.log_text()
        answer = ground.device.refresh()
        assert (answer.status_code, answer.json()["error"]) in {
            (404, "device_not_found"),
            (401, "invalid_refresh_token"),
        }
    finally:
        ground.restore()


def test_what_was_restored_is_the_same_engine(ground: Ground) -> None:
    assert begun(ground.engine) is None
    ground.assert_same_engine()
    assert "the database is new" not in ground.engine.log_text()
