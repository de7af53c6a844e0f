"""The text frames of Engine.IO 4 and Socket.IO 5 that we accept and send; pure.

Accepted is what our agents and browsers send in namespace ``/``. Anything else is not worth an attempt to
understand it: binary attachments, for one, would be collected in memory until the last of ten digits' worth came. From
devices one attachment is taken, beside the events that are known to have one.
"""

import re
from typing import Any, Final

import msgspec

MAX_ACK_CHARS: Final = 16 * 1024
MAX_EVENT_NAME: Final = 64
MALFORMED: Final = ""
"""Name of an event that could not be read."""
_RESERVED: Final = frozenset({"connect", "disconnect", "*", MALFORMED})
_ACCEPTED: Final = re.compile(r"3$|1$|40(?:\{|$)|41$|42[0-9]{0,9}\[|43[0-9]{1,9}\[", re.ASCII)
_HEAD: Final = re.compile(r"([0-9])([0-9]*)", re.ASCII)
EVENT: Final = 2
ACK: Final = 3
_NULL: Final = msgspec.Raw(b"null")
MAX_ATTACHED_HEAD: Final = 256 * 1024
_ATTACHED: Final = re.compile(r'451-([0-9]{0,9})(?=\["(?:screen_frame|agent_screenshot_task)",)', re.ASCII)
"""Heads of the events that may come with bytes; for any other one nobody would wait for what follows."""


class _Event(msgspec.Struct, array_like=True, frozen=True):
    name: str
    payload: msgspec.Raw = _NULL


_EVENT = msgspec.json.Decoder(_Event)


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the bytes belong."""

    num: int
    _placeholder: bool


class _Attached(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    name: str
    payload: msgspec.Raw
    place: _Place


_ATTACHED_EVENT = msgspec.json.Decoder(_Attached)
_LIST = msgspec.json.Decoder(list[Any])
_encode = msgspec.json.Encoder().encode


def is_accepted(text: str | None) -> bool:
    """Whether a frame is of a form that may reach the protocol machine. ``None`` stands for a binary frame."""
    return text is not None and _ACCEPTED.match(text) is not None


def read_packet(text: str) -> tuple[int, int | None, Any]:
    """A Socket.IO packet as ``(type, id, data)``. Never raises: the sender of bad JSON must not cost a traceback.

    Of an event only the name is decoded; its payload stays ``msgspec.Raw`` until somebody knows what it should
    be, so that a deep or bulky document never becomes objects. ``data`` is then ``[name, payload]``, with the name
    ``MALFORMED`` where it cannot be read.
    """
    head = _HEAD.match(text)
    if head is None:
        return EVENT, None, [MALFORMED, _NULL]
    kind, number = int(head[1]), int(head[2]) if head[2] else None
    if kind == EVENT:
        return kind, number, _read_event(text[head.end() :])
    if kind == ACK:
        return kind, number, _read_ack(text[head.end() :])
    return kind, number, None  # whatever credentials a client puts beside CONNECT do not count


def announces_bytes(text: str) -> bool:
    """Whether a frame is the head of an event with one attachment, whose bytes come in the next frame."""
    return _ATTACHED.match(text) is not None


def read_attached(text: str) -> tuple[int | None, str, msgspec.Raw]:
    """The head of an event with one attachment: the number of its acknowledgement, its name, and its payload.

    Its form is ``451-<number>[name, payload, {"_placeholder": true, "num": 0}]``. Never raises: the name is
    ``MALFORMED`` where it cannot be read.
    """
    head = _ATTACHED.match(text)
    if head is None:
        return None, MALFORMED, _NULL
    number = int(head[1]) if head[1] else None
    try:
        event = _ATTACHED_EVENT.decode(text[head.end() :])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return number, MALFORMED, _NULL
    if event.name in _RESERVED or len(event.name) > MAX_EVENT_NAME or event.place.num != 0:
        return number, MALFORMED, _NULL
    return number, event.name, event.payload


def encode_attached(name: str, payload: object, ack_id: int | None = None) -> str:
    """The text before one attachment, without Engine.IO's leading ``4``."""
    place = {"_placeholder": True, "num": 0}
    return f"51-{'' if ack_id is None else ack_id}{_encode([name, payload, place]).decode()}"


def encode_event(name: str, payload: object, ack_id: int | None = None) -> str:
    """The text of an event packet, without Engine.IO's leading ``4``."""
    return f"2{'' if ack_id is None else ack_id}{_encode([name, payload]).decode()}"


def encode_packet(kind: int, number: int | None, data: object) -> str:
    """The text of any packet in namespace ``/``."""
    return f"{kind}{'' if number is None else number}{'' if data is None else _encode(data).decode()}"


def refusal_frames(code: str, detail: str) -> tuple[str, str]:
    """What a refused client is sent: an Engine.IO handshake and Socket.IO's CONNECT_ERROR with the reason.

    Spoken without reading a byte from somebody we do not know.
    """
    opening = {"sid": "refused", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 0}
    error = {"message": code, "data": {"error": code, "detail": detail}}
    return f"0{_encode(opening).decode()}", f"44{_encode(error).decode()}"


def _read_event(text: str) -> list[Any]:
    try:
        event = _EVENT.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return [MALFORMED, _NULL]
    if event.name in _RESERVED or len(event.name) > MAX_EVENT_NAME:
        return [MALFORMED, _NULL]
    return [event.name, event.payload]


def _read_ack(text: str) -> list[Any]:
    if len(text) > MAX_ACK_CHARS:
        return [None]
    try:
        return _LIST.decode(text) or [None]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return [None]
