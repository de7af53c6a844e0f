"""Whom the agent speaks to over TLS, with real handshakes on loopback (threats 14)."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.tls_engine import Authority, TlsEngine

from borealis_agent.core.certificates import read_pem
from borealis_agent.core.errors import Retryable
from borealis_agent.enrolment.first_contact import Anchor, find_anchor, trust_first
from borealis_agent.http import EngineNotTrusted, EngineTransport, WrongEngine
from borealis_agent.http.tls import fetch_chain, fingerprints, first_use_anchor, peer_chain, pinned_context


class Eavesdropper:
    """Completes handshakes and notes every byte of application data that comes after them."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.heard = b""
        self.handshakes = 0
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator["Eavesdropper"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self
            await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.handshakes += 1
        with contextlib.suppress(OSError):
            async with asyncio.timeout(0.3):
                self.heard += await reader.read(65536)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def transport_to(url: str, authority: Authority) -> EngineTransport:
    anchor = Anchor(url, authority.pin, authority.pem)
    return EngineTransport(url=lambda: url, trust=anchor, context_label="SYSTEM")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def foreign(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "foreign")


async def test_the_chain_is_read_without_trusting_it(ours: Authority) -> None:
    async with Eavesdropper(ours.context()).run() as engine:
        port = int(engine.url.rpartition(":")[2])
        chain = await fetch_chain("127.0.0.1", port)
        await asyncio.sleep(0)
    assert chain[0] == ours.leaf_der
    assert fingerprints(chain)[1] == ours.pin
    assert engine.heard == b""


async def test_the_pinned_ca_is_found_at_first_contact(ours: Authority) -> None:
    async with Eavesdropper(ours.context()).run() as engine:
        anchor = await find_anchor(engine.url, ca_pin=ours.pin)
    assert (anchor.ca_pem, anchor.ca_pin) == (ours.pem, ours.pin)


async def test_rejects_another_ca_at_first_contact_and_sends_nothing(ours: Authority, foreign: Authority) -> None:
    async with Eavesdropper(foreign.context()).run() as thief:
        with pytest.raises(WrongEngine) as caught:
            await find_anchor(thief.url, ca_pin=ours.pin)
        await asyncio.sleep(0.05)
    assert ours.pin in caught.value.diagnostics()
    assert foreign.pin in caught.value.diagnostics()
    assert thief.handshakes == 1
    assert thief.heard == b""


async def test_rejects_a_chain_that_only_carries_the_pinned_certificate_along(
    ours: Authority, foreign: Authority, tmp_path: Path
) -> None:
    # The pinned CA is public: a thief appends it to his own chain. The look finds it, the handshake then does not hold.
    foreign.context()
    chain = tmp_path / "mixed.pem"
    chain.write_text((tmp_path / "foreign1.pem").read_text() + ours.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, tmp_path / "foreign1.key")
    async with Eavesdropper(context).run() as thief:
        anchor = await find_anchor(thief.url, ca_pin=ours.pin)
        transport = EngineTransport(url=lambda: thief.url, trust=anchor, context_label="SYSTEM")
        with pytest.raises(EngineNotTrusted):
            await transport.post("/x", {"secret": 1}, timeout=5)
        await transport.close()
    assert thief.heard == b""


async def test_rejects_another_ca_later_and_sends_nothing(ours: Authority, foreign: Authority) -> None:
    async with Eavesdropper(foreign.context()).run() as thief:
        transport = transport_to(thief.url, ours)
        with pytest.raises(EngineNotTrusted) as caught:
            await transport.post("/x", {"secret": 1}, timeout=5)
        await transport.close()
    assert ours.pin in str(caught.value)
    assert foreign.pin in str(caught.value)
    assert "fresh enrolment token" in caught.value.diagnostics()
    assert thief.heard == b""


async def test_rejects_a_self_made_certificate_in_the_name_of_the_pinned_ca(ours: Authority, tmp_path: Path) -> None:
    imitation = Authority(tmp_path, "imitation")
    async with Eavesdropper(imitation.context()).run() as thief:
        transport = transport_to(thief.url, ours)
        with pytest.raises(EngineNotTrusted):
            await transport.post("/x", {}, timeout=5)
        await transport.close()
    assert thief.heard == b""


async def test_rejects_a_name_that_the_certificate_does_not_have(ours: Authority) -> None:
    async with Eavesdropper(ours.context("engine.example")).run() as engine:
        transport = transport_to(engine.url, ours)
        with pytest.raises(EngineNotTrusted, match="cannot be accepted") as caught:
            await transport.post("/x", {"secret": 1}, timeout=5)
        await transport.close()
    assert "127.0.0.1" in str(caught.value)
    assert "BOREALIS_PUBLIC_URL" in caught.value.diagnostics()
    assert engine.heard == b""


async def test_a_renewed_leaf_is_no_news(ours: Authority) -> None:
    engine = TlsEngine(ours, fallback=lambda body, request: (200, body))
    async with engine.run():
        transport = transport_to(engine.url, ours)
        assert (await transport.post("/x", {"n": 1}, timeout=5)).body == {"n": 1}
    async with engine.run():
        assert (await transport.post("/x", {"n": 2}, timeout=5)).body == {"n": 2}
    await transport.close()


async def test_a_renewed_ca_certificate_of_the_pinned_key_is_taken_up(ours: Authority) -> None:
    engine = TlsEngine(ours, fallback=lambda body, request: (200, body))
    async with engine.run():
        anchor = Anchor(engine.url, ours.pin, ours.old_pem())
        transport = EngineTransport(url=lambda: engine.url, trust=anchor, context_label="SYSTEM")
        answer = await transport.post("/x", {"n": 1}, timeout=5)
        await transport.close()
    assert answer.body == {"n": 1}
    assert anchor.ca_pem == ours.pem


async def test_rejects_a_leaf_that_has_run_out(tmp_path: Path) -> None:
    old = Authority(tmp_path, age_days=500)
    async with Eavesdropper(old.context(age_days=500)).run() as engine:
        transport = transport_to(engine.url, old)
        with pytest.raises(EngineNotTrusted, match="expired"):
            await transport.post("/x", {"secret": 1}, timeout=5)
        await transport.close()
    assert engine.heard == b""


async def test_rejects_a_stored_certificate_that_is_not_the_pinned_one(ours: Authority, foreign: Authority) -> None:
    with pytest.raises(ValueError):
        pinned_context(foreign.pem, ours.pin)


async def test_the_pin_itself_is_compared_inside_the_handshake(ours: Authority, foreign: Authority) -> None:
    # Were another CA ever loaded into the context, the handshake would still fail.
    context = pinned_context(ours.pem, ours.pin)
    context.load_verify_locations(cadata=foreign.pem)
    async with Eavesdropper(foreign.context()).run() as thief:
        host, port = "127.0.0.1", int(thief.url.rpartition(":")[2])
        with pytest.raises(ssl.SSLCertVerificationError, match="pinned key"):
            await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    assert thief.heard == b""


async def test_trust_on_first_use_takes_the_root_and_says_which(
    ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with Eavesdropper(ours.context()).run() as engine:
        anchor = await trust_first(engine.url)
    assert anchor.ca_pin == ours.pin
    assert ours.pin in caplog.text


def test_a_chain_without_a_root_is_pinned_at_its_end(ours: Authority) -> None:
    ours.context()
    found = first_use_anchor([ours.leaf_der])
    assert found is not None
    assert found.der == ours.leaf_der
    assert first_use_anchor([b"rubbish"]) is None
    assert fingerprints([b"rubbish"]) == ["unreadable"]


async def test_survives_an_engine_that_is_not_there_or_speaks_no_tls() -> None:
    ended = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Retryable):
            await find_anchor(f"https://127.0.0.1:{port}", ca_pin="0" * 64)
        await ended.wait()
    with pytest.raises(Retryable, match="cannot be reached"):
        await find_anchor(f"https://127.0.0.1:{port}", ca_pin="0" * 64)


async def test_survives_an_engine_that_says_nothing(ours: Authority) -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await fetch_chain("127.0.0.1", port, timeout=0.1)
        await ended.wait()


async def test_the_verified_chain_ends_at_the_pinned_ca(ours: Authority) -> None:
    context = pinned_context(ours.pem, ours.pin)
    async with Eavesdropper(ours.context()).run() as engine:
        host, port = "127.0.0.1", int(engine.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        chain = peer_chain(writer.get_extra_info("ssl_object"), verified=True)
        writer.close()
        await writer.wait_closed()
    assert chain == [ours.leaf_der, read_pem(ours.pem)[0].der]
