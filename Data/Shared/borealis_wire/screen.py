"""Orders to look at a screen: what an operator may ask for, to bytes and back. Shape only, like ``orders``."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.accounts import is_account_name
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.limits import KIB, MIB
from borealis_wire.refusal import Refused

ALL_MONITORS: Final = 0
"""As a monitor's number: everything that they show together; the single ones are counted from 1."""
MAX_MONITOR: Final = 64
MAX_SIDE: Final = 32_768
MAX_RATE: Final = 30.0
MIN_RATE: Final = 0.1
MAX_WATCH_SECONDS: Final = 4 * 3600
SCREEN_ORDER_SECONDS: Final = 60
"""How long an order to look may be begun: somebody waits for the picture."""
MAX_PICTURE_BYTES: Final = 12 * MIB
MAX_FRAME_BYTES: Final = 8 * MIB
MAX_TILES: Final = 4096
MAX_SCREEN_LIST_BYTES: Final = 256 * KIB
MAX_WINDOWS: Final = 256
MAX_ORDER_BYTES: Final = 4 * KIB
_MAX_NAME: Final = 256


class ScreenAction(StrEnum):
    """What is to be done."""

    PICTURE = "picture"
    LIST = "list"
    WATCH = "watch"
    STOP = "stop"


class ImageFormat(StrEnum):
    """How pictures are encoded."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


MEDIA_TYPES: Final[dict[ImageFormat, str]] = {format: f"image/{format.value}" for format in ImageFormat}


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels, from the top left corner of what the monitor number means."""

    x: int
    y: int
    width: int
    height: int

    def to_json(self) -> dict[str, int]:
        """As a JSON object."""
        return {"x": self.x, "y": self.y, "width": self.width, "height": self.height}


@dataclass(frozen=True, slots=True)
class ScreenOrder:
    """One look at one device's screen. Times are Unix seconds.

    Attributes:
        order_id: unique; no order is followed twice.
        asked_by: the operator's name, for the log of whoever is looked at.
        monitor: from 1; 0 for all together.
        region: a part of that; None for the whole.
        quality: 1 to 100, of JPEG and WebP.
        rate: of ``watch``: pictures a second at most.
        seconds: of ``watch``: it ends by itself after that.
        watch_id: of ``stop``: the ``order_id`` of what is to end; of ``watch``: the one that it takes the place of.
        node_id: upstream's name for the viewer of a region; travels back with each picture.
        user: whose screen, and nobody else's; empty: any signed-in user's. Travels only where it says something.
    """

    order_id: str
    device_guid: str
    context: RunContext
    action: ScreenAction
    issued_at: float
    expires_at: float
    asked_by: str = ""
    monitor: int = 1
    region: Region | None = None
    format: ImageFormat = ImageFormat.JPEG
    quality: int = 75
    rate: float = 0.0
    seconds: int = 0
    watch_id: str = ""
    node_id: str = ""
    user: str = ""

    @property
    def run_id(self) -> str:
        """What the journal knows it by."""
        return self.order_id

    @property
    def job_id(self) -> str:
        """What the journal calls its kind."""
        return "screen"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; reads back with :func:`parse_screen`."""
        return {
            "order_id": self.order_id,
            "device_guid": self.device_guid,
            "context": self.context.value,
            "action": self.action.value,
            "asked_by": self.asked_by,
            "monitor": self.monitor,
            "region": None if self.region is None else self.region.to_json(),
            "format": self.format.value,
            "quality": self.quality,
            "rate": self.rate,
            "seconds": self.seconds,
            "watch_id": self.watch_id,
            "node_id": self.node_id,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            **({"user": self.user} if self.user else {}),
        }

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(self.to_json())


_MEMBERS: Final = frozenset(
    {
        "order_id",
        "device_guid",
        "context",
        "action",
        "asked_by",
        "monitor",
        "region",
        "format",
        "quality",
        "rate",
        "seconds",
        "watch_id",
        "node_id",
        "issued_at",
        "expires_at",
    }
)


def parse_screen(payload: bytes) -> ScreenOrder:
    """Read an order to look.

    Raises:
        Refused: ``malformed``, or ``wrong_context``.
    """
    try:
        value = strict_json.loads(payload, max_bytes=MAX_ORDER_BYTES)
    except strict_json.JsonError as error:
        raise _malformed(str(error)) from error
    if not isinstance(value, dict) or set(value) - {"user"} != _MEMBERS:
        # A member we do not know may carry a condition we would break by ignoring it.
        raise _malformed("an order to look has members that are not known, or lacks some")
    try:
        context = RunContext(_text(value, "context"))
    except ValueError as error:
        raise Refused(RefusalCode.WRONG_CONTEXT, "the context is neither system nor interactive") from error
    try:
        action, kind = ScreenAction(_text(value, "action")), ImageFormat(_text(value, "format"))
    except ValueError as error:
        raise _malformed("the action or the format of the picture is not known") from error
    issued_at, expires_at = _number(value, "issued_at", 0, 1e12), _number(value, "expires_at", 0, 1e12)
    if expires_at <= issued_at:
        raise _malformed("the order expires before it was issued")
    order = ScreenOrder(
        order_id=_text(value, "order_id"),
        device_guid=_text(value, "device_guid"),
        context=context,
        action=action,
        issued_at=issued_at,
        expires_at=expires_at,
        asked_by=_text(value, "asked_by", least=0),
        monitor=_whole(value, "monitor", 0, MAX_MONITOR),
        region=read_region(value["region"]),
        format=kind,
        quality=_whole(value, "quality", 1, 100),
        rate=_number(value, "rate", 0, MAX_RATE),
        seconds=_whole(value, "seconds", 0, MAX_WATCH_SECONDS),
        watch_id=_text(value, "watch_id", least=0),
        node_id=_text(value, "node_id", least=0),
        user=value.get("user", ""),
    )
    if "user" in value and not is_account_name(value["user"]):
        raise _malformed("user is the name of an account")
    if action is ScreenAction.WATCH and (order.rate < MIN_RATE or order.seconds < 1):
        raise _malformed("a live view has a rate and an end")
    if action is ScreenAction.STOP and not order.watch_id:
        raise _malformed("what is to end has a name")
    return order


def read_region(value: Any) -> Region | None:
    """A rectangle; None for none. Raises ``Refused`` with ``malformed``."""
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"x", "y", "width", "height"}:
        raise _malformed("a region has x, y, width and height")
    return Region(
        _whole(value, "x", 0, MAX_SIDE),
        _whole(value, "y", 0, MAX_SIDE),
        _whole(value, "width", 1, MAX_SIDE),
        _whole(value, "height", 1, MAX_SIDE),
    )


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, detail)


def _text(members: Mapping[str, Any], name: str, *, least: int = 1) -> str:
    value = members[name]
    if not isinstance(value, str) or not least <= len(value) <= _MAX_NAME:
        raise _malformed(f"{name} is a text of {least} to {_MAX_NAME} characters")
    return value


def _whole(members: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _malformed(f"{name} is a whole number from {low} to {high}")
    return value


def _number(members: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _malformed(f"{name} is a number")
    if not low <= value <= high:
        raise _malformed(f"{name} is a number from {low:g} to {high:g}")
    return value
