"""What one request may and may not do."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.fakes.tls_engine import Authority, TlsEngine

from borealis_agent.core.errors import ReenrolRequired, Retryable
from borealis_agent.enrolment.first_contact import Anchor
from borealis_agent.http import EngineTransport
from borealis_wire.events import HEADER_CONTEXT


@pytest.fixture
def engine(tmp_path: Path) -> TlsEngine:
    return TlsEngine(Authority(tmp_path))


def transport_to(engine: TlsEngine) -> EngineTransport:
    anchor = Anchor(engine.url, engine.authority.pin, engine.authority.pem)
    return EngineTransport(url=lambda: engine.url, trust=anchor, context_label="CURRENTUSER")


async def test_a_request_carries_context_and_agent_and_comes_back_as_an_object(engine: TlsEngine) -> None:
    engine.handlers["/x"] = lambda body, request: (200, {"heard": body})
    async with engine.run():
        transport = transport_to(engine)
        answer = await transport.post("/x", {"a": "ä"}, headers={"Authorization": "Bearer t"}, timeout=5)
        await transport.close()
    assert (answer.status, answer.body) == (200, {"heard": {"a": "ä"}})
    headers = engine.calls[0].headers
    assert headers[HEADER_CONTEXT] == "CURRENTUSER"
    assert headers["User-Agent"] == "Borealis-Agent/secure"
    assert headers["Authorization"] == "Bearer t"
    assert answer.server_time is not None


async def test_rejects_a_redirect_and_follows_none(engine: TlsEngine) -> None:
    engine.handlers["/x"] = lambda body, request: web.Response(status=307, headers={"Location": "/elsewhere"})
    async with engine.run():
        transport = transport_to(engine)
        answer = await transport.post("/x", {}, headers={"Authorization": "Bearer t"}, timeout=5)
        await transport.close()
    assert answer.status == 307
    assert engine.paths() == ["/x"]


async def test_rejects_an_answer_that_never_ends(engine: TlsEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borealis_agent.http.transport.MAX_ANSWER_BYTES", 100_000)
    engine.handlers["/x"] = lambda body, request: web.Response(body=b"x" * 200_000)
    async with engine.run():
        transport = transport_to(engine)
        with pytest.raises(Retryable, match="exceeds"):
            await transport.post("/x", {}, timeout=5)
        await transport.close()


async def test_rejects_proxies_of_the_environment(engine: TlsEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    engine.handlers["/x"] = lambda body, request: (200, {})
    async with engine.run():
        transport = transport_to(engine)
        assert (await transport.post("/x", {}, timeout=5)).status == 200
        await transport.close()


async def test_cookies_are_neither_kept_nor_sent(engine: TlsEngine) -> None:
    engine.handlers["/x"] = lambda body, request: web.json_response({}, headers={"Set-Cookie": "session=stolen"})
    async with engine.run():
        transport = transport_to(engine)
        await transport.post("/x", {}, timeout=5)
        await transport.post("/x", {}, timeout=5)
        await transport.close()
    assert "Cookie" not in engine.calls[1].headers


async def test_survives_an_engine_that_goes_away_and_comes_back(engine: TlsEngine) -> None:
    engine.handlers["/x"] = lambda body, request: (200, {})
    async with engine.run():
        transport = transport_to(engine)
        assert (await transport.post("/x", {}, timeout=5)).status == 200
    with pytest.raises(Retryable, match="cannot be reached"):
        await transport.post("/x", {}, timeout=5)
    async with engine.run():
        assert (await transport.post("/x", {}, timeout=5)).status == 200
        await transport.close()


async def test_survives_an_engine_that_does_not_answer(engine: TlsEngine) -> None:
    async with engine.run():
        transport = transport_to(engine)
        with pytest.raises(Retryable, match="did not answer"):
            await transport.post("/x", {}, timeout=0.0001)
        await transport.close()


async def test_survives_texts_that_no_encoding_holds(engine: TlsEngine) -> None:
    engine.handlers["/x"] = lambda body, request: (200, body)
    async with engine.run():
        transport = transport_to(engine)
        assert (await transport.post("/x", {"a": "\ud800"}, timeout=5)).body == {"a": "?"}
        await transport.close()


async def test_a_bound_body_is_made_for_the_connection_that_carries_it(engine: TlsEngine) -> None:
    seen: list[bytes] = []

    def make(leaf: bytes) -> dict[str, Any]:
        seen.append(leaf)
        return {"length": f"{len(leaf):09d}"}

    engine.handlers["/x"] = lambda body, request: (200, body)
    transport = transport_to(engine)
    for _ in range(2):  # each run shows a leaf of its own
        async with engine.run():
            transport = transport if engine.calls else transport_to(engine)
            answer = await transport.post_bound("/x", make, timeout=5)
            assert answer.body == {"length": f"{len(engine.leaf_der):09d}"}
            assert seen[-1] == engine.leaf_der
    await transport.close()
    assert seen[1] != seen[3]


async def test_rejects_speaking_to_anybody_while_nothing_is_pinned() -> None:
    transport = EngineTransport(url=lambda: "https://127.0.0.1:1", trust=Anchor("", "", ""), context_label="SYSTEM")
    with pytest.raises(ReenrolRequired):
        await transport.post("/x", {}, timeout=5)
    with pytest.raises(ReenrolRequired):
        transport.new_session()


async def test_a_session_for_a_socket_lives_on_the_pinned_connector(engine: TlsEngine) -> None:
    engine.handlers["/x"] = lambda body, request: (200, {})
    async with engine.run():
        transport = transport_to(engine)
        session = transport.new_session()
        async with session.post(engine.url + "/x", json={}) as response:
            assert response.status == 200
        await session.close()
        assert (await transport.post("/x", {}, timeout=5)).status == 200
        await transport.close()
