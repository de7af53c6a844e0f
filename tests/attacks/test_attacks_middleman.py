"""Threat 14: a man in the middle, at first contact and later: nothing is told to him, and no other pin comes of it."""

import contextlib
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from tests.attacks.fake_engine import FakeEngine
from tests.attacks.house import House
from tests.attacks.people import Target
from tests.fakes.tls_engine import CODE, Authority
from tests.programs.programs import AgentProgram, free_port, pending_approvals, wait_for, wait_online

from borealis_engine.enrolment import certificate_making as making
from borealis_wire.enrolment_token import EnrolmentToken
from borealis_wire.events import Rest

pytestmark = pytest.mark.slow


@dataclass
class Listener:
    """A TLS server that answers nothing and counts what it is told. ``handshakes`` are finished ones."""

    context: ssl.SSLContext
    port: int = 0
    handshakes: int = 0
    tries: int = 0
    told: list[bytes] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Listener":
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._server.settimeout(0.1)
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                plain, _ = self._server.accept()
                self.tries += 1
                with plain:
                    plain.settimeout(2)
                    with self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as line:
                        line.do_handshake()
                        self.handshakes += 1
                        while data := line.recv(65536):
                            self.told.append(data)


def context_of(folder: Path, name: str, chain: list[x509.Certificate], key: Any) -> ssl.SSLContext:
    """A server that shows this chain."""
    certificates, private = folder / f"{name}.pem", folder / f"{name}.key"
    certificates.write_bytes(making.certificates_pem(chain))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates, private)
    return context


def engine_ca(root: Path) -> tuple[x509.Certificate, Any]:
    """The Engine's CA, and its key where somebody stole that."""
    folder = root / "Engine" / "Certificates"
    certificate = x509.load_pem_x509_certificate((folder / "borealis-root-ca.pem").read_bytes())
    return certificate, load_pem_private_key((folder / "borealis-root-ca-key.pem").read_bytes(), None)


def lures(folder: Path, root: Path) -> dict[str, ssl.SSLContext]:
    """Every certificate that somebody without the CA's key can show."""
    true, _ = engine_ca(root)
    own = Authority(folder, "own")
    key, now = making.new_key(), time.time()
    names = ("127.0.0.1", "localhost")
    leaf = making.make_leaf(key, ca_key=own.key, ca=own.certificate, names=names, now=now)
    # A certificate in the true CA's name, by a key of one's own; and a leaf that says it is by the true CA.
    namesake = making.make_leaf(key, ca_key=own.key, ca=true, names=names, now=now)
    alone = making.make_authority(key, now)
    return {
        "own-ca": own.context(),
        "true-ca-carried-along": context_of(folder, "carried", [leaf, own.certificate, true], key),
        "true-ca-as-issuer-only": context_of(folder, "namesake", [namesake, true], key),
        "self-signed": context_of(folder, "alone", [alone], key),
        "leaf-only": context_of(folder, "leaf", [leaf], key),
    }


LURES = ("own-ca", "true-ca-carried-along", "true-ca-as-issuer-only", "self-signed", "leaf-only")


@pytest.mark.parametrize("name", LURES)
def test_rejects_any_other_certificate_at_first_contact_and_tells_it_nothing(
    target: Target, tmp_path: Path, name: str
) -> None:
    ca, _ = engine_ca(target.engine.root)
    with Listener(lures(tmp_path, target.engine.root)[name]) as listener:
        token = str(EnrolmentToken(f"https://127.0.0.1:{listener.port}", CODE, making.pin_of(ca)))
        agent = AgentProgram(tmp_path / "agent", "--installer-code", token).start()
        try:
            wait_for("contact", lambda: listener.tries or None, seconds=20)
            wait_for("a word about it", lambda: "Nothing was sent" in agent.log_text() or None, log=agent.output)
            time.sleep(0.5)
            assert listener.told == [], "it was told something"
        finally:
            agent.stop()
    settings = agent.root / "Agent" / "Borealis" / "Settings"
    assert not [path.name for path in settings.glob("*.jwt")] + [path.name for path in settings.glob("*.token")]
    trust = agent.root / "Agent" / "Borealis" / "Certificates" / "Agent" / "Trusted_Server_Cert" / "trust.json"
    assert not trust.exists()
    assert CODE.replace("-", "")[:8] not in agent.log_text().replace("-", "")


