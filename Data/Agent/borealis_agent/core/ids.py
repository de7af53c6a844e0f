"""Nonces and ids. Randomness is an argument everywhere else; this is the real source."""

import secrets
import uuid
from typing import Protocol


class Randomness(Protocol):
    """Where nonces, keys and ids come from."""

    def token_bytes(self, count: int) -> bytes:
        """``count`` unpredictable bytes."""

    def token_urlsafe(self, count: int) -> str:
        """URL-safe base64 of ``count`` unpredictable bytes."""

    def uuid(self) -> str:
        """UUID4 text, lower-case."""


class SystemRandomness:
    """The operating system's random source."""

    def token_bytes(self, count: int) -> bytes:
        """``count`` unpredictable bytes."""
        return secrets.token_bytes(count)

    def token_urlsafe(self, count: int) -> str:
        """URL-safe base64 of ``count`` unpredictable bytes."""
        return secrets.token_urlsafe(count)

    def uuid(self) -> str:
        """UUID4 text, lower-case."""
        return str(uuid.uuid4())
