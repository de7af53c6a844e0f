"""Orders to look at a screen that a device follows, and those that it refuses, each with the code."""

from collections.abc import Iterator
from typing import Any

from borealis_wire import base64s, strict_json
from borealis_wire.envelope import JOB_TYPE, SCREEN_TYPE
from borealis_wire.events import RunContext
from borealis_wire.limits import CLOCK_SKEW_SECONDS
from borealis_wire.screen import (
    MAX_MONITOR,
    MAX_ORDER_BYTES,
    MAX_RATE,
    MAX_SIDE,
    MAX_WATCH_SECONDS,
    ImageFormat,
    Region,
    ScreenAction,
    ScreenOrder,
)
from vector_material import ENGINE, GUID, NOW, STRANGER, order, public, sealed

Case = dict[str, Any]
ORDER_ID = "0b8e5a1c-3d17-4c59-8a3e-5f0f4f8f7a21"


def look(**changes: Any) -> ScreenOrder:
    """An order for a picture that the device of these vectors takes."""
    members: dict[str, Any] = {
        "order_id": ORDER_ID,
        "device_guid": GUID,
        "context": RunContext.INTERACTIVE,
        "action": ScreenAction.PICTURE,
        "issued_at": NOW,
        "expires_at": NOW + 60,
        "asked_by": "Zoë",
        "region": Region(10, 20, 640, 480),
    }
    return ScreenOrder(**(members | changes))


def screens() -> dict[str, Any]:
    """The whole file: who refuses, what is followed, what is refused."""
    return {
        "device": {"guid": GUID, "context": "interactive", "now": NOW, "trusted_keys": [public(ENGINE)]},
        "accepted": list(_accepted()),
        "refused": [*_envelopes(), *_bounds(), *_shapes(), *_actions()],
    }


def _case(name: str, envelope: Any, event: str = "screen_order", **more: Any) -> Case:
    return {"name": name, "event": event, "payload": {"envelope": envelope}, **more}


def _sealed(source: ScreenOrder) -> dict[str, Any]:
    return sealed(source.to_payload(), kind=SCREEN_TYPE)


def _altered(name: str, code: str, **changes: Any) -> Case:
    """A well signed order whose payload says something that a device must not accept."""
    value = look().to_json() | changes
    payload = strict_json.canonical({k: v for k, v in value.items() if v is not ...})
    return _case(name, sealed(payload, kind=SCREEN_TYPE), code=code)


def _accepted() -> Iterator[Case]:
    yield _case("a picture of a region", _sealed(look()))
    everything = look(monitor=0, region=None, format=ImageFormat.PNG, asked_by="", node_id="viewer-3")
    yield _case("a picture of all monitors", _sealed(everything))
    yield _case("the list of monitors and windows", _sealed(look(action=ScreenAction.LIST, region=None)))
    listing = _sealed(look(action=ScreenAction.LIST, region=None))
    yield _case("the list, by upstream's event", listing, "list_agent_windows")
    watch = {"action": ScreenAction.WATCH, "region": None}
    yield _case("a live view", _sealed(look(**watch, rate=12.5, seconds=1800)))
    most = look(**watch, monitor=MAX_MONITOR, rate=MAX_RATE, seconds=MAX_WATCH_SECONDS, quality=100)
    yield _case("a live view at every bound", _sealed(most))
    other = look(**watch, rate=1.0, seconds=60, watch_id="the-one-before")
    yield _case("a live view in place of another", _sealed(other))
    yield _case("the end of one", _sealed(look(action=ScreenAction.STOP, region=None, watch_id="the-one-before")))
    ahead = look(issued_at=NOW + CLOCK_SKEW_SECONDS, expires_at=NOW + 999)
    yield _case("issued in the device's future by no more than the skew", _sealed(ahead))


