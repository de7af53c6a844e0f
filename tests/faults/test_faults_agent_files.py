"""Threat 19, the agent: a torn or foreign file leads to a clear state: online again, waiting for an operator, or ended
with status 3 and a sentence. Never a crash loop, never another device without anybody having said so.
"""

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.programs.programs import AgentProgram, EngineProgram, enrol, pending_approvals, run_script, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Break = Callable[[Path], None]
SETTINGS: Final = "Borealis/Settings"
IDENTITY: Final = "Borealis/Certificates/Agent/Identity"
TRUST: Final = "Borealis/Certificates/Agent/Trusted_Server_Cert"
PRIVATE: Final = f"{IDENTITY}/agent_identity_private.ed25519"
PUBLIC: Final = f"{IDENTITY}/agent_identity_public.ed25519"


def torn(path: Path) -> None:
    """The second half is gone."""
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Nothing is left in it."""
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    """Other bytes."""
    path.write_bytes(secrets.token_bytes(400))


def gone(path: Path) -> None:
    """It is not there."""
    path.unlink(missing_ok=True)


def folder(path: Path) -> None:
    """A folder has its name."""
    path.unlink(missing_ok=True)
    path.mkdir()


def tail(path: Path) -> None:
    """A crash left the beginning of one more line."""
    with path.open("ab") as file:
        file.write(b'01234567 {"k":"begun","run"')


def middle(path: Path) -> None:
    """A byte rotted in what was whole."""
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x20
    path.write_bytes(bytes(data))


def another_guid(path: Path) -> None:
    """The GUID of another device."""
    path.write_text("6F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10\n")


def another_key(path: Path) -> None:
    """A good key of another device, with or without its public half."""
    from borealis_wire.keys import SigningKey

    key = SigningKey.from_seed(secrets.token_bytes(32))
    if path.name.endswith("private.ed25519"):
        path.write_text(key.to_pkcs8_pem())
    else:
        path.write_text(f"{key.public.spki_base64}\n")


def another_version(path: Path) -> None:
    """A later agent wrote it."""
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "version": 2}))


def another_engine(path: Path) -> None:
    """A whole file, of an agent that has pinned another Engine."""
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps({**document, "ca_pin": "0" * 64}))


def no_folder(path: Path) -> None:
    """A file has its name."""
    shutil.rmtree(path)
    path.write_text("x")


def another_token_key(path: Path) -> None:
    """The key of another device's tokens."""
    path.chmod(0o600)
    path.write_bytes(b"k" * 32)


STOPS: Final[list[tuple[str, Break, str]]] = [
    (PRIVATE, torn, "cannot be used as the device key"),
    (PRIVATE, empty, "cannot be used as the device key"),
    (PRIVATE, garbage, "cannot be used as the device key"),
    (PRIVATE, gone, "the device key was lost"),
    (PRIVATE, another_key, "belongs to another key"),
    (PUBLIC, another_key, "belongs to another key"),
    (f"{TRUST}/trust.json", torn, "everything is here but the pinned Engine"),
    (f"{TRUST}/trust.json", gone, "everything is here but the pinned Engine"),
    (f"{TRUST}/trust.json", another_version, "everything is here but the pinned Engine"),
    (f"{TRUST}/trust.json", another_engine, "everything is here but the pinned Engine"),
    ("Spool/journal", folder, "journal"),
    ("Spool/outbox", folder, "journal"),
    ("Temp", no_folder, "Temp"),
]
COMES_BACK: Final[list[tuple[str, Break]]] = [
    (f"{SETTINGS}/access.jwt", torn),
    (f"{SETTINGS}/access.jwt", garbage),
    (f"{SETTINGS}/access.jwt", gone),
    (f"{SETTINGS}/refresh.token", torn),  # the access token is good for a while
    (f"{SETTINGS}/agent_settings_SYSTEM.json", garbage),
    (f"{SETTINGS}/installer_code.used.json", garbage),
    (f"{SETTINGS}/server_url.txt", garbage),
    (f"{SETTINGS}/server_url.txt", gone),
    (PUBLIC, garbage),
    (PUBLIC, gone),
    (f"{TRUST}/server_certificate.pem", garbage),
    ("Spool/journal", tail),
    ("Spool/journal", middle),
    ("Spool/journal", garbage),
    ("Spool/journal", gone),
    ("Spool/outbox", tail),
    ("Spool/outbox", middle),
    ("Spool/outbox", gone),
    ("Logs/agent.log", garbage),
]
ASKS: Final[list[tuple[str, tuple[str, ...], Break]]] = [
    ("token key torn", (f"{SETTINGS}/token.key",), torn),
    (
        "token key foreign",
        (f"{SETTINGS}/token.key",),
        another_token_key,
    ),
    ("both tokens torn", (f"{SETTINGS}/access.jwt", f"{SETTINGS}/refresh.token"), torn),
    ("guid torn", (f"{SETTINGS}/Agent_GUID.txt",), torn),
    ("guid garbage", (f"{SETTINGS}/Agent_GUID.txt",), garbage),
    ("guid gone", (f"{SETTINGS}/Agent_GUID.txt",), gone),
    ("guid foreign", (f"{SETTINGS}/Agent_GUID.txt",), another_guid),
]


