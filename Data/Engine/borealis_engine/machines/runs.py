"""What the runs of one job need on machines without an agent: a credential each, noted with the runs."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from sqlalchemy import Connection

from borealis_engine.credentials import CredentialService
from borealis_engine.credentials import store as credential_store
from borealis_wire import base64s
from borealis_wire.playbooks import VAULT_PASSWORD

CREDENTIAL: Final = "credential"
"""The name, in a sealed order, of the number of the credential."""


class RunTarget(Protocol):
    """What matters of a target here."""

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
    def has_agent(self) -> bool:
        """Whether an agent is on it."""


class PlannedRun(Protocol):
    """What matters of a run here."""

    @property
    def run_id(self) -> str:
        """Its id."""

    @property
    def guid(self) -> str:
        """Its device."""


class RunPlan:
    """Which credential goes with which machine; nothing for devices with an agent."""

    def __init__(self, chosen: Mapping[str, int], credentials: CredentialService) -> None:
        self._chosen = chosen
        self._credentials = credentials

    def covers(self, guid: str) -> bool:
        """Whether this is a machine without an agent."""
        return guid in self._chosen

    def secrets(self, run: PlannedRun, vault_password: str) -> dict[str, str]:
        """What the Engine seals, for itself, into the order of a run: signed with it, and of use for that run alone.

        Raises:
            Conflict: ``credential_key_missing``.
        """
        told = {CREDENTIAL: str(self._chosen[run.guid])}
        if vault_password:
            told[VAULT_PASSWORD] = vault_password
        return {
            name: base64s.encode(self._credentials.seal(place(run.run_id, name), text.encode()))
            for name, text in told.items()
        }

    def record(self, conn: Connection, runs: Sequence[PlannedRun]) -> None:
        """Note the runs, in their transaction.

        Raises:
            NotFound: ``credential_not_found``: deleted meanwhile.
        """
        uses = {run.run_id: self._chosen[run.guid] for run in runs if run.guid in self._chosen}
        if uses:
            credential_store.add_uses(conn, uses)


def place(run_id: str, name: str) -> str:
    """What a secret of a run is bound to."""
    return f"run/{run_id}/{name}"
