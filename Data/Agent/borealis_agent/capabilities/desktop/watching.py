"""Lets through what a viewer's side says, but for what would act on the desktop. Pure.

The viewer's half of the Remote Framebuffer Protocol (RFC 6143 and the extensions that viewers use) is followed message
by message: keys, pointer, clipboard and size are left out, and a message that is not known ends the connection, for it
may be one that acts. The servers are told to be view-only as well, where they can; this holds for all of them.
"""

import struct
from typing import Final

VERSION_SIZE: Final = 12
_VERSIONS: Final = {b"RFB 003.003\n": 0, b"RFB 003.007\n": 1, b"RFB 003.008\n": 1}
"""How many bytes about security the viewer sends after its version; there is no secret in any of them."""
_CLIENT_INIT: Final = 1
_KEY, _POINTER, _CUT_TEXT, _SET_SIZE, _QEMU = 4, 5, 6, 251, 255
_ACTS: Final = frozenset({_KEY, _POINTER, _CUT_TEXT, _SET_SIZE, _QEMU})
_FIXED: Final = {0: 20, 3: 10, _KEY: 8, _POINTER: 6, 150: 10}
"""Pixel format, request for an update, keys, pointer, continuous updates: messages that are always this long."""
MAX_MESSAGE: Final = 64 * 1024
"""Of what is kept until it is whole; what is left out is not kept."""


class NotKnown(Exception):
    """A message that may act on the desktop for all we know."""


class ViewOnly:
    """Follows one viewer from its first byte."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._greeting = VERSION_SIZE
        """Bytes before messages begin, as far as is known."""
        self._version_known = False
        self._skip = 0

    def pass_on(self, data: bytes) -> bytes:
        """What of this the server may hear, with what was held back before. Raises ``NotKnown``."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._rest += data
        said = bytearray()
        if not self._greet(said):
            return bytes(said)
        while (size := self._size()) is not None:
            acts = self._rest[0] in _ACTS
            if not acts and size > MAX_MESSAGE:
                raise NotKnown("a viewer sent a message that is longer than any")
            if len(self._rest) < size and not acts:
                break
            if not acts:
                said += self._rest[:size]
            self._skip = max(size - len(self._rest), 0)
            del self._rest[:size]
        return bytes(said)

    def _greet(self, said: bytearray) -> bool:
        """Whether the greeting is over."""
        if not self._version_known:
            if len(self._rest) < VERSION_SIZE:
                return False
            version = bytes(self._rest[:VERSION_SIZE])
            if version not in _VERSIONS:
                raise NotKnown("a viewer speaks another version of the protocol")
            self._version_known = True
            self._greeting += _VERSIONS[version] + _CLIENT_INIT
        taken = self._rest[: self._greeting]
        said += taken
        del self._rest[: len(taken)]
        self._greeting -= len(taken)
        return self._greeting == 0

    def _size(self) -> int | None:
        """Of the message that begins here; None until that is known. Raises ``NotKnown``."""
        rest = self._rest
        if not rest:
            return None
        kind = rest[0]
        if kind in _FIXED:
            return _FIXED[kind]
        if kind == 2:  # the encodings it understands
            return 4 + 4 * _number(rest, 2, ">H") if len(rest) >= 4 else None
        if kind == _CUT_TEXT:  # a negative length is one of the extended clipboard
            return 8 + abs(_number(rest, 4, ">i")) if len(rest) >= 8 else None
        if kind == 248:  # a fence
            return 9 + rest[8] if len(rest) >= 9 else None
        if kind == _SET_SIZE:
            return 8 + 16 * rest[6] if len(rest) >= 7 else None
        if kind == _QEMU and len(rest) < 2:
            return None
        if kind == _QEMU and rest[1] == 0:  # a key, with its code
            return 12
        raise NotKnown(f"a viewer sent a message of kind {kind}, which is not known to be harmless")


def _number(data: bytearray, at: int, form: str) -> int:
    (value,) = struct.unpack_from(form, data, at)
    return int(value)