def _envelopes() -> Iterator[Case]:
    good = _sealed(look())
    yield _case("an order that nobody signed", good | {"signatures": []}, code="bad_signature")
    yield _case("an order that a stranger signed", sealed(look().to_payload(), kind=SCREEN_TYPE, by=STRANGER),
                code="unknown_key")  # fmt: skip
    other = base64s.encode(look(monitor=2).to_payload())
    yield _case("another order under the signature of one", good | {"payload": other}, code="bad_signature")
    job = sealed(order().to_payload(), kind=JOB_TYPE)
    yield _case("a job sent as an order to look", job, code="unsupported_type")
    renamed = sealed(look().to_payload(), kind=JOB_TYPE) | {"payloadType": SCREEN_TYPE}
    yield _case("an order signed as a job and renamed", renamed, code="bad_signature")
    bare: Case = {"name": "an order without an envelope", "event": "screen_order", "payload": look().to_json()}
    yield bare | {"code": "malformed"}
    yield _altered("an order for another device", "wrong_device", device_guid="other")
    yield _altered("an order for the other run context", "wrong_context", context="system")
    yield _altered("an order for a run context that there is not", "wrong_context", context="everybody")
    yield _altered("an order that expired", "expired", issued_at=NOW - 61, expires_at=NOW - 1)
    yield _altered("an order that expires now", "expired", issued_at=NOW - 60, expires_at=NOW)
    yield _altered("an order from the future", "not_yet_valid", issued_at=NOW + 121, expires_at=NOW + 999)


def _bounds() -> Iterator[Case]:
    for name, changes in (
        ("a monitor below none", {"monitor": -1}),
        ("a monitor too many", {"monitor": MAX_MONITOR + 1}),
        ("a monitor that is a text", {"monitor": "1"}),
        ("a monitor that is true", {"monitor": True}),
        ("half a monitor", {"monitor": 1.5}),
        ("no quality", {"quality": 0}),
        ("more than the best quality", {"quality": 101}),
        ("a rate below zero", {"rate": -1}),
        ("a rate beyond the bound", {"rate": MAX_RATE + 1}),
        ("more seconds than a live view may last", {"seconds": MAX_WATCH_SECONDS + 1}),
        ("an empty region", {"region": {"x": 0, "y": 0, "width": 0, "height": 1}}),
        ("a region left of the screen", {"region": {"x": -1, "y": 0, "width": 1, "height": 1}}),
        ("a region wider than any screen", {"region": {"x": 0, "y": 0, "width": MAX_SIDE + 1, "height": 1}}),
        ("a region without a height", {"region": {"x": 0, "y": 0, "width": 1}}),
        ("a region of more than four members", {"region": {"x": 0, "y": 0, "width": 1, "height": 1, "z": 1}}),
        ("a region that is a list", {"region": [0, 0, 1, 1]}),
        ("a name that is too long", {"asked_by": "x" * 257}),
        ("no order id", {"order_id": ""}),
        ("an expiry before the issue", {"expires_at": NOW - 1}),
    ):
        yield _altered(name, "malformed", **changes)


def _shapes() -> Iterator[Case]:
    for member in ("order_id", "device_guid", "context", "action", "monitor", "region", "format", "expires_at"):
        yield _altered(f"an order without {member}", "malformed", **{member: ...})
    yield _altered("a member too many", "malformed", input="keyboard")
    twice = look().to_payload().replace(b'{"action":', b'{"action":"list","action":')
    yield _case("a member twice", sealed(twice, kind=SCREEN_TYPE), code="malformed")
    for name, payload in (
        ("an order that is a list", b"[]"),
        ("an order that is no JSON", b"picture"),
        ("an order that is not UTF-8", b"\xff"),
        ("an order larger than any", look(node_id="x").to_payload()[:-1] + b" " * MAX_ORDER_BYTES + b"}"),
    ):
        yield _case(name, sealed(payload, kind=SCREEN_TYPE), code="malformed")


def _actions() -> Iterator[Case]:
    yield _altered("an action that there is not", "malformed", action="click")
    yield _altered("a format that there is not", "malformed", format="bmp")
    watch = {"action": "watch", "region": None}
    yield _altered("a live view without an end", "malformed", **watch, rate=1.0)
    yield _altered("a live view without a rate", "malformed", **watch, seconds=60)
    yield _altered("the end of nothing", "malformed", action="stop")
