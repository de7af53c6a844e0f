"""Looking which certificate a device's RDP server shows, before anybody signs in there. Believes nothing."""

import asyncio
import contextlib
import hashlib
import ssl
import struct
from dataclasses import dataclass
from typing import Final

from borealis_engine.core.errors import Conflict, EngineError, Unavailable
from borealis_engine.lines import Place

LOOK_SECONDS: Final = 12.0
_TLS: Final = 1
_NLA: Final = 2
_NEGOTIATION: Final = struct.Struct("<BBHI")
_REQUEST: Final = bytes.fromhex("03000013") + bytes.fromhex("0ee00000000000") + _NEGOTIATION.pack(1, 0, 8, _TLS | _NLA)
"""What a client says first: X.224, and which kinds of security it knows (MS-RDPBCGR 2.2.1.1)."""
MAX_ANSWER: Final = 512


@dataclass(frozen=True, slots=True)
class Shown:
    """``sha256`` of the certificate, in hex; ``nla``: the account is asked for before there is any picture."""

    sha256: str
    nla: bool


async def look(place: Place) -> Shown:
    """What a server shows now.

    Raises:
        Conflict: ``rdp_insecure``: it offers no TLS; ``tunnel_down``.
        Unavailable: ``rdp_connect_failed``: nobody answers as RDP does.
    """
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            reader, writer = await asyncio.open_connection(place.address, place.port)
            try:
                return await _ask(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError, ssl.SSLError):
                    await writer.wait_closed()
    except EngineError:
        raise
    except (OSError, EOFError, ssl.SSLError, TimeoutError) as error:
        raise no_answer(place) from error


def no_answer(place: Place) -> EngineError:
    """Nobody answers there, as an error for people."""
    if place.ended.is_set():
        return Conflict("tunnel_down", "The tunnel was closed meanwhile.")
    return Unavailable(
        "rdp_connect_failed",
        f"Nothing answers as RDP on port {place.port} of the device. Is remote desktop prepared and running there? An "
        "xrdp that listens on 127.0.0.1 alone cannot be reached through the tunnel: prepare it for its network.",
    )


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Shown:
    writer.write(_REQUEST)
    await writer.drain()
    version, _, length = struct.unpack(">BBH", await reader.readexactly(4))
    if version != 3 or not 7 <= length <= MAX_ANSWER:
        raise EOFError
    answer = (await reader.readexactly(length - 4))[7:]
    kind, _, _, chosen = _NEGOTIATION.unpack(answer[: _NEGOTIATION.size]) if len(answer) >= 8 else (0, 0, 0, 0)
    if kind != 2 or chosen not in {_TLS, _NLA}:
        raise Conflict(
            "rdp_insecure",
            "The device offers remote desktop without TLS alone. Have it offer TLS (xrdp: security_layer=negotiate, "
            "and a key that xrdp may read), or NLA.",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is compared with what is known
    await writer.start_tls(context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if not shown:
        raise EOFError
    return Shown(hashlib.sha256(shown).hexdigest(), chosen == _NLA)