def test_rejects_a_bare_code_without_being_told_to_trust(target: Target, tmp_path: Path) -> None:
    with Listener(Authority(tmp_path, "own").context()) as listener:
        url = f"https://127.0.0.1:{listener.port}"
        agent = AgentProgram(tmp_path / "agent", "--installer-code", CODE, "--server-url", url).start()
        assert agent.process is not None
        assert agent.process.wait(30) == 3
        assert listener.told == []
    assert "does not say which Engine to trust" in agent.output.read_text()


def test_rejects_any_other_certificate_later_and_comes_back_to_the_true_one(house: House, tmp_path: Path) -> None:
    """While it runs and at each start, with tokens that are still good: not a byte, and no other pin."""
    house.settled()
    trust = house.agent.root / "Agent" / "Borealis" / "Certificates" / "Agent" / "Trusted_Server_Cert" / "trust.json"
    before, guid = trust.read_bytes(), house.agent.guid
    contexts = lures(tmp_path, house.engine.root)
    house.engine.kill()
    for number, name in enumerate(LURES):
        with Listener(contexts[name], port=house.engine.port) as listener:
            if number:
                house.agent.kill()
                house.agent.start()
            wait_for("a try", lambda listener=listener: listener.tries >= 2 or None, seconds=40)  # type: ignore[misc]
            time.sleep(0.3)
            assert listener.told == [], f"{name} was told something"
        assert house.agent.running(), name
    assert (trust.read_bytes(), house.agent.guid) == (before, guid)
    assert "is not the Engine that this device is pinned to" in house.agent.log_text()
    house.engine.start()
    wait_online(house.engine, house.agent, seconds=90)
    assert house.run_of(house.launch("echo back"))["stdout"] == "back\n"


def test_rejects_an_enrolment_that_somebody_with_the_cas_key_relays(target: Target, tmp_path: Path) -> None:
    """His chain is valid and the pin is right; but the device signs the leaf that it saw, and the Engine looks."""
    ca, ca_key = engine_ca(target.engine.root)
    key = making.new_key()
    leaf = making.make_leaf(key, ca_key=ca_key, ca=ca, names=("127.0.0.1", "localhost"), now=time.time())
    code = target.owner.post("/api/admin/enrollment-codes", json={}).json()["code"]
    relayed: list[tuple[str, dict[str, Any], int, dict[str, Any]]] = []

    def relay(path: str, change: Any = None) -> Any:
        def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            with target.engine.client() as client:
                given = client.post(path, json=change(body) if change else body)
            relayed.append((path, body, given.status_code, given.json()))
            return given.status_code, given.json()

        return answer

    def stripped(body: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name != "proof_v2"}

    context = context_of(tmp_path, "relay", [leaf, ca], key)
    with FakeEngine(target.background, context, port=free_port()) as middle:
        middle.answers = {Rest.ENROLL_REQUEST: relay(Rest.ENROLL_REQUEST), Rest.ENROLL_POLL: relay(Rest.ENROLL_POLL)}
        url = f"https://127.0.0.1:{middle.port}"
        token = str(EnrolmentToken(url, code, making.pin_of(ca)))
        agent = AgentProgram(tmp_path / "agent", "--installer-code", token).start()
        try:
            approval = wait_for("the knock", lambda: _pending(target.owner), seconds=20, log=agent.output)
            reference = approval["approval_reference"]
            answer = target.owner.post(f"/api/admin/device-approvals/{reference}/approve", json={})
            assert answer.status_code in {200, 409}, answer.text
            refusal = wait_for(
                "the refusal", lambda: next((r for r in list(relayed) if r[0] == Rest.ENROLL_POLL), None), seconds=20
            )
            assert (refusal[2], refusal[3]["error"]) == (400, "invalid_proof")
            # Without proof_v2 the Engine takes it for an old agent, and waits for an operator who accepts that.
            without = target.stranger().post(Rest.ENROLL_POLL, stripped(refusal[1]))
            assert "access_token" not in without.text
        finally:
            agent.stop()
    assert not [item for item in relayed if "access_token" in json.dumps(item[3])]
    audit = target.owner.get("/api/audit", params={"action": "enrolment.foreign_certificate"}).json()["entries"]
    assert reference in [entry["target"] for entry in audit]


def _pending(owner: httpx.Client) -> dict[str, Any] | None:
    waiting = [item for item in pending_approvals(owner) if item["hostname_claimed"] == socket.gethostname()]
    return next(iter(waiting), None)
