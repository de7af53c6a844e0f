"""What dispatch needs of the rooms above it and beside it, as Protocols."""

from typing import Any, Protocol

from borealis_wire.events import RunContext


class DeviceLink(Protocol):
    """Live sockets of devices; implemented by ``gateway``."""

    def has_session(self, guid: str, context: RunContext, user: str = "") -> bool:
        """Whether a socket of this device, context and user is up now."""

    def user_for(self, guid: str) -> str | None:
        """Whose agent does what any signed-in user's may do, empty for one that names nobody; None: none is there."""

    async def send_job(
        self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = ""
    ) -> dict[str, Any] | None:
        """Emit ``quick_job_run`` and give the acknowledgement; None where none came (time-out, socket gone)."""

    async def send_cancel(self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = "") -> None:
        """Emit ``quick_job_cancel``; lost where the socket is gone."""


class DeviceState(Protocol):
    """What matters of a device here."""

    @property
    def status(self) -> str:
        """``active``, ``quarantined``, ``revoked`` or ``decommissioned``."""


class Devices(Protocol):
    """Who may get work; implemented by ``devices.DeviceService``."""

    def auth_state(self, guid: str) -> DeviceState | None:
        """The device as it is now, from memory; None where it is gone."""


class OrderSealer(Protocol):
    """Seals cancel orders; implemented by ``signing.SigningService``."""

    def seal(self, payload_type: str, payload: bytes) -> dict[str, Any]:
        """A DSSE envelope."""
