"""Whoever gets near a device's forward entry, or a forward's tickets, without the right (threats 4, 7, 10, 12, 20)."""

import asyncio
import contextlib
import json
import socket
import ssl
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from tests.attacks.attacker import stolen_signing_key
from tests.attacks.forging import THIEF
from tests.attacks.rights import DEEDS, an_operator, take_away
from tests.programs.forwards import tcp_server
from tests.programs.local import local_pair
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for, wait_online
from tests.programs.web import web_session

from borealis_wire import strict_json
from borealis_wire.envelope import FORWARD_TYPE, JOB_TYPE, SHELL_TYPE, seal
from borealis_wire.forward import ForwardOrder
from borealis_wire.keys import SigningKey

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="the programs are POSIX ones")]
SECRET: Final = b"only for whom the Engine lets in"
STREAM: Final = "/api/forward/stream"


@dataclass
class House:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    key: SigningKey
    target: int
    """A server on the device's loopback that says ``SECRET`` to everybody."""

    @property
    def port(self) -> int:
        return int(self.agent.environment["BOREALIS_FORWARD_PORT"])

    @property
    def owner_token(self) -> str:
        return (self.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()

    def order(self, **changes: Any) -> dict[str, Any]:
        """An order that is as it should be, but for ``changes``."""
        now = time.time()
        made = ForwardOrder(
            str(uuid.uuid4()), str(uuid.uuid4()), self.guid, "owner", "127.0.0.1", self.target, now, now + 60
        )
        return {**made.to_json(), **changes}

    def sealed(self, order: Any, *, key: SigningKey | None = None, kind: str = FORWARD_TYPE) -> dict[str, Any]:
        return seal(kind, strict_json.canonical(order), key or self.key)

    def knock(self, first: bytes) -> tuple[dict[str, Any], bytes]:
        """Say this to the device; gives its line, and the bytes behind that."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as line, line.makefile("rb") as heard:
            line.settimeout(20)
            try:
                line.sendall(first)
                answer = heard.readline()
                line.shutdown(socket.SHUT_WR)
                return (json.loads(answer) if answer else {}), heard.read()
            except ConnectionError:
                return {}, b""  # it hung up before it had heard us out

    def enter(self, envelope: Any) -> tuple[dict[str, Any], bytes]:
        return self.knock(json.dumps({"type": "open", "envelope": envelope}).encode() + b"\n")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="borealis-forward-") as folder:
        engine, agent = local_pair(Path(folder))
        try:
            with tcp_server(lambda connection: connection.sendall(SECRET)) as target:
                guid = enrol(engine, agent)
                yield House(engine, agent, guid, stolen_signing_key(engine), target)
        finally:
            agent.stop()
            engine.stop()


# --- at the device


def test_rejects_orders_that_do_not_hold(house: House) -> None:
    answer, rest = house.enter(house.sealed(house.order()))
    assert (answer["type"], rest) == ("opened", SECRET), "so what is refused below is so for its reason"
    now = time.time()
    unsigned = {**house.sealed(house.order()), "signatures": []}
    moved = {**house.sealed(house.order()), "payload": house.sealed(house.order(port=22))["payload"]}
    refused = {
        "bad_signature": [unsigned, moved],
        "unknown_key": [house.sealed(house.order(), key=THIEF)],
        "wrong_device": [house.sealed(house.order(device_guid=str(uuid.uuid4()).upper()))],
        "expired": [house.sealed(house.order(issued_at=now - 90, expires_at=now - 30))],
        "not_yet_valid": [house.sealed(house.order(issued_at=now + 600, expires_at=now + 650))],
        "unsupported_type": [house.sealed(house.order(), kind=kind) for kind in (JOB_TYPE, SHELL_TYPE)],
        "malformed": [
            house.sealed(house.order(expires_at=now + 3600)),
            house.sealed(house.order(host="")),
            house.sealed(house.order(host="127.0.0.1\nHost: x")),
            house.sealed(house.order(port=0)),
            house.sealed({**house.order(), "command": "id"}),
            None,
            "x",
        ],
    }
    for reason, envelopes in refused.items():
        for envelope in envelopes:
            answer, rest = house.enter(envelope)
            assert (answer["type"], answer["reason"], rest) == ("refused", reason, b"")


def test_rejects_an_order_that_was_used_before_also_after_a_restart(house: House) -> None:
    envelope = house.sealed(house.order())
    assert house.enter(envelope)[0]["type"] == "opened"
    assert house.enter(envelope)[0]["reason"] == "replayed"
    house.agent.kill()
    house.agent.start()
    wait_online(house.engine, house.agent)

    def is_replayed() -> bool:
        with contextlib.suppress(OSError):
            return house.enter(envelope)[0].get("reason") == "replayed"
        return False

    wait_for("the port", is_replayed)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "169.254.169.254", "::ffff:169.254.169.254", "224.0.0.1", "255.255.255.255", "fe80::1", "0x7f000001"],
)
def test_rejects_targets_that_are_no_machines_or_hand_out_keys(house: House, host: str) -> None:
    answer, rest = house.enter(house.sealed(house.order(host=host, port=80)))
    assert answer["type"] == "refused"
    assert answer["reason"] in {"not_allowed", "not_resolved", "refused"}
    assert rest == b""
    if host != "0x7f000001":
        assert answer["reason"] == "not_allowed"


def test_rejects_the_engine_as_a_target_by_whatever_name(house: House) -> None:
    engine = int(house.engine.url.rpartition(":")[2])
    for host in ("127.0.0.1", "localhost", "127.0.0.9", "::ffff:127.0.0.1"):
        answer, _ = house.enter(house.sealed(house.order(host=host, port=engine)))
        assert (answer["type"], answer["reason"]) == ("refused", "not_allowed"), host


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b"{}\n",
        b'{"type":"open","type":"open"}\n',
        b'{"type":"open","envelope":' + b"[" * 100 + b"\n",
        b"x" * 70_000,
    ],
)
def test_rejects_what_is_no_order_and_goes_on(house: House, first: bytes) -> None:
    answer, rest = house.knock(first)
    assert (answer.get("type"), rest) in {(None, b""), ("refused", b"")}
    assert house.enter(house.sealed(house.order()))[0]["type"] == "opened"


def test_rejects_bytes_that_come_before_the_answer(house: House) -> None:
    begin = json.dumps({"type": "open", "envelope": house.sealed(house.order())}).encode() + b"\n"
    assert house.knock(begin + b"GET / HTTP/1.1\r\n\r\n")[0]["type"] == "refused"


# --- at the Engine


@dataclass
class Operator:
    """Somebody with a token."""

    house: House
    token: str

    async def post(self, path: str, body: Any = None, *, origin: str = "") -> tuple[int, dict[str, Any]]:
        async with self.web() as web:
            headers = self.headers(origin)
            async with web.post(f"{self.house.engine.url}{path}", json=body or {}, headers=headers) as answer:
                return answer.status, await answer.json()

    async def ask(self, **changes: Any) -> str:
        """A token for a forward."""
        asked = {"device": self.house.guid, "host": "127.0.0.1", "port": self.house.target, **changes}
        status, answer = await self.post("/api/forward/session", asked)
        assert status == 200, answer
        return str(answer["token"])

    def headers(self, origin: str = "") -> dict[str, str]:
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**given, **({"Origin": origin} if origin else {})}

    def web(self) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientSession]:
        return web_session(ssl.create_default_context(cafile=str(self.house.engine.ca_file)))

    @contextlib.asynccontextmanager
    async def stream(self, token: str, *, origin: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The WebSocket for a token."""
        async with self.web() as web:
            url = f"{self.house.engine.url}{STREAM}?token={token}"
            async with web.ws_connect(url, headers=self.headers(origin)) as line:
                yield line

    async def first(self, token: str) -> dict[str, Any]:
        """What the Engine says first on a stream."""
        async with self.stream(token) as line:
            said: dict[str, Any] = await line.receive_json(timeout=30)
            return said


def owner_of(house: House) -> Operator:
    return Operator(house, house.owner_token)


def somebody(house: House, name: str, role: str, scopes: list[str], *, sites: list[int] | None = None) -> Operator:
    """Somebody new, with a token for these things."""
    return Operator(house, an_operator(house.engine, name, role, scopes, sites=sites))


async def test_rejects_a_ticket_that_was_used_was_made_up_or_is_somebody_elses(house: House) -> None:
    owner, other = owner_of(house), somebody(house, "fiona", "Operator", ["forward", "devices.read"])
    token = await owner.ask()
    async with owner.stream(token) as session:
        opened = await session.receive_json(timeout=30)
        assert opened["event"] == "opened"
        assert (await owner.first(token))["error"] == "invalid_session"
        path = f"/api/forward/sessions/{opened['session_id']}/connection"
        assert (await other.post(path))[1]["error"] == "forward_not_found"
        _, ticket = await owner.post(path)
        assert (await other.first(ticket["token"]))["error"] == "invalid_session"
        assert (await owner.first(ticket["token"]))["error"] == "invalid_session", "a thief's try spends it"
        _, ticket = await owner.post(path)
        async with owner.stream(ticket["token"]) as line:
            assert (await line.receive_json(timeout=30))["event"] == "opened"
            assert await line.receive_bytes(timeout=30) == SECRET
            assert (await owner.first(ticket["token"]))["error"] == "invalid_session"
    for made_up in ("0" * 32, opened["session_id"], "x"):
        assert (await owner.first(made_up))["error"] == "invalid_session"
    # With its forward a connection's ticket is worth nothing.
    assert (await owner.post(path))[0] == 404


async def test_rejects_a_stream_without_credentials_or_from_a_foreign_page(house: House) -> None:
    owner = owner_of(house)
    token = await owner.ask()
    for who, origin in ((Operator(house, ""), ""), (Operator(house, "wrong"), ""), (owner, "https://evil.example")):
        with pytest.raises(aiohttp.WSServerHandshakeError) as no:
            async with who.stream(token, origin=origin):
                pass
        assert no.value.status in {401, 403}
    async with owner.web() as web:
        for query in ("", "?token=", f"?token={token}&token={token}", f"?token={'x' * 65}"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as no:
                async with web.ws_connect(f"{house.engine.url}{STREAM}{query}", headers=owner.headers()):
                    pass
            assert no.value.status == 400
    assert (await owner.first(token))["event"] == "opened", "nobody's try spent it"


async def test_rejects_operators_without_the_right_or_out_of_their_sites(house: House) -> None:
    with house.engine.owner() as owner:
        site = owner.post("/api/sites", json={"name": "far away"}).json()["id"]
    asked = {"device": house.guid, "host": "127.0.0.1", "port": house.target}
    viewer = somebody(house, "vera", "Viewer", ["devices.read"])
    narrow = somebody(house, "nora", "Operator", ["shell", "devices.read"])
    afar = somebody(house, "otto", "Operator", ["forward", "devices.read"], sites=[site])
    async with owner_of(house).stream(await owner_of(house).ask()) as session:
        session_id = (await session.receive_json(timeout=30))["session_id"]
        for who, status in ((viewer, 403), (narrow, 403), (afar, 404), (Operator(house, ""), 401)):
            assert (await who.post("/api/forward/session", asked))[0] == status
            assert (await who.post(f"/api/forward/sessions/{session_id}/connection"))[0] == status
            async with who.web() as web:
                place = f"{house.engine.url}/api/forward/sessions"
                async with web.delete(f"{place}/{session_id}", headers=who.headers()) as answer:
                    assert answer.status == status
                async with web.get(place, headers=who.headers()) as answer:
                    assert answer.status != 200 or (await answer.json())["forwards"] == []


async def test_rejects_targets_that_are_none(house: House) -> None:
    owner = owner_of(house)
    for host in ("a b", "a/b", "a\nb", "fe80::1%eth0", "m\u00fcller", " ", "x" * 254):
        status, answer = await owner.post(
            "/api/forward/session", {"device": house.guid, "host": host, "port": house.target}
        )
        assert (status, answer["error"]) in {(400, "bad_target"), (400, "invalid_request"), (400, "bad_request")}
    for port in (0, 65536, -1, "80", None, True):
        asked = {"device": house.guid, "host": "127.0.0.1", "port": port}
        assert (await owner.post("/api/forward/session", asked))[0] == 400


@pytest.mark.parametrize("deed", DEEDS)
async def test_rejects_an_operator_whose_right_is_taken_meanwhile(house: House, deed: str) -> None:
    """The forward and what it carries end within seconds, whoever took what."""
    name = f"forward-{deed}"
    person = somebody(house, name, "Operator", ["forward", "devices.read"])
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stay(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(b"in")
            connection.recv(1)
        loop.call_soon_threadsafe(heard.set)

    with tcp_server(stay) as target, house.engine.owner() as owner, contextlib.ExitStack() as after:
        async with person.stream(await person.ask(port=target)) as session:
            session_id = (await session.receive_json(timeout=30))["session_id"]
            _, ticket = await person.post(f"/api/forward/sessions/{session_id}/connection")
            async with person.stream(ticket["token"]) as line:
                assert (await line.receive_json(timeout=30))["event"] == "opened"
                assert await line.receive_bytes(timeout=30) == b"in"
                take_away(owner, deed, name, house.guid, f"/api/forward/sessions/{session_id}", after)
                for one in (line, session):
                    said = await one.receive_json(timeout=20)
                    assert (said["event"], said["error"]) == ("closed", ""), said
                    assert said["detail"], "whoever loses it is told why"
                async with asyncio.timeout(20):
                    await heard.wait()


async def test_rejects_secrets_into_logs(house: House) -> None:
    owner = owner_of(house)
    token = await owner.ask()
    async with owner.stream(token) as session:
        session_id = (await session.receive_json(timeout=30))["session_id"]
        _, ticket = await owner.post(f"/api/forward/sessions/{session_id}/connection")
        async with owner.stream(ticket["token"]) as line:
            await line.receive_json(timeout=30)
            assert await line.receive_bytes(timeout=30) == SECRET
    with house.engine.owner() as client:
        audit = client.get("/api/audit").text
    for text in (audit, house.engine.log_text(), house.agent.log_text()):
        assert SECRET.decode() not in text
        assert house.owner_token not in text
    assert token not in audit + house.agent.log_text()


async def test_rejects_more_forwards_than_one_operator_may_have(house: House) -> None:
    owner = owner_of(house)
    async with contextlib.AsyncExitStack() as many:
        for _ in range(64):
            line = await many.enter_async_context(owner.stream(await owner.ask()))
            assert (await line.receive_json(timeout=30))["event"] == "opened"
        assert (await owner.first(await owner.ask()))["error"] == "rate_limited"
    assert (await owner.first(await owner.ask()))["event"] == "opened", "they are gone with their sockets"
