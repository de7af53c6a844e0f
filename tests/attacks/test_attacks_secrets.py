"""Threat 7: after a whole journey no secret is in logs, answers, the audit log, process lists or readable files."""

import base64
import itertools
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyotp
import pytest
from tests.attacks.background import Background
from tests.attacks.house import House, a_house
from tests.attacks.people import Person, Target, engine_set_up
from tests.programs.programs import AgentProgram, wait_for

from borealis_agent.core.ids import SystemRandomness
from borealis_agent.identity import TokenVault
from borealis_agent.platform.protection import FileModes
from borealis_base.clock import SystemClock
from borealis_engine.api.access import OPT_KEY, Access
from borealis_engine.api.app import all_handlers
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey

pytestmark = pytest.mark.slow

PASSWORD: Final = "correct horse battery staple"
NEW_PASSWORD: Final = "another horse battery staple"
MISTAKE: Final = "a password in the field of the name"
SHORTEST: Final = 8


@dataclass
class Journey:
    """What happened, and every secret that came up in it by name."""

    house: House
    target: Target
    admin: Person
    secrets: dict[str, str] = field(default_factory=dict)

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Each secret as it may be written: as it is, without dashes, in base64, in hex, in percent signs."""
        for name, text in self.secrets.items():
            raw = text.encode()
            assert len(raw) >= SHORTEST, name
            yield name, raw
            yield name, raw.replace(b"-", b"") if b"-" in raw and len(raw) < 50 else raw
            yield name, base64.b64encode(raw).rstrip(b"=")[: (len(raw) // 3) * 4]
            yield name, raw.hex().encode()

    def assert_absent(self, where: str, data: bytes, *, but: frozenset[str] = frozenset()) -> None:
        """Fail where a secret is in ``data``."""
        for name, form in self.forms():
            if name not in but:
                assert form not in data, f"{name} is in {where}"


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, background: Background) -> Iterator[Journey]:
    """Set-up, second factor, tokens, mistakes, enrolment, runs, a restart: with everything that is a secret noted."""
    with a_house(tmp_path_factory.mktemp("secrets"), background) as house, engine_set_up(house.engine, background) as t:
        journey = Journey(house, t, t.signed_in("ada"))
        note = journey.secrets
        note["setup token"] = t.setup_token
        _operators(journey)
        _devices(journey)
        note.update(_keys(house))
        time.sleep(0.3)
        yield journey


def _operators(journey: Journey) -> None:
    target, note, ada = journey.target, journey.secrets, journey.admin
    made = target.owner.post("/api/users", json={"username": "eve", "password": PASSWORD, "role": "Admin"})
    assert made.status_code == 201
    eve = target.signed_in("eve", PASSWORD)
    note["first password"], note["second password"] = PASSWORD, NEW_PASSWORD
    changed = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert eve.client.post("/api/auth/password", json=changed).status_code == 200
    offer = eve.client.post("/api/auth/mfa/setup", json={"password": NEW_PASSWORD}).json()
    note["totp secret"] = offer["secret"]
    codes = eve.client.post("/api/auth/mfa/confirm", json={"code": pyotp.TOTP(offer["secret"]).now()}).json()
    note.update({f"recovery code {number}": code for number, code in enumerate(codes["recovery_codes"])})
    half = target.stranger().post("/api/auth/login", {"username": "eve", "password": NEW_PASSWORD}).json()
    note["pending token"] = half["pending_token"]
    body = {"pending_token": half["pending_token"], "code": codes["recovery_codes"][0]}
    stranger = target.stranger()
    again = target.browser(stranger, stranger.post("/api/auth/mfa/verify", body))
    token = again.client.post("/api/tokens", json={"name": "automation", "scopes": ["devices.read", "self"]}).json()
    note["personal token"] = token["token"]
    for name, person in (("ada", ada), ("eve", eve), ("eve again", again)):
        note[f"session of {name}"] = person.cookie
        note[f"csrf of {name}"] = person.client.headers["X-Borealis-CSRF"]
    # Mistakes: a password in the wrong field, secrets in an address, a torn body, a wrong type.
    note["password as a name"] = MISTAKE
    target.stranger().post("/api/auth/login", {"username": MISTAKE, "password": "x"})
    target.stranger().post("/api/auth/login", {"username": "eve", "password": MISTAKE})
    with target.stranger().http({"Authorization": f"Bearer {note['personal token']}"}) as client:
        client.get("/api/devices", params={"token": note["personal token"], "password": NEW_PASSWORD})
        client.get(f"/api/runs/{note['personal token']}")
        client.post("/api/auth/login", content=b'{"username":"eve","password":"' + NEW_PASSWORD.encode())
        client.post("/api/auth/login", json={"username": "eve", "password": [NEW_PASSWORD]})
        client.post("/api/users", json={"username": "x", "password": NEW_PASSWORD, "extra": NEW_PASSWORD})


def _devices(journey: Journey) -> None:
    house, note = journey.house, journey.secrets
    code = house.agent.command[-1]
    note["enrolment token"] = code
    note["enrolment code"] = code.partition("#")[2].partition(".")[0]
    second = AgentProgram(house.agent.root.parent / "second", environment={})
    with house.owner as owner:
        made = owner.post("/api/admin/enrollment-codes", json={"max_uses": 2}).json()
        note["code by environment"] = made["code"]
        second.environment["BOREALIS_INSTALLER_CODE"] = made["token"]
        second.start()
        waiting = wait_for("the second", lambda: _waiting(owner), log=second.output)
        body = {"conflict_resolution": "coexist"}
        owner.post(f"/api/admin/device-approvals/{waiting}/approve", json=body)
        wait_for("it to be let in", lambda: _guid(second), log=second.output)
        for script in ("env; cat /proc/self/environ; ps -eo args", "echo fine", "exit 3"):
            house.run_of(house.launch(script))
        note.update(_vault(house.agent, "agent"))
        second.stop()
        note.update(_vault(second, "second"))
        owner.post(f"/api/devices/{_guid(second)}/revoke", json={})
    house.agent.kill()
    house.agent.start()
    house.engine.kill()
    house.engine.start()
    house.settled()


def _waiting(owner: Any) -> str | None:
    found = owner.get("/api/admin/device-approvals").json()["approvals"]
    return str(found[0]["approval_reference"]) if found else None


def _guid(agent: AgentProgram) -> str | None:
    path = agent.root / "Agent" / "Borealis" / "Settings" / "Agent_GUID.txt"
    return path.read_text().strip() if path.exists() else None


def _vault(agent: AgentProgram, name: str) -> dict[str, str]:
    """The tokens and the private key of an agent."""
    home = agent.root / "Agent" / "Borealis"
    pin = json.loads((home / "Certificates" / "Agent" / "Trusted_Server_Cert" / "trust.json").read_bytes())["ca_pin"]
    vault = TokenVault(
        home / "Settings", ca_pin=pin, clock=SystemClock(), randomness=SystemRandomness(), protection=FileModes()
    )
    access, refresh = vault.load_access(RunContext.SYSTEM), vault.load_refresh()
    assert access is not None and refresh is not None
    pem = (home / "Certificates" / "Agent" / "Identity" / "agent_identity_private.ed25519").read_text()
    return {
        f"access token of {name}": access.token.rpartition(".")[2],
        f"refresh token of {name}": refresh,
        f"private key of {name}": "".join(pem.split("\n")[1:-2]),
        f"token key of {name}": base64.b64encode((home / "Settings" / "token.key").read_bytes()).decode().rstrip("="),
    }


def _keys(house: House) -> dict[str, str]:
    """The Engine's own secrets."""
    root = house.engine.root / "Engine"
    found = {
        "owner token": (root / "Data" / "Secrets" / "cli.token").read_text().strip(),
        "totp key": base64.b64encode((root / "Data" / "Secrets" / "totp.key").read_bytes()).decode().rstrip("="),
    }
    for path in (*root.rglob("*key*.pem"), *root.rglob("*.key")):
        text = path.read_bytes()
        if text.startswith(b"-----BEGIN"):
            body = "".join(text.decode().split("\n")[1:-2])
            found[f"key {path.name}"] = body[-40:].rstrip("=")
            if path.name.endswith("ed25519.key"):
                seed = SigningKey.from_pkcs8_pem(text.decode()).seed
                found[f"seed of {path.name}"] = base64.b64encode(seed).decode().rstrip("=")
    assert len(found) >= 6, sorted(found)
    return found


