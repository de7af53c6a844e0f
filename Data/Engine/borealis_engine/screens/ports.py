"""What this room needs of others, as Protocols; filled in by ``app``."""

from typing import Any, Protocol

from borealis_wire.events import RunContext


class ScreenLink(Protocol):
    """Live sockets of devices; implemented by ``gateway``."""

    def has_session(self, guid: str, context: RunContext, user: str = "") -> bool:
        """Whether a socket of this device, context and user is up now."""

    def user_for(self, guid: str) -> str | None:
        """Whose screen is meant where nobody is named, empty for one that names nobody; None: nobody is there."""

    async def send_sealed(
        self, event: str, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = ""
    ) -> dict[str, Any] | None:
        """Emit an event and give its acknowledgement; None where the socket is gone. The caller bounds the wait."""


class Sealer(Protocol):
    """Implemented by ``signing.SigningService``."""

    def seal(self, payload_type: str, payload: bytes) -> dict[str, Any]:
        """A DSSE envelope."""
