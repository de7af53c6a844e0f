"""Many WireGuard peers in one process, as far as an idle tunnel needs them: handshakes and keepalives, no interface.

Each has a key of its own and shakes hands as Noise_IKpsk2 says (WireGuard: Next Generation Kernel Network Tunnel, 5.4),
every two minutes, with a keepalive every 30 s: what a device does whose tunnel nobody uses.
"""

import asyncio
import hashlib
import hmac
import itertools
import struct
import time
from dataclasses import dataclass
from typing import Final, cast

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)

from borealis_base.wireguard.keys import pair_from

KEEPALIVE_SECONDS: Final = 30.0
REKEY_SECONDS: Final = 120.0
_CONSTRUCTION: Final = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
_IDENTIFIER: Final = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
_ZERO_NONCE: Final = bytes(12)


def _hash(data: bytes) -> bytes:
    return hashlib.blake2s(data).digest()


def _kdf(count: int, key: bytes, data: bytes) -> list[bytes]:
    secret = hmac.new(key, data, hashlib.blake2s).digest()
    found, last = [], b""
    for number in range(1, count + 1):
        last = hmac.new(secret, last + bytes([number]), hashlib.blake2s).digest()
        found.append(last)
    return found


@dataclass(slots=True, eq=False)
class SimulatedPeer:
    """One device's end."""

    private: bytes
    server: bytes
    index: int
    ephemeral: bytes = b""
    chain: bytes = b""
    hash: bytes = b""
    remote_index: int = 0
    sending: bytes = b""
    counter: int = 0
    shaken: int = 0

    @property
    def public_key(self) -> str:
        """In WireGuard's form."""
        return pair_from(self.private).public

    def initiation(self, ephemeral: bytes, nanoseconds: int) -> bytes:
        """The first message of a handshake."""
        self.ephemeral = ephemeral
        public = crypto_scalarmult_base(ephemeral)
        chain = _hash(_CONSTRUCTION)
        digest = _hash(_hash(chain + _IDENTIFIER) + self.server)
        (chain,) = _kdf(1, chain, public)
        digest = _hash(digest + public)
        chain, key = _kdf(2, chain, crypto_scalarmult(ephemeral, self.server))
        static = crypto_aead_chacha20poly1305_ietf_encrypt(
            crypto_scalarmult_base(self.private), digest, _ZERO_NONCE, key
        )
        digest = _hash(digest + static)
        chain, key = _kdf(2, chain, crypto_scalarmult(self.private, self.server))
        stamp = struct.pack(">QI", 2**62 + 10 + nanoseconds // 10**9, nanoseconds % 10**9)
        sealed = crypto_aead_chacha20poly1305_ietf_encrypt(stamp, digest, _ZERO_NONCE, key)
        self.chain, self.hash = chain, _hash(digest + sealed)
        text = struct.pack("<II", 1, self.index) + public + static + sealed
        mac = hashlib.blake2s(text, key=_hash(b"mac1----" + self.server), digest_size=16).digest()
        return text + mac + bytes(16)

    def response(self, text: bytes) -> None:
        """Finish the handshake. Raises ``nacl.exceptions.CryptoError`` where it is not the server's."""
        public = text[12:44]
        (chain,) = _kdf(1, self.chain, public)
        digest = _hash(self.hash + public)
        (chain,) = _kdf(1, chain, crypto_scalarmult(self.ephemeral, public))
        (chain,) = _kdf(1, chain, crypto_scalarmult(self.private, public))
        chain, tau, key = _kdf(3, chain, bytes(32))
        crypto_aead_chacha20poly1305_ietf_decrypt(text[44:60], _hash(digest + tau), _ZERO_NONCE, key)
        self.sending, _ = _kdf(2, chain, b"")
        (self.remote_index,) = struct.unpack("<I", text[4:8])
        self.counter = 0
        self.shaken += 1

    def keepalive(self) -> bytes:
        """An empty packet of data."""
        nonce = bytes(4) + struct.pack("<Q", self.counter)
        text = struct.pack("<IIQ", 4, self.remote_index, self.counter)
        self.counter += 1
        return text + crypto_aead_chacha20poly1305_ietf_encrypt(b"", b"", nonce, self.sending)


class PeerFleet(asyncio.DatagramProtocol):
    """All of them on one socket; spreads what they send evenly over time."""

    def __init__(self, count: int, server: bytes, *, ephemerals: "itertools.count[int]") -> None:
        secrets = (hashlib.sha256(b"peer %d" % number).digest() for number in range(count))
        self.peers = [SimulatedPeer(secret, server, number + 1) for number, secret in enumerate(secrets)]
        self._ephemerals = ephemerals
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Answers to handshakes; anything else an idle tunnel does not need."""
        del addr
        if len(data) == 92 and data[0] == 2:
            (index,) = struct.unpack("<I", data[8:12])
            self.peers[index - 1].response(data)

    @property
    def connected(self) -> int:
        """How many have shaken hands."""
        return sum(peer.shaken > 0 for peer in self.peers)

    async def idle(self, seconds: float) -> None:
        """Do what idle tunnels do, for so long."""
        assert self._transport is not None
        began, ticks, count = time.monotonic(), 0, len(self.peers)
        while (now := time.monotonic() - began) < seconds:
            due = int(now * count / KEEPALIVE_SECONDS)
            for tick in range(ticks, due):
                peer = self.peers[tick % count]
                if (tick // count) % round(REKEY_SECONDS / KEEPALIVE_SECONDS) == 0 or not peer.shaken:
                    secret = hashlib.sha256(b"ephemeral %d" % next(self._ephemerals)).digest()
                    self._transport.sendto(peer.initiation(secret, time.time_ns()))
                else:
                    self._transport.sendto(peer.keepalive())
            ticks = due
            await asyncio.sleep(0.05)