def test_the_journey_has_secrets_to_look_for(journey: Journey) -> None:
    names = " ".join(journey.secrets)
    for word in ("setup", "password", "totp", "recovery", "pending", "personal", "session", "csrf", "enrolment code"):
        assert word in names
    for word in (
        "access token",
        "refresh token",
        "private key",
        "token key",
        "owner",
        "seed",
        "key borealis-root-ca-key",
    ):
        assert word in names


def test_rejects_secrets_in_logs_and_output_of_the_programs(journey: Journey) -> None:
    roots = (journey.house.engine.root, journey.house.agent.root, journey.house.agent.root.parent / "second")
    logs = [path for root in roots for path in (*root.rglob("Logs/**/*"), *root.glob("*.out")) if path.is_file()]
    assert len(logs) > 8
    for path in logs:
        journey.assert_absent(str(path), path.read_bytes())


def test_rejects_secrets_in_answers_and_the_audit_log(journey: Journey) -> None:
    """Everything that an Admin and the owner can read, after all of it; and metrics."""
    with journey.house.owner as owner:
        guid = journey.house.guid
        runs = owner.get("/api/runs", params={"output": True}).json()["runs"]
        named = {
            "guid": guid,
            "hostname": owner.get(f"/api/devices/{guid}").json()["hostname"],
            "run_id": runs[0]["run_id"],
            "activity_id": 1,
        }
        paths = []
        for handler in all_handlers():
            rule = handler.opt[OPT_KEY]
            if isinstance(rule, Access) and rule.kind != "device" and "GET" in handler.http_methods:
                paths += [
                    re.sub(r"\{([^:}]+)(?::\w+)?\}", lambda part: str(named.get(part.group(1), "x")), path)
                    for path in handler.paths
                ]
        logs = owner.get("/api/server/logs").json()["files"]
        paths += [f"/api/server/logs?lines=5000&name={file['name']}" for file in logs]
        paths += ["/api/audit?limit=500", "/api/runs?output=true", "/api/admin/device-approvals?status=all"]
        for path, client in itertools.product(paths, (owner, journey.admin.client)):
            answer = client.get(path)
            # One's own csrf value is told to who has the session, and to nobody else.
            own = frozenset({"csrf of ada"}) if path == "/api/auth/me" else frozenset()
            # A script may print what is in the process list of its machine: see the test of that.
            journey.assert_absent(f"the answer of {path}", answer.content, but=own)


