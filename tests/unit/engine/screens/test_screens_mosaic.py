"""The newest picture of a live view: bounded, whole for who comes, and what changed for who is there."""

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.screens.mosaic import BadFrame, FrameHead, Mosaic
from borealis_wire.screen import MAX_FRAME_BYTES

JPEG = b"\xff\xd8\xff"


def frame(*tiles: tuple[int, int, bytes], width: int = 256, height: int = 256, **more: Any) -> tuple[FrameHead, bytes]:
    listed = [(x, y, 128, 128, len(JPEG + data)) for x, y, data in tiles]
    head = FrameHead("o1", width, height, tiles=listed, **more)
    return head, b"".join(JPEG + data for _, _, data in tiles)


def test_who_comes_late_gets_the_whole_picture_and_then_what_is_new() -> None:
    mosaic = Mosaic()
    mosaic.apply(*frame((0, 0, b"a"), (128, 0, b"b")))
    mosaic.apply(*frame((128, 0, b"new")))
    whole = mosaic.newer_than(0, 0)
    assert whole is not None
    assert whole.fresh
    assert (whole.width, whole.height, whole.format) == (256, 256, "jpeg")
    assert whole.data == JPEG + b"a" + JPEG + b"new"
    assert mosaic.newer_than(mosaic.version, mosaic.generation) is None
    one = mosaic.newer_than(1, mosaic.generation)
    assert one is not None
    assert not one.fresh
    assert one.tiles == [(128, 0, 128, 128, 6)]


def test_another_size_begins_anew() -> None:
    mosaic = Mosaic()
    mosaic.apply(*frame((0, 0, b"old"), (128, 128, b"old")))
    seen = (mosaic.version, mosaic.generation)
    mosaic.apply(*frame((0, 0, b"small"), width=128, height=128))
    update = mosaic.newer_than(*seen)
    assert update is not None
    assert update.fresh
    assert update.data == JPEG + b"small"
    assert mosaic.size == len(update.data)


@pytest.mark.parametrize(
    ("tile", "data"),
    [
        ((0, 0, 300, 128, 4), JPEG + b"x"),
        ((200, 0, 128, 128, 4), JPEG + b"x"),
        ((0, 0, 0, 128, 4), JPEG + b"x"),
        ((0, 0, 128, 128, 0), b""),
        ((0, 0, 128, 128, 9), JPEG + b"x"),
        ((0, 0, 128, 128, -1), JPEG + b"x"),
        ((0, 0, 128, 128, 4), JPEG + b"x more"),
        ((0, 0, 128, 128, 8), b"<script>"),
    ],
)
def test_rejects_a_frame_that_is_none_and_changes_nothing(tile: tuple[int, int, int, int, int], data: bytes) -> None:
    mosaic = Mosaic()
    mosaic.apply(*frame((0, 0, b"good")))
    before = dataclasses.replace(mosaic)
    with pytest.raises(BadFrame):
        mosaic.apply(FrameHead("o1", 256, 256, tiles=[tile]), data)
    assert (mosaic.version, mosaic.size) == (before.version, before.size)


def test_rejects_more_than_is_kept() -> None:
    mosaic = Mosaic()
    half = b"x" * (MAX_FRAME_BYTES // 2)
    mosaic.apply(*frame((0, 0, half)))
    with pytest.raises(BadFrame, match="larger"):
        mosaic.apply(*frame((128, 0, half), (0, 128, half)))


@pytest.mark.parametrize(
    "head",
    [{}, {"order_id": "o", "width": 0, "height": 1}, {"order_id": "o", "width": 1, "height": 1, "format": "svg"}],
)
def test_rejects_a_head_that_is_none(head: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(head), type=FrameHead)


@given(st.lists(st.tuples(st.sampled_from([0, 128]), st.sampled_from([0, 128]), st.binary(max_size=9)), max_size=30))
def test_however_many_frames_come_only_the_newest_picture_is_kept(tiles: list[tuple[int, int, bytes]]) -> None:
    mosaic = Mosaic()
    newest: dict[tuple[int, int], bytes] = {}
    for x, y, data in tiles:
        mosaic.apply(*frame((x, y, data)))
        newest[x, y] = JPEG + data
    assert mosaic.size == sum(map(len, newest.values()))
    update = mosaic.newer_than(0, 0)
    assert (update is None) == (not newest)
    if update is not None:
        assert sorted(update.data.split(JPEG)[1:]) == sorted(piece[len(JPEG) :] for piece in newest.values())
