"""Whoever wants into a remote desktop, or out of one into the Engine, without the right (threats 3, 4, 5, 7, 12)."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx
import psutil
import pytest
from tests.attacks.rights import an_operator
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for
from tests.programs.remains import has_ended, offspring
from tests.programs.rfb import Received, viewing
from tests.programs.streams import stream_at
from tests.programs.xrdp import BACKGROUND, Xrdp

NEEDED = ("xrdp", "xfreerdp", "Xvnc", "setpriv")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="accounts and servers take root"),
    pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason="xrdp, FreeRDP or Xvnc is not installed"),
]
PATH: Final = "/api/rdp/stream"


@dataclass
class House:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    xrdp: Xrdp

    def ask(self, *, token: str = "", **changes: Any) -> httpx.Response:
        """Ask for a session with the real account, as the owner or with a token."""
        body = {"agent_id": self.guid, "protocol": "rdp", "width": 640, "height": 480}
        account = {"username": self.xrdp.user, "password": self.xrdp.password}
        with self.engine.client(token) if token else self.engine.owner() as client:
            return client.post("/api/rdp/session", json={**body, **account, **changes})

    def ticket(self, **changes: Any) -> str:
        """A token of the owner's."""
        answer = self.ask(**changes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="borealis-rdp-") as folder, Xrdp(Path(folder) / "xrdp") as xrdp:
        settings = local_settings(BOREALIS_RDP_PORT=str(xrdp.port))
        engine = EngineProgram(Path(folder) / "engine", environment=settings).start()
        agent = AgentProgram(Path(folder) / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
        try:
            yield House(engine, agent, enrol(engine, agent), xrdp)
        finally:
            agent.stop()
            engine.stop()


async def gone(stage: list[psutil.Process]) -> None:
    """Wait until nothing of it runs any more."""
    await asyncio.to_thread(wait_for, "its end", lambda: all(map(has_ended, stage)) or None)


async def refusal(house: House, token: str, *, bearer: str = "") -> str:
    """The code with which a stream is not opened."""
    async with stream_at(house.engine, PATH, token, bearer=bearer) as stream:
        said = await stream.begin()
        assert said["event"] == "closed", said
        return str(said["error"])


async def test_rejects_tokens_that_are_used_guessed_or_of_somebody_else(house: House) -> None:
    olga = an_operator(house.engine, "olga", "Operator", ["desktop", "devices.read"])
    token = house.ticket()
    assert await refusal(house, token, bearer=olga) == "invalid_session"
    assert await refusal(house, token) == "invalid_session", "who came with it in vain has used it up"
    assert await refusal(house, uuid.uuid4().hex) == "invalid_session"
    used = house.ticket()
    async with stream_at(house.engine, PATH, used) as stream:
        assert (await stream.begin())["event"] == "opened"
        assert await refusal(house, used) == "invalid_session"
    assert await refusal(house, used) == "invalid_session"


async def test_rejects_browsers_of_other_sites_and_who_is_nobody(house: House) -> None:
    token = house.ticket()
    for headers in ({"Origin": "https://evil.example"}, {"Authorization": ""}, {"Authorization": "Bearer none"}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with stream_at(house.engine, PATH, token, headers=headers):
                pass
        assert refused.value.status in {401, 403}
    with house.engine.client() as nobody:
        for method, path in (("POST", "session"), ("GET", "sessions"), ("DELETE", "sessions/x")):
            assert nobody.request(method, f"/api/rdp/{path}", json={}).status_code == 401


def test_rejects_operators_without_the_right_or_out_of_their_sites(house: House) -> None:
    with house.engine.owner() as owner:
        site = owner.post("/api/sites", json={"name": "elsewhere"}).json()["id"]
    viewer = an_operator(house.engine, "vera", "Viewer", ["devices.read"])
    narrow = an_operator(house.engine, "nora", "Operator", ["devices.read", "shell"])
    afar = an_operator(house.engine, "otto", "Operator", ["desktop", "devices.read"], sites=[site])
    refused = {viewer: (403, "forbidden"), narrow: (403, "forbidden"), afar: (404, "device_not_found")}
    for token, expected in refused.items():
        answer = house.ask(token=token)
        assert (answer.status_code, answer.json()["error"]) == expected


def test_rejects_ports_that_are_not_allowed(house: House) -> None:
    with house.engine.owner() as owner:
        place = f"/api/device/vpn_config/{house.guid}"
        assert owner.put(place, json={"allowed_ports": [22]}).status_code == 200
        try:
            answer = house.ask()
            assert (answer.status_code, answer.json()["error"]) == (403, "rdp_not_allowed")
        finally:
            assert owner.put(place, json={"allowed_ports": None}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"agent_id": ""}, "agent_id_required"),
        ({"protocol": "vnc"}, "unsupported_protocol"),
        ({"username": ""}, "invalid_request"),
        ({"username": "a\n/shell:id"}, "invalid_request"),
        ({"password": "a\nb"}, "invalid_request"),
        ({"domain": "a\r"}, "invalid_request"),
        ({"width": 0}, "invalid_request"),
        ({"certificate": "../../etc"}, "invalid_request"),
        ({"drive": "/"}, "invalid_request"),
    ],
)
def test_rejects_what_is_no_account_or_no_size(house: House, changes: dict[str, Any], code: str) -> None:
    answer = house.ask(**changes)
    assert (answer.status_code, answer.json()["error"]) == (400, code)