@dataclass
class Ground:
    """An Engine that runs, and an enrolled agent that does not, with a copy of its folder."""

    engine: EngineProgram
    agent: AgentProgram
    guid: str
    backup: Path

    @property
    def home(self) -> Path:
        """The agent's folder."""
        return self.agent.root / "Agent"

    def restore(self) -> None:
        """The agent as it was."""
        self.agent.stop()
        shutil.rmtree(self.home)
        shutil.copytree(self.backup, self.home, symlinks=True)

    def keep(self) -> None:
        """The agent as it is now is what the next test begins with: its tokens have moved on."""
        self.agent.stop()
        shutil.rmtree(self.backup)
        shutil.copytree(self.home, self.backup, symlinks=True)

    def start(self) -> None:
        """Start it with a fresh file for what it prints."""
        self.agent.output.unlink(missing_ok=True)
        self.agent.start()

    def online(self, client: httpx.Client) -> bool:
        """Whether the device has a session."""
        return bool(client.get(f"/api/devices/{self.guid}").json()["presence"]["contexts"])

    def devices(self, client: httpx.Client) -> list[str]:
        """All that the Engine has let in."""
        return [device["guid"] for device in client.get("/api/devices").json()["devices"]]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    root = tmp_path_factory.mktemp("agent-files")
    engine = EngineProgram(root / "engine").start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(max_uses=50))
    try:
        guid = enrol(engine, agent)
        with engine.owner() as client:
            run_script(client, "echo before")
            wait_for("the inventory", lambda: client.get(f"/api/devices/{guid}").json()["details"] or None)
        agent.stop()
        shutil.copytree(root / "agent" / "Agent", root / "backup", symlinks=True)
        yield Ground(engine, agent, guid, root / "backup")
    finally:
        agent.stop()
        engine.stop()


def seen(ground: Ground, client: httpx.Client) -> str | int | None:
    """What became of the agent: its exit status, ``online``, or ``asks``."""
    assert ground.agent.process is not None
    if (status := ground.agent.process.poll()) is not None:
        return status
    if ground.online(client):
        return "online"
    return "asks" if pending_approvals(client) else None


def named(name: str, how: Break) -> str:
    return f"{Path(name).name}-{getattr(how, '__name__', 'broken')}"


@pytest.mark.parametrize(("name", "breaking", "words"), STOPS, ids=[named(name, how) for name, how, _ in STOPS])
def test_survives_a_file_it_cannot_do_without_by_saying_so(
    ground: Ground, name: str, breaking: Break, words: str
) -> None:
    private = (ground.home / PRIVATE).read_bytes()
    breaking(ground.home / name)
    broken = (ground.home / PRIVATE).read_bytes() if (ground.home / PRIVATE).exists() else b""
    try:
        ground.start()
        with ground.engine.owner() as client:
            state = wait_for("an end", lambda: seen(ground, client), log=ground.agent.output)
            assert state == 3, f"{state}: {ground.agent.log_text()[-2000:]}"
            said = ground.agent.output.read_text().strip()
            assert words in said and len(said.splitlines()) == 1, said
            assert "Traceback" not in ground.agent.log_text().partition("agent starts")[0]
            assert (ground.devices(client), pending_approvals(client)) == ([ground.guid], [])
        now = (ground.home / PRIVATE).read_bytes() if (ground.home / PRIVATE).exists() else b""
        assert now in {broken, private}, "a new key took the place of the old one"
    finally:
        ground.restore()