def test_rejects_secrets_in_process_lists(journey: Journey) -> None:
    """The command line of everything that runs; and nobody else may read an environment."""
    ours = {journey.house.engine.pid, journey.house.agent.pid}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line, environ = (folder / "cmdline").read_bytes(), folder / "environ"
            if int(folder.name) in ours:
                # A person gave the agent its token as an argument: it is there no more.
                journey.assert_absent(f"the command line {line!r}", line)
                assert environ.stat().st_mode & 0o077 == 0
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def test_rejects_secrets_in_the_environment_of_scripts(journey: Journey) -> None:
    house = journey.house
    run = house.run_of(house.launch("env; tr '\\0' '\\n' < /proc/self/environ; tr '\\0' '\\n' < /proc/$$/environ"))
    assert "BOREALIS_RUN_ID" in run["stdout"]
    journey.assert_absent("the environment of a script", run["stdout"].encode())
    assert "BOREALIS_INSTALLER_CODE" not in run["stdout"]


def test_rejects_secrets_in_the_database_as_they_are(journey: Journey) -> None:
    for path in (journey.house.engine.root / "Engine").glob("database.db*"):
        journey.assert_absent(path.name, path.read_bytes())


def test_rejects_readers_other_than_the_owner_of_every_file_with_a_secret(journey: Journey) -> None:
    """Files that hold a secret are for their account alone, and so are the folders around them or above."""
    found: dict[str, Path] = {}
    roots = (journey.house.engine.root, journey.house.agent.root, journey.house.agent.root.parent / "second")
    for path in (path for root in roots for path in root.rglob("*") if path.is_file() and not path.is_symlink()):
        data = path.read_bytes()
        for name, form in journey.forms():
            if form in data:
                found[f"{name}: {path}"] = path
    for name in ("key borealis-root-ca-key", "key borealis-script", "owner token", "private key of agent"):
        assert any(known.startswith(name) for known in found), f"{name} was looked for in vain"
    for name, path in found.items():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{name} has mode {mode:o}"
        assert path.stat().st_uid == os.geteuid()


def test_a_second_enrolment_does_not_show_the_code_either(journey: Journey, tmp_path: Path) -> None:
    """A wrong code, a used one and one in a settings file are never repeated in a log."""
    engine = journey.house.engine
    with journey.house.owner as owner:
        made = owner.post("/api/admin/enrollment-codes", json={"max_uses": 1}).json()
    settings = tmp_path / "agent" / "Agent" / "Borealis" / "Settings"
    settings.mkdir(parents=True)
    (settings / "agent_settings_SYSTEM.json").write_text(json.dumps({"installer_code": made["token"]}))
    agent = AgentProgram(tmp_path / "agent")
    try:
        with journey.house.owner as owner:
            agent.start()
            waiting = wait_for("the knock", lambda: _waiting(owner), log=agent.output)
            owner.post(f"/api/admin/device-approvals/{waiting}/approve", json={"conflict_resolution": "coexist"})
            wait_for("the end", lambda: _guid(agent), log=agent.output)
            wait_for(
                "blanking", lambda: made["code"] not in (settings / "agent_settings_SYSTEM.json").read_text() or None
            )
    finally:
        agent.stop()
    bare = made["code"].replace("-", "")
    for text in (agent.log_text(), engine.log_text()):
        assert made["code"] not in text
        assert bare not in text
