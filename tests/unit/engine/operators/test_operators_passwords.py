"""Passwords: what is stored, what is refused, and that unknown users cost the same."""

import asyncio
import threading

import argon2
import pytest
from tests.fakes.people import PASSWORD, quick_hasher

from borealis_engine.core.errors import Invalid, Unavailable
from borealis_engine.operators import passwords
from borealis_engine.operators.passwords import PasswordHashing, check_new_password


class CountingHasher(argon2.PasswordHasher):
    """Counts verifications, and waits for ``gate`` in each."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str | bytes] = []
        self.gate = threading.Event()
        self.gate.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
        self.gate.wait(5)
        self.verified.append(hash)
        return bool(super().verify(hash, password))


async def test_a_password_is_stored_as_argon2id_and_found_right_again() -> None:
    hashing = PasswordHashing(quick_hasher())
    stored = await hashing.hash(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored
    assert await hashing.verify(stored, PASSWORD)
    assert not await hashing.verify(stored, PASSWORD + "x")
    assert stored != await hashing.hash(PASSWORD), "each has a salt of its own"
    hashing.close()


async def test_rejects_any_password_for_nobody_after_the_same_work() -> None:
    hasher = CountingHasher()
    hashing = PasswordHashing(hasher)
    assert not await hashing.verify(None, "no account has this password"), "not even the one inside"
    assert not await hashing.verify(None, PASSWORD)
    assert len(hasher.verified) == 2
    hashing.close()


async def test_survives_a_stored_hash_that_is_none() -> None:
    hashing = PasswordHashing(quick_hasher())
    assert not await hashing.verify("torn", PASSWORD)
    assert not await hashing.verify("0" * 128, PASSWORD)
    assert hashing.is_outdated("torn")
    hashing.close()


async def test_rejects_more_waiting_callers_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 3)
    hasher = CountingHasher()
    hasher.gate.clear()
    hashing = PasswordHashing(hasher)
    waiting = [asyncio.ensure_future(hashing.verify(None, "x")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="busy"):
        await hashing.verify(None, "x")
    hasher.gate.set()
    await asyncio.gather(*waiting)
    assert not await hashing.verify(None, "x"), "there is room again"
    hashing.close()


@pytest.mark.parametrize(
    ("password", "username"),
    [
        ("short", "ada"),
        ("a" * 12, "ada"),
        ("abababababab", "ada"),
        ("ada.lovelace1", "ada.lovelace"),
        ("ADA.Lovelace!!", "ada.lovelace"),
        ("x" * 1025, "ada"),
    ],
)
def test_rejects_weak_passwords(password: str, username: str) -> None:
    with pytest.raises(Invalid, match="weak_password"):
        check_new_password(password, username)


def test_a_sentence_is_a_good_password() -> None:
    check_new_password(PASSWORD, "ada")
    check_new_password("пять слов на русском языке", "ada")
