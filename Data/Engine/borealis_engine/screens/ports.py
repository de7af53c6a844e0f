"""What this room needs of others, as Protocols; filled in by ``app``."""

from typing import Any, Protocol

from borealis_wire.events import RunContext


class ScreenLink(Protocol):
    """Live sockets of devices; implemented by ``gateway``."""

    def has_session(self, guid: str, context: RunContext) -> bool:
        """Whether a socket of this device and context is up now."""

    async def send_sealed(
        self, event: str, guid: str, context: RunContext, payload: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Emit an event and give its acknowledgement; None where the socket is gone. The caller bounds the wait."""


class Sealer(Protocol):
    """Implemented by ``signing.SigningService``."""

    def seal(self, payload_type: str, payload: bytes) -> dict[str, Any]:
        """A DSSE envelope."""
