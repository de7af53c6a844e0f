"""Looking at the certificate of an RDP server: servers with TLS, with NLA, with neither, and what is none."""

import asyncio
import contextlib
import hashlib
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from borealis_engine.core.errors import Conflict, EngineError, Unavailable
from borealis_engine.lines import Place
from borealis_engine.rdp import target
from borealis_engine.rdp.target import look


def answer(kind: int, value: int) -> bytes:
    return struct.pack(">BBH", 3, 0, 19) + bytes.fromhex("0ed00000123400") + struct.pack("<BBHI", kind, 0, 8, value)


PLAIN = bytes.fromhex("0300000b06d00000123400")


@contextlib.asynccontextmanager
async def server(said: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Place, list[bytes]]]:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            asked.append(await reader.readexactly(19))
            writer.write(said)
            await writer.drain()
            if context is not None:
                await writer.start_tls(context)
                await reader.read()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield Place("127.0.0.1", listener.sockets[0].getsockname()[1], asyncio.Event()), asked


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    folder = tmp_path_factory.mktemp("identity")
    made = folder / "both.pem"
    key = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-subj", "/CN=test", "-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run([*key, *files], check=True, capture_output=True)
    made.write_text((folder / "key").read_text() + (folder / "certificate").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made)
    der = ssl.PEM_cert_to_DER_cert((folder / "certificate").read_text())
    return context, hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(("protocol", "nla"), [(1, False), (2, True)])
async def test_the_certificate_is_seen_and_nothing_is_said_of_anybody(
    identity: tuple[ssl.SSLContext, str], protocol: int, nla: bool
) -> None:
    context, expected = identity
    async with server(answer(2, protocol), context) as (place, asked):
        shown = await look(place)
    assert (shown.sha256, shown.nla) == (expected, nla)
    assert asked == [bytes.fromhex("030000130ee00000000000") + bytes.fromhex("0100080003000000")]


@pytest.mark.parametrize("said", [answer(2, 0), answer(3, 2), PLAIN])
async def test_rejects_servers_without_tls(said: bytes) -> None:
    async with server(said) as (place, _):
        with pytest.raises(Conflict) as refused:
            await look(place)
    assert refused.value.code == "rdp_insecure"


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-x\r\n" * 3, b"\x03\x00\xff\xff", b"\x03\x00\x00\x05x", answer(2, 1)[:12], answer(2, 1)]
)
async def test_rejects_what_is_no_rdp_server(said: bytes) -> None:
    async with server(said) as (place, _):
        with pytest.raises(Unavailable) as refused:
            await look(place)
    assert refused.value.code == "rdp_connect_failed"
    assert "127.0.0.1 alone" in refused.value.detail


async def test_survives_who_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "LOOK_SECONDS", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        place = Place("127.0.0.1", listener.sockets[0].getsockname()[1], asyncio.Event())
        with pytest.raises(Unavailable):
            await look(place)
        place.ended.set()
        with pytest.raises(EngineError) as refused:
            await look(place)
    assert refused.value.code == "tunnel_down"


def test_the_program_that_keeps_a_stage_is_imported_by_nobody() -> None:
    keeper = Path(target.__file__).with_name("keeper.py").read_text()
    assert "borealis_engine" not in keeper.replace("``borealis_engine``", "")
