"""Devices and their sockets as dispatch and jobs see them, in memory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from borealis_engine.core.errors import NotFound
from borealis_wire.events import RunContext

Ack = dict[str, Any] | None


@dataclass(frozen=True)
class FakeDevice:
    """A device on record; also a ``jobs.ports.Target`` and a ``dispatch.ports.DeviceState``."""

    guid: str
    hostname: str
    site_id: int | None = None
    status: str = "active"
    has_agent: bool = True


class NoMachines:
    """Implements ``jobs.ports.Machines`` where every device has an agent."""

    async def plan(self, principal: Any, targets: Any, *, credential_id: int | None, connection: str) -> "NoMachines":
        """Nothing is needed."""
        del principal, targets, credential_id, connection
        return self

    def covers(self, guid: str) -> bool:
        """None."""
        del guid
        return False

    def secrets(self, run: Any, vault_password: str) -> dict[str, str]:
        """Nobody's."""
        raise AssertionError((run, vault_password))

    def record(self, conn: Any, runs: Any) -> None:
        """Nothing to note."""


class FakeDevices:
    """Implements ``dispatch.ports.Devices`` and ``jobs.ports.Targets``."""

    def __init__(self, *devices: FakeDevice) -> None:
        self.by_guid = {device.guid: device for device in devices}

    def auth_state(self, guid: str) -> FakeDevice | None:
        """The device, or None where it is gone."""
        return self.by_guid.get(guid)

    def set_status(self, guid: str, status: str) -> None:
        """An operator quarantines, revokes or releases."""
        old = self.by_guid[guid]
        self.by_guid[guid] = FakeDevice(old.guid, old.hostname, old.site_id, status)

    async def targets(
        self,
        sites: frozenset[int] | None,
        *,
        guids: Sequence[str],
        hostnames: Sequence[str],
        site_ids: Sequence[int],
        all_devices: bool,
    ) -> list[FakeDevice]:
        """Devices meant, in order of GUID."""
        seen = [d for d in self.by_guid.values() if sites is None or d.site_id in sites]
        known = {d.guid for d in seen} | {d.hostname for d in seen}
        missing = [name for name in (*guids, *hostnames) if name not in known]
        if missing:
            raise NotFound("device_not_found", f"There is no device {missing[0]!r}.")
        return [
            d for d in seen if all_devices or d.guid in guids or d.hostname in hostnames or d.site_id in set(site_ids)
        ]

    async def site_ids(self, sites: frozenset[int] | None, names: Sequence[str]) -> list[int]:
        """No site has a name here."""
        raise NotFound("site_not_found", f"There is no site {names[0]!r}.")


@dataclass
class FakeLink:
    """Implements ``dispatch.ports.DeviceLink``; ``answer`` decides each acknowledgement."""

    answer: Callable[[dict[str, Any]], Ack] = lambda _payload: {"status": "accepted"}
    sessions: set[tuple[str, RunContext]] = field(default_factory=set)
    """Of agents that name nobody."""
    users: dict[str, list[str]] = field(default_factory=dict)
    """By device: signed-in users whose agents are there."""
    to: list[str] = field(default_factory=list)
    """The user of each job and cancel."""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    cancels: list[dict[str, Any]] = field(default_factory=list)
    silent: bool = False
    sealed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sealed_answer: Callable[[str, dict[str, Any]], Ack] = lambda _event, _payload: {"status": "accepted"}

    def has_session(self, guid: str, context: RunContext, user: str = "") -> bool:
        """Whether that socket is up."""
        return user in self.users.get(guid, []) if user else (guid, context) in self.sessions

    def user_for(self, guid: str) -> str | None:
        """The first that is there."""
        here = self.users.get(guid)
        return here[0] if here else ("" if (guid, RunContext.INTERACTIVE) in self.sessions else None)

    async def send_job(self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = "") -> Ack:
        """Deliver a job; with ``silent`` nobody ever answers."""
        self.jobs.append(payload)
        self.to.append(user)
        if self.silent:
            await asyncio.Event().wait()
        return self.answer(payload)

    async def send_cancel(self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = "") -> None:
        """Deliver a cancel."""
        self.cancels.append(payload)
        self.to.append(user)

    async def send_sealed(
        self, event: str, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = ""
    ) -> Ack:
        """Deliver another order."""
        self.to.append(user)
        self.sealed.append((event, payload))
        return self.sealed_answer(event, payload)
