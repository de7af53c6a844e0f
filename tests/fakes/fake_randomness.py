"""Randomness that is the same in every run."""

import base64
import hashlib
import uuid


class FakeRandomness:
    """Implements ``borealis_engine.core.ids.Randomness``: a SHA-256 stream over ``seed``."""

    def __init__(self, seed: str | int = "borealis") -> None:
        self._seed = str(seed).encode()
        self._count = 0

    def token_bytes(self, count: int) -> bytes:
        """``count`` bytes, different at each call."""
        self._count += 1
        stream = b""
        block = 0
        while len(stream) < count:
            stream += hashlib.sha256(b"%s:%d:%d" % (self._seed, self._count, block)).digest()
            block += 1
        return stream[:count]

    def token_urlsafe(self, count: int) -> str:
        """URL-safe base64 of ``count`` bytes, without padding."""
        return base64.urlsafe_b64encode(self.token_bytes(count)).rstrip(b"=").decode()

    def uuid(self) -> str:
        """A valid UUID4 text."""
        return str(uuid.UUID(bytes=self.token_bytes(16), version=4))
