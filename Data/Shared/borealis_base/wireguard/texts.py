"""What WireGuard's programs read and print: interface names, configurations, ``wg show … dump``. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}")
KEEPALIVE_BYTES: Final = 32
HANDSHAKE_BYTES: Final = 148 + 92 + 32
"""What a handshake may add to one direction's counter: initiation, response, and the first keepalive."""


@dataclass(frozen=True, slots=True)
class PeerState:
    """A peer as the interface has it. ``handshake``: Unix seconds of the last one, 0 for never. Bytes both ways."""

    public_key: str
    endpoint: str
    allowed_ips: str
    handshake: int
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as it is to be. ``endpoint`` empty: it calls us. ``keepalive`` in seconds, 0 for none."""

    public_key: str
    allowed_ips: str
    endpoint: str = ""
    keepalive: int = 0

    def arguments(self) -> list[str]:
        """For ``wg set <interface>``; nothing in it is a secret."""
        words = ["peer", self.public_key, "allowed-ips", self.allowed_ips]
        if self.endpoint:
            words += ["endpoint", self.endpoint]
        return [*words, "persistent-keepalive", str(self.keepalive)] if self.keepalive else words


def is_interface_name(text: str) -> bool:
    """Whether this can name an interface, a table and a file alike."""
    return _NAME.fullmatch(text) is not None


def configuration(
    *,
    address: str,
    peers: Sequence[Peer],
    private_key: str = "",
    listen_port: int = 0,
    mtu: int = 0,
    remark: str = "",
) -> str:
    """A configuration file, as ``wg-quick`` and Windows' tunnel service read it.

    Args:
        address: of the interface, with its prefix.
        peers: who may talk on it.
        private_key: left out where it is empty: on Linux it stays in its own file.
        listen_port: UDP; 0 for any.
        mtu: bytes; 0 for the usual.
        remark: one line above all of it.
    """
    lines = [f"# {remark}"] if remark else []
    lines += ["[Interface]", *([f"PrivateKey = {private_key}"] if private_key else []), f"Address = {address}"]
    lines += [f"ListenPort = {listen_port}"] if listen_port else []
    lines += [f"MTU = {mtu}"] if mtu else []
    for peer in peers:
        lines += ["", "[Peer]", f"PublicKey = {peer.public_key}", f"AllowedIPs = {peer.allowed_ips}"]
        lines += [f"Endpoint = {peer.endpoint}"] if peer.endpoint else []
        lines += [f"PersistentKeepalive = {peer.keepalive}"] if peer.keepalive else []
    return "\n".join(lines) + "\n"


def parse_dump(text: str) -> list[PeerState]:
    """The peers of ``wg show <interface> dump``: tab-separated, the interface's own line first.

    Raises:
        ValueError: it is not that.
    """
    lines = text.splitlines()
    if not lines or len(lines[0].split("\t")) != 4:
        raise ValueError("the interface's own line is missing")
    return [_peer(line) for line in lines[1:]]


def _peer(line: str) -> PeerState:
    parts = line.split("\t")
    if len(parts) != 8:
        raise ValueError("a peer has eight columns")
    key, _, endpoint, allowed, handshake, received, sent, _ = parts
    return PeerState(
        key,
        "" if endpoint == "(none)" else endpoint,
        "" if allowed == "(none)" else allowed,
        int(handshake),
        int(received),
        int(sent),
    )


def carried_data(before: int, after: int, *, seconds: float, keepalive: int, shook_hands: bool) -> bool:
    """Whether a counter grew by more than WireGuard's own packets can explain.

    Args:
        before: bytes of one direction.
        after: the same, ``seconds`` later; smaller where the interface is a new one.
        seconds: between the two looks.
        keepalive: seconds between keepalives in this direction; 0 where the other side sends them (the answers to
            handshakes may still be followed by one).
        shook_hands: whether the time of the last handshake changed meanwhile.
    """
    if after < before:
        before = 0
    expected = 2 + (seconds // keepalive if keepalive else 0)
    return after - before > expected * KEEPALIVE_BYTES + (HANDSHAKE_BYTES if shook_hands else 0)