async def test_rejects_arguments_in_the_place_of_names(house: House) -> None:
    """A name is one argument of one option, whatever stands in it: nothing of this machine is lent to the device."""
    for name in ("/drive:x,/", "x /drive:x,/", "|:3", "x" * 256):
        async with stream_at(house.engine, PATH, house.ticket(username=name, password="x")) as stream:
            said = await stream.begin()
            for one in offspring(house.engine.pid):
                if one.name() == "xfreerdp":
                    words = one.cmdline()
                    assert f"/u:{name}" in words
                    assert not [word for word in words if word.startswith("/drive")]
            assert said["event"] in {"opened", "closed"}


async def test_rejects_an_operator_whose_right_is_taken_or_device_shut_out_meanwhile(house: House) -> None:
    olaf = an_operator(house.engine, "olaf", "Operator", ["desktop", "devices.read"])
    deeds: list[tuple[str, str, Any]] = [
        ("/api/users/olaf/role", "sign", {"role": "Viewer"}),
        (f"/api/devices/{house.guid}/quarantine", "not active", {}),
    ]
    with house.engine.owner() as owner:
        for place, word, body in deeds:
            bearer = olaf if "users" in place else ""
            token = house.ask(token=olaf).json()["token"] if bearer else house.ticket()
            async with stream_at(house.engine, PATH, token, bearer=bearer) as stream:
                assert (await stream.begin())["event"] == "opened"
                stage = offspring(house.engine.pid)
                assert owner.post(place, json=body).status_code == 200
                async with asyncio.timeout(30):
                    while await stream.read():
                        pass
                assert word in stream.closed["detail"]
            await gone(stage)
        answer = house.ask()
        assert owner.post(f"/api/devices/{house.guid}/release").status_code == 200
        assert (answer.status_code, answer.json()["error"]) == (409, "device_not_active")


async def test_rejects_the_password_into_processes_logs_audit_and_database(house: House) -> None:
    secret = house.xrdp.password.encode()
    async with stream_at(house.engine, PATH, house.ticket()) as stream:
        assert (await stream.begin())["event"] == "opened"
        async with viewing(Received(stream.read, stream.write)) as viewer:
            await viewer.until("the picture: it was the right password", lambda: viewer.share_of(BACKGROUND) > 0.5)
        stage = offspring(house.engine.pid)
        assert {"xfreerdp", "Xvnc"} <= {one.name() for one in stage}
        for one in [psutil.Process(house.engine.pid), *stage]:
            for name in ("cmdline", "environ"):
                assert secret not in Path(f"/proc/{one.pid}/{name}").read_bytes()
    with house.engine.owner() as owner:
        assert house.xrdp.password not in owner.get("/api/audit").text
        assert house.xrdp.password not in owner.get("/api/runs").text
    for path in house.engine.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert secret not in path.read_bytes(), path
    assert house.xrdp.password not in house.agent.log_text()


async def test_rejects_a_stage_that_reaches_for_the_engine(house: House) -> None:
    """Whoever took over what speaks to the device finds no file of the Engine's, no network and no other process."""
    async with stream_at(house.engine, PATH, house.ticket()) as stream:
        assert (await stream.begin())["event"] == "opened"
        (client,) = [one for one in offspring(house.engine.pid) if one.name() == "xfreerdp"]
        ids = [f"--reuid={client.uids().effective}", f"--regid={client.gids().effective}", "--clear-groups"]
        inside = ["nsenter", "--mount", "--pid", "--net", "--ipc", f"--target={client.pid}", "--wd=/"]
        key = next((house.engine.root / "Engine" / "Certificates").rglob("*.key"))

        async def run(*words: str, apart: bool = True) -> tuple[int, str]:
            command = [*(inside if apart else []), "setpriv", *ids, "--no-new-privs", "--", *words]
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            output, _ = await process.communicate()
            assert process.returncode is not None
            return process.returncode, output.decode()

        assert (await run("cat", str(key), apart=False))[0] != 0, "not even where it can see it"
        status, said = await run("cat", str(key))
        assert status != 0
        assert "No such file" in said
        assert (await run("cat", "/etc/shadow"))[0] != 0
        assert (await run("sh", "-c", "echo x > /usr/x || echo x > /etc/x"))[0] != 0
        engine = f"exec 3<>/dev/tcp/127.0.0.1/{house.engine.port}"
        assert (await run("bash", "-c", engine))[0] != 0
        assert "xrdp" not in (await run("ps", "-eo", "comm"))[1]
        status_file = Path(f"/proc/{client.pid}/status").read_text()
        rights = dict(line.split(":\t", 1) for line in status_file.splitlines() if ":\t" in line)
        assert (rights["CapEff"], rights["CapBnd"] != "", rights["NoNewPrivs"]) == ("0" * 16, True, "1")


async def test_rejects_more_sessions_than_there_is_memory_for(house: House) -> None:
    house.engine.stop()
    before = dict(house.engine.environment)
    try:
        house.engine.environment["BOREALIS_RDP_SESSIONS"] = "0"
        house.engine.start()
        answer = house.ask()
        assert (answer.status_code, answer.json()["error"]) == (503, "rdp_proxy_unavailable")
        assert "BOREALIS_RDP_SESSIONS" in answer.json()["detail"]
    finally:
        house.engine.stop()
        house.engine.environment.clear()
        house.engine.environment.update(before)
        house.engine.start()
