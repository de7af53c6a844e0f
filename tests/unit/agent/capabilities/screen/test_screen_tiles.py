"""What changed between two pictures: every tile that did, and none that did not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.capabilities.screen.tiles import BYTES_A_PIXEL, TILE, changed, grid

WIDTH, HEIGHT = 2 * TILE + 40, TILE + 9
BLACK = bytes(WIDTH * HEIGHT * BYTES_A_PIXEL)


def with_pixels(*places: tuple[int, int]) -> bytes:
    picture = bytearray(BLACK)
    for x, y in places:
        picture[(y * WIDTH + x) * BYTES_A_PIXEL] = 255
    return bytes(picture)


def test_a_grid_covers_the_picture_once() -> None:
    tiles = grid(WIDTH, HEIGHT)
    assert sum(tile.width * tile.height for tile in tiles) == WIDTH * HEIGHT
    assert {(tile.x, tile.y) for tile in tiles} == {(x, y) for x in (0, TILE, 2 * TILE) for y in (0, TILE)}
    assert all(tile.x + tile.width <= WIDTH and tile.y + tile.height <= HEIGHT for tile in tiles)


def test_the_first_picture_is_new_as_a_whole() -> None:
    assert changed(None, BLACK, WIDTH, HEIGHT) == grid(WIDTH, HEIGHT)
    assert changed(b"of another size", BLACK, WIDTH, HEIGHT) == grid(WIDTH, HEIGHT)


def test_nothing_changed_is_nothing_to_send() -> None:
    assert changed(BLACK, bytes(bytearray(BLACK)), WIDTH, HEIGHT) == []


@given(st.lists(st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1)), max_size=6))
def test_exactly_the_tiles_with_changed_pixels_are_found(places: list[tuple[int, int]]) -> None:
    found = {(tile.x, tile.y) for tile in changed(BLACK, with_pixels(*places), WIDTH, HEIGHT)}
    assert found == {(x // TILE * TILE, y // TILE * TILE) for x, y in places}


def test_rejects_a_picture_of_another_size_than_it_says() -> None:
    with pytest.raises(ValueError, match="another size"):
        changed(None, BLACK[:-1], WIDTH, HEIGHT)
