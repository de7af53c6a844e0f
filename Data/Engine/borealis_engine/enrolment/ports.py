"""What enrolment needs of the room of devices at run time, as Protocols; ``app`` passes ``devices.DeviceService``.

The records themselves are read and written by ``devices.admission``, inside this room's transactions.
"""

from collections.abc import Sequence
from typing import Protocol

from borealis_engine.devices.models import DeviceAuth, Site
from borealis_engine.operators.permissions import Principal


class Sites(Protocol):
    """Sites within an operator's limits."""

    def get(self, actor: Principal, site_id: int) -> Site:
        """One site; raises ``NotFound`` (``site_not_found``) also for one out of sight."""


class Devices(Protocol):
    """Devices in memory, and their sites."""

    @property
    def sites(self) -> Sites:
        """Groups of devices."""

    async def site_ids(self, sites: frozenset[int] | None, names: Sequence[str]) -> list[int]:
        """Ids of sites by name; raises ``NotFound`` (``site_not_found``)."""

    def auth_state(self, guid: str) -> DeviceAuth | None:
        """The device as the doors see it."""

    def is_connected(self, guid: str) -> bool:
        """Whether it has a live session in any context."""

    def admitted(self, auth: DeviceAuth) -> None:
        """After the commit: a device was let in, or has another key."""
