"""What jobs needs of the rooms below, as Protocols."""

from collections.abc import Sequence
from typing import Protocol


class Target(Protocol):
    """A device that may be meant."""

    @property
    def guid(self) -> str:
        """Its GUID."""

    @property
    def hostname(self) -> str:
        """Its name."""

    @property
    def site_id(self) -> int | None:
        """Its site."""

    @property
    def status(self) -> str:
        """``active``, ``quarantined``, ``revoked`` or ``decommissioned``."""


class Targets(Protocol):
    """Finds devices within an operator's sites; implemented by ``devices.DeviceService``."""

    async def targets(
        self,
        sites: frozenset[int] | None,
        *,
        guids: Sequence[str],
        hostnames: Sequence[str],
        site_ids: Sequence[int],
        all_devices: bool,
    ) -> Sequence[Target]:
        """The devices meant, each once. Raises ``NotFound`` or ``Forbidden`` with upstream's codes."""

    async def site_ids(self, sites: frozenset[int] | None, names: Sequence[str]) -> list[int]:
        """The ids of sites by name. Raises ``NotFound`` (``site_not_found``)."""
