"""Guessing gets slower, for each key, and memory stays bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.core.errors import RateLimited
from borealis_engine.operators.lockout import LockOut, peer_key


def attempt(book: LockOut, key: str, now: float) -> bool:
    """One failed try; False if it was held back."""
    try:
        book.check(key, now)
    except RateLimited:
        return False
    book.begin(key, now)
    return True


def test_the_first_tries_are_free_and_the_next_ones_wait_twice_as_long_each() -> None:
    book = LockOut(free=3, first_wait=1, longest_wait=8)
    now = 0.0
    waits = []
    for _ in range(8):
        book.check("name:ada", now)
        book.begin("name:ada", now)
        try:
            book.check("name:ada", now)
        except RateLimited as error:
            waits.append(error.retry_after)
            now += error.retry_after
    assert waits == [1, 2, 4, 8, 8]


def test_rejects_a_try_during_the_wait_without_counting_it() -> None:
    book = LockOut(free=1, first_wait=10)
    assert attempt(book, "k", 0) and attempt(book, "k", 0)
    for second in range(1, 10):
        with pytest.raises(RateLimited) as caught:
            book.check("k", second)
        assert caught.value.retry_after == 10 - second
    assert attempt(book, "k", 10), "hammering must not lengthen the wait"


def test_success_forgets_and_another_key_is_not_concerned() -> None:
    book = LockOut(free=1)
    attempt(book, "a", 0)
    attempt(book, "a", 0)
    book.check("b", 0)
    book.succeed("a")
    book.check("a", 0)


def test_failures_are_forgotten_after_an_hour_of_quiet() -> None:
    book = LockOut(free=1, first_wait=1, forget=3600)
    attempt(book, "k", 0)
    attempt(book, "k", 0)
    attempt(book, "k", 5)
    assert attempt(book, "k", 3700)
    assert attempt(book, "k", 3700), "counted from the start again, one try is free"


def test_rejects_free_guesses_bought_with_one_right_password() -> None:
    book = LockOut(free=3, first_wait=60)
    for _ in range(3):
        assert attempt(book, "peer:a", 0)
        book.check("peer:a", 0)
        book.begin("peer:a", 0)  # signs in with a password that is known ...
        book.take_back("peer:a")  # ... which wipes out nothing but itself
    assert attempt(book, "peer:a", 0)
    assert not attempt(book, "peer:a", 0)


@given(st.lists(st.text(max_size=8), max_size=60))
def test_survives_any_number_of_keys(keys: list[str]) -> None:
    book = LockOut(free=1, max_keys=10)
    for number, key in enumerate(keys):
        attempt(book, key, float(number))
    assert len(book._failures) <= 10


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("unix", "unix", True),
    ],
)
def test_a_peer_is_an_address_or_the_network_that_one_caller_has(first: str, second: str, same: bool) -> None:
    assert (peer_key(first) == peer_key(second)) is same
    assert peer_key(first).startswith("peer:")
