"""What this room needs of others, as Protocols; filled in by ``app``."""

from collections.abc import Sequence
from typing import Any, Protocol

from borealis_engine.devices import DeviceAuth, DeviceQuery, DeviceRecord
from borealis_engine.operators.permissions import Principal
from borealis_wire.events import RunContext


class UpdateLink(Protocol):
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


class Devices(Protocol):
    """Implemented by ``devices.DeviceService``."""

    def auth_state(self, guid: str) -> DeviceAuth | None:
        """A device's standing; None where it is gone."""

    def find(self, actor: Principal, query: DeviceQuery) -> list[DeviceRecord]:
        """Devices that an operator may see."""

    def get(self, actor: Principal, guid: str) -> DeviceRecord:
        """One device. Raises ``NotFound``."""

    async def targets(
        self,
        sites: frozenset[int] | None,
        *,
        guids: Sequence[str],
        hostnames: Sequence[str],
        site_ids: Sequence[int],
        all_devices: bool,
    ) -> list[DeviceAuth]:
        """The devices meant. Raises ``NotFound``."""
