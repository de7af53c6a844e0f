"""Orders to look at a screen: what an operator may ask for, to bytes and back. Shape only, like ``orders``."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.accounts import is_account_name
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.limits import KIB, MIB
from borealis_wire.members import malformed, number_of, object_of, text_of, times_of, whole_of
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
    value = object_of(payload, max_bytes=MAX_ORDER_BYTES)
    if set(value) - {"user"} != _MEMBERS:
        # A member we do not know may carry a condition we would break by ignoring it.
        raise malformed("an order to look has members that are not known, or lacks some")
    try:
        context = RunContext(text_of(value, "context"))
    except ValueError as error:
        raise Refused(RefusalCode.WRONG_CONTEXT, "the context is neither system nor interactive") from error
    try:
        action, kind = ScreenAction(text_of(value, "action")), ImageFormat(text_of(value, "format"))
    except ValueError as error:
        raise malformed("the action or the format of the picture is not known") from error
    issued_at, expires_at = times_of(value)
    order = ScreenOrder(
        order_id=text_of(value, "order_id"),
        device_guid=text_of(value, "device_guid"),
        context=context,
        action=action,
        issued_at=issued_at,
        expires_at=expires_at,
        asked_by=text_of(value, "asked_by", least=0),
        monitor=whole_of(value, "monitor", 0, MAX_MONITOR),
        region=read_region(value["region"]),
        format=kind,
        quality=whole_of(value, "quality", 1, 100),
        rate=number_of(value, "rate", 0, MAX_RATE),
        seconds=whole_of(value, "seconds", 0, MAX_WATCH_SECONDS),
        watch_id=text_of(value, "watch_id", least=0),
        node_id=text_of(value, "node_id", least=0),
        user=value.get("user", ""),
    )
    if "user" in value and not is_account_name(value["user"]):
        raise malformed("user is the name of an account")
    if action is ScreenAction.WATCH and (order.rate < MIN_RATE or order.seconds < 1):
        raise malformed("a live view has a rate and an end")
    if action is ScreenAction.STOP and not order.watch_id:
        raise malformed("what is to end has a name")
    return order


def read_region(value: Any) -> Region | None:
    """A rectangle; None for none. Raises ``Refused`` with ``malformed``."""
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"x", "y", "width", "height"}:
        raise malformed("a region has x, y, width and height")
    return Region(
        whole_of(value, "x", 0, MAX_SIDE),
        whole_of(value, "y", 0, MAX_SIDE),
        whole_of(value, "width", 1, MAX_SIDE),
        whole_of(value, "height", 1, MAX_SIDE),
    )
