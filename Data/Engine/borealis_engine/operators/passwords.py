"""Passwords: argon2id off the event loop, a dummy for unknown users, and the rules for new ones."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

from borealis_engine.core.errors import Invalid, Unavailable

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 1024
MAX_WAITING: Final = 32
_FEW_DIFFERENT: Final = 5
Result = TypeVar("Result")


class PasswordHashing:
    """argon2id in two threads of its own; more than 32 waiting callers are turned away, not queued without end."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._waiting = 0
        self._dummy = ""

    async def hash(self, password: str) -> str:
        """The stored form of a new password.

        Raises:
            Unavailable: too many wait already.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` is the one; ``None`` costs the same work and is never right.

        Raises:
            Unavailable: too many wait already.
        """
        return await self._run(lambda: self._verify(stored, password))

    def is_outdated(self, stored: str) -> bool:
        """Whether a stored hash was made with weaker settings than those of today."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str | None, password: str) -> bool:
        if not self._dummy:
            self._dummy = self._hasher.hash("no account has this password")
        try:
            self._hasher.verify(stored or self._dummy, password)
        except (Argon2Error, InvalidHashError):
            return False
        return stored is not None

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("busy", "Too many people sign in at this moment. Try again in a few seconds.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def check_new_password(password: str, username: str) -> None:
    """The rules for a new password: long enough, not the user name, not one character again and again.

    Raises:
        Invalid: ``weak_password``, with what is missing.
    """
    if len(password) < MIN_LENGTH:
        raise Invalid("weak_password", f"A password has at least {MIN_LENGTH} characters. A sentence works well.")
    if len(password) > MAX_LENGTH:
        raise Invalid("weak_password", f"A password has at most {MAX_LENGTH} characters.")
    lowered = password.casefold()
    name = username.casefold()
    if name and (name in lowered and len(lowered) - len(name) < MIN_LENGTH // 2):
        raise Invalid("weak_password", "A password must not be the user name with little around it.")
    if len(set(lowered)) < _FEW_DIFFERENT:
        raise Invalid("weak_password", f"A password has at least {_FEW_DIFFERENT} different characters.")
