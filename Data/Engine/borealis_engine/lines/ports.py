"""What lines need of others, as Protocols; filled in by ``app``."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from borealis_engine.devices import DeviceRecord
from borealis_engine.operators.permissions import Principal


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device's port is reached. ``ended`` is set when the way there is over."""

    address: str
    port: int
    ended: asyncio.Event


class Way(Protocol):
    """The way to a port of a device; the tunnel, which is brought up where there is none."""

    def to(
        self, principal: Principal, record: DeviceRecord, *, port: int, host: str, address: str
    ) -> AbstractAsyncContextManager[Place]:
        """A port of the device, for as long as it is used.

        Args:
            principal: who wants it.
            record: the device.
            port: TCP; one that the device's allow-list has.
            host: what the device calls to build the tunnel, where no setting says otherwise.
            address: of the operator, for the audit log.

        Raises:
            EngineError: there is no way, with the reason.
        """

    def there(self, record: DeviceRecord, *, port: int) -> AbstractAsyncContextManager[Place]:
        """A port of a device as long as it is used, where there is a way already. Asks for nobody's rights.

        Raises:
            EngineError: there is none; ``tunnel_down`` where no tunnel is up.
        """


class Sealer(Protocol):
    """Implemented by ``signing.SigningService``."""

    def seal(self, payload_type: str, payload: bytes) -> dict[str, Any]:
        """A DSSE envelope."""
