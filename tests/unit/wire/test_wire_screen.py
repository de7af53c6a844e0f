"""Orders to look at a screen: there and back, and nothing else gets through."""

import dataclasses
import json
from typing import Any

import pytest

from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.refusal import Refused
from borealis_wire.screen import ImageFormat, Region, ScreenAction, ScreenOrder, parse_screen

ORDER = ScreenOrder(
    order_id="5f0c",
    device_guid="3F2504E0-4F89-41D3-9A0C-0305E82C3301",
    context=RunContext.INTERACTIVE,
    action=ScreenAction.WATCH,
    issued_at=1_760_000_000,
    expires_at=1_760_000_060,
    asked_by="olga",
    monitor=2,
    region=Region(10, 20, 300, 200),
    format=ImageFormat.WEBP,
    quality=60,
    rate=10.0,
    seconds=1800,
)


@pytest.mark.parametrize("action", list(ScreenAction))
def test_an_order_reads_back_as_it_was(action: ScreenAction) -> None:
    order = dataclasses.replace(ORDER, action=action, watch_id="4e1b")
    assert parse_screen(order.to_payload()) == order


def changed(**members: Any) -> bytes:
    return json.dumps({**ORDER.to_json(), **members}).encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"{",
        changed(extra=1),
        changed(action="delete"),
        changed(format="bmp"),
        changed(order_id=""),
        changed(monitor=-1),
        changed(monitor=True),
        changed(quality=0),
        changed(rate=1000),
        changed(rate=0),
        changed(seconds=0),
        changed(seconds=10**9),
        changed(region={"x": 0, "y": 0, "width": 0, "height": 1}),
        changed(region={"x": 0, "y": 0}),
        changed(region=[0, 0, 1, 1]),
        changed(expires_at=1_760_000_000),
        changed(action="stop", watch_id=""),
        changed(asked_by="x" * 5000),
        json.dumps({name: value for name, value in ORDER.to_json().items() if name != "context"}).encode(),
    ],
)
def test_rejects_what_is_no_order_to_look(payload: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_screen(payload)
    assert refused.value.code is RefusalCode.MALFORMED


def test_rejects_a_context_that_there_is_not() -> None:
    with pytest.raises(Refused) as refused:
        parse_screen(changed(context="root"))
    assert refused.value.code is RefusalCode.WRONG_CONTEXT