@pytest.mark.parametrize(("name", "breaking"), COMES_BACK, ids=[named(name, how) for name, how in COMES_BACK])
def test_survives_a_file_that_it_can_do_without(ground: Ground, name: str, breaking: Break) -> None:
    path = ground.home / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    private = (ground.home / PRIVATE).read_bytes()
    breaking(path)
    try:
        ground.start()
        with ground.engine.owner() as client:
            state = wait_for("the agent", lambda: seen(ground, client), seconds=30, log=ground.agent.output)
            assert state == "online", f"{state}: {ground.agent.log_text()[-2000:]}"
            (run,) = run_script(client, "echo well")
            if run["status"] == "Refused" and name == "Spool/journal":
                # Sent within the tolerance for clocks after the loss: it might be an order from before.
                assert run["reason"] == "expired"
                assert "Orders issued before now are refused" in ground.agent.log_text()
            else:
                assert run["stdout"] == "well\n", run
            assert (ground.devices(client), pending_approvals(client)) == ([ground.guid], [])
        assert ground.agent.guid == ground.guid
        assert (ground.home / PRIVATE).read_bytes() == private
    finally:
        ground.restore()


@pytest.mark.parametrize(("what", "names", "breaking"), ASKS, ids=[what for what, _, _ in ASKS])
def test_survives_lost_credentials_by_enrolling_again_as_the_same_device(
    ground: Ground, what: str, names: tuple[str, ...], breaking: Break
) -> None:
    """The same key asks, with a code that is still good, or waits for an operator: it gets its GUID back."""
    private = (ground.home / PRIVATE).read_bytes()
    for name in names:
        breaking(ground.home / name)
    try:
        ground.start()
        with ground.engine.owner() as client:
            state = wait_for("the agent", lambda: seen(ground, client), seconds=40, log=ground.agent.logs / "agent.log")
            if state == "asks":
                (approval,) = pending_approvals(client)
                fingerprint = client.get(f"/api/devices/{ground.guid}").json()["ssl_key_fingerprint"]
                assert approval["ssl_key_fingerprint_claimed"] == fingerprint
                approve(client, approval, ground.guid)
            wait_for(
                "the device", lambda: ground.online(client) or None, seconds=40, log=ground.agent.logs / "agent.log"
            )
            assert ground.devices(client) == [ground.guid]
            (run,) = run_script(client, "echo well")
            assert run["stdout"] == "well\n"
        assert "enrolled: an operator approved this device" in ground.agent.log_text()
        assert ground.agent.guid == ground.guid
        assert (ground.home / PRIVATE).read_bytes() == private
    finally:
        ground.keep()


def approve(client: httpx.Client, approval: dict[str, Any], guid: str) -> None:
    """Say that it is the device it was."""
    path = f"/api/admin/device-approvals/{approval['approval_reference']}/approve"
    answer = client.post(path, json={"guid": guid, "conflict_resolution": "merge"})
    if answer.status_code != 200:
        answer = client.post(path, json={})
    assert answer.status_code == 200, answer.text


def test_survives_every_file_being_garbage_at_once(ground: Ground) -> None:
    for path in ground.home.rglob("*"):
        if path.is_file() and "Logs" not in path.parts:
            path.chmod(0o600)
            garbage(path)
    try:
        began = time.monotonic()
        ground.start()
        with ground.engine.owner() as client:
            assert wait_for("an end", lambda: seen(ground, client), log=ground.agent.output) == 3
            assert ground.devices(client) == [ground.guid]
        assert time.monotonic() - began < 20
        assert len(ground.agent.output.read_text().strip().splitlines()) == 1
    finally:
        ground.restore()
