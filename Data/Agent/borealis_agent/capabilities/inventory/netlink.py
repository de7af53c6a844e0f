"""IP addresses of all interfaces from the kernel (rtnetlink, RTM_GETADDR): no process, no library.

/proc has IPv6 addresses by interface but IPv4 ones only as a routing trie, without labels and prefixes.
"""

import struct
import sys
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct("=IHHII")
_ADDRESS: Final = struct.Struct("=BBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
RTM_NEWADDR: Final = 20
_RTM_GETADDR: Final = 22
_NLMSG_DONE: Final = 3
_NLM_F_REQUEST_DUMP: Final = 0x301
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_TEMPORARY: Final = 0x01
_MAX_ANSWER: Final = 4 * 1024 * 1024
_SCOPES: Final = {0: "global", 200: "site", 253: "link", 254: "host"}
_FAMILIES: Final = {2: (4, 4), 10: (6, 16)}
"""AF_INET and AF_INET6 as Linux numbers them: IP version, bytes of an address."""


class Address(NamedTuple):
    """One address. ``adapter`` is the interface's index, ``text`` the address alone, ``version`` 4 or 6."""

    adapter: int
    version: int
    text: str
    prefix: int
    scope: str


def ask_addresses() -> bytes:
    """The kernel's raw answer.

    Raises:
        OSError: no netlink here.
    """
    import socket

    if not hasattr(socket, "AF_NETLINK") or sys.platform == "win32":
        raise OSError("no netlink on this system")
    request = _HEADER.pack(_HEADER.size + _ADDRESS.size, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0)
    request += _ADDRESS.pack(0, 0, 0, 0, 0)
    answer = b""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.settimeout(2)
        link.sendto(request, (0, 0))
        while len(answer) < _MAX_ANSWER:
            piece = link.recv(256 * 1024)
            answer += piece
            if not piece or _is_done(piece):
                break
    return answer


def _is_done(piece: bytes) -> bool:
    return any(kind in (_NLMSG_DONE, 2) for kind, _ in _messages(piece))


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    found, offset = [], 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            break
        found.append((kind, data[offset + _HEADER.size : offset + length]))
        offset += (length + 3) & ~3
    return found


def parse_addresses(answer: bytes) -> list[Address]:
    """Read the kernel's answer; what is torn is left out. Temporary IPv6 addresses are left out too: they change daily.

    Raises:
        Nothing for any bytes.
    """
    found = []
    for kind, body in _messages(answer):
        if kind != RTM_NEWADDR or len(body) < _ADDRESS.size:
            continue
        family, prefix, flags, scope, index = _ADDRESS.unpack_from(body)
        version, size = _FAMILIES.get(family, (0, 0))
        if not version or (version == 6 and flags & _TEMPORARY):
            continue
        attributes = _attributes(body[_ADDRESS.size :])
        # On point-to-point links IFA_ADDRESS is the peer's; IFA_LOCAL is ours wherever it is given.
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
        if len(raw) == size:
            found.append(Address(index, version, address_text(raw), prefix, _SCOPES.get(scope, str(scope))))
    return found


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def address_text(raw: bytes) -> str:
    """4 or 16 bytes as an address; ``socket`` is loaded for IPv6 alone."""
    if len(raw) == 4:
        return ".".join(map(str, raw))
    import socket

    return socket.inet_ntop(socket.AF_INET6, raw)
