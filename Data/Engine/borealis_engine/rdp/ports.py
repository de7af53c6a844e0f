"""What this room needs of others, as Protocols; filled in by ``app``."""

from collections.abc import Collection
from typing import Protocol

from borealis_engine.devices import DeviceRecord


class Tunnels(Protocol):
    """What is known of devices' tunnels."""

    def allowed(self, record: DeviceRecord) -> Collection[int]:
        """The TCP ports of a device that the Engine may reach."""

    def tunnel_id(self, guid: str) -> str:
        """The tunnel that is up; empty for none."""
