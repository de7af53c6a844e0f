"""What jobs needs of the rooms below, as Protocols."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from borealis_engine.operators.permissions import Principal


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

    @property
    def public_key_spki(self) -> bytes:
        """Its key, which secrets are sealed for."""

    @property
    def has_agent(self) -> bool:
        """Whether an agent is on it; else the Engine itself has to reach it."""


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


class PlannedRun(Protocol):
    """A run that is about to be sealed."""

    @property
    def run_id(self) -> str:
        """Its id."""

    @property
    def guid(self) -> str:
        """Its device."""


class RunPlan(Protocol):
    """What the runs of one job need where there is no agent."""

    def covers(self, guid: str) -> bool:
        """Whether this target has no agent."""

    def secrets(self, run: PlannedRun, vault_password: str) -> dict[str, str]:
        """What is sealed into the order of its run."""

    def record(self, conn: Connection, runs: Sequence[PlannedRun]) -> None:
        """Note the runs, in the transaction that records them. Raises ``NotFound``."""


class Machines(Protocol):
    """Knows machines without an agent; implemented by ``machines.MachineService``."""

    async def plan(
        self, principal: Principal, targets: Sequence[Target], *, credential_id: int | None, connection: str
    ) -> RunPlan:
        """Check who may use which credential where. Raises ``Invalid``, ``NotFound``, ``Forbidden``, ``Conflict``."""


class StoredScript(Protocol):
    """One version of a script that is kept in the library."""

    @property
    def guid(self) -> str:
        """Which script."""

    @property
    def version(self) -> int:
        """Which version of it."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def type(self) -> str:
        """What interprets it."""

    @property
    def script(self) -> str:
        """Its text."""

    @property
    def variables(self) -> list[dict[str, Any]]:
        """What it asks for, with defaults, as ``variables.merge`` takes them."""

    @property
    def files(self) -> list[dict[str, Any]]:
        """``{"file_name", "size", "mime_type", "data"}``, data in base64."""

    @property
    def timeout_seconds(self) -> int:
        """How long it may take."""


class Scripts(Protocol):
    """Finds stored scripts; implemented by ``library.ScriptLibrary``."""

    async def script_to_run(self, principal: Principal, guid: str, version: int | None) -> StoredScript:
        """The newest version, or the one asked for. Raises ``NotFound``, ``Forbidden`` or ``Invalid``."""
