"""Adding, changing and looking up machines without an agent, and what their runs need."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

import msgspec

from borealis_base.clock import Clock
from borealis_engine.core.errors import Conflict, EngineError, Invalid, NotFound
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.credentials import CredentialService
from borealis_engine.devices import DeviceRecord, DeviceService
from borealis_engine.machines import store
from borealis_engine.machines.checks import check_connection, read_fingerprint, read_host_key
from borealis_engine.machines.host_keys import HostKeys
from borealis_engine.machines.models import Connection, Machine, MachineTls, ShownKey
from borealis_engine.machines.runs import RunPlan, RunTarget
from borealis_engine.operators.permissions import Principal
from borealis_engine.storage import Database

LOCAL: Final = "local"
log = get_logger("machines")


class MachineService:
    """Machines without an agent. All of them are in memory, without secrets."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        devices: DeviceService,
        credentials: CredentialService,
    ) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._devices = devices
        self._credentials = credentials
        self._host_keys = HostKeys()
        self._machines: dict[str, Machine] = {}

    async def start(self) -> None:
        """Open the credentials' key, and load the machines."""
        rows = await self._db.read(store.load_all)
        await self._credentials.start(sealed_elsewhere=bool(rows))
        self._machines = {guid: self._read(guid, sealed) for guid, sealed in rows}

    # --- for operators

    def find(self, principal: Principal, guid: str) -> tuple[DeviceRecord, Machine]:
        """One machine and its record.

        Raises:
            NotFound: ``device_not_found``; ``not_a_machine``: it has an agent.
        """
        record = self._devices.get(principal, guid)
        machine = self.machine(record.guid)
        if machine is None:
            raise NotFound("not_a_machine", f"{record.hostname} has an agent; only machines without have a connection.")
        return record, machine

    def machine(self, guid: str) -> Machine | None:
        """The machine of this GUID; None where there is none, or where an agent has taken its place."""
        auth = self._devices.auth_state(guid)
        if auth is None or auth.has_agent:
            self._machines.pop(guid, None)
            return None
        return self._machines.get(guid) or Machine(guid, None)

    async def look(self, address: str, port: int) -> list[ShownKey]:
        """The ssh host keys that somebody shows there now. See ``HostKeys.look``.

        Raises:
            Invalid: ``invalid_address``, ``invalid_port``.
        """
        probe = check_connection(Connection("winrm", address, port))
        return await self._host_keys.look(probe.address, probe.port)

    async def add(
        self,
        principal: Principal,
        *,
        hostname: str,
        description: str,
        site_id: int | None,
        connection: Connection,
        fingerprint: str,
        credential_id: int | None,
        address: str,
    ) -> DeviceRecord:
        """Add one.

        Args:
            fingerprint: of the host key that a person confirmed; it is fetched and has to be that one. Empty where
                ``connection`` brings the key itself.

        Raises:
            Invalid: see ``checks.check_connection``, and ``invalid_hostname``, ``credential_unsuitable``.
            Conflict: ``hostname_taken``, ``no_host_key``, ``host_key_differs``.
            NotFound, Forbidden: site or credential.
        """
        checked = await self._confirmed(connection, fingerprint)
        await self._check_credential(principal, checked, credential_id, site_id)
        guid = self._randomness.uuid().upper()
        machine = Machine(guid, checked, credential_id)
        sealed, now = self._seal(machine), self._clock.now()
        record = await self._devices.deeds.add_without_agent(
            principal,
            guid=guid,
            hostname=hostname,
            description=description,
            site_id=site_id,
            connection_type=checked.kind,
            endpoint=checked.endpoint,
            also=lambda conn: store.put(conn, guid, sealed, now),
            address=address,
        )
        self._machines[guid] = machine
        return record

    async def change(
        self,
        principal: Principal,
        guid: str,
        *,
        connection: Connection | None,
        fingerprint: str = "",
        new_credential: bool = False,
        credential_id: int | None = None,
        address: str,
    ) -> DeviceRecord:
        """Give a machine another connection or default credential; what is None or not asked for stays.

        Raises:
            NotFound: ``device_not_found``, ``not_a_machine``, ``credential_not_found``.
            Invalid, Conflict, Forbidden: as :meth:`add`; ``no_fields``; ``machine_unreadable``.
        """
        record, machine = self.find(principal, guid)
        if connection is None and not new_credential:
            raise Invalid("no_fields", "Name at least one thing to change: the connection, or credential_id.")
        checked = machine.connection if connection is None else await self._confirmed(connection, fingerprint)
        if checked is None:
            raise unreadable(record.hostname)
        number = credential_id if new_credential else machine.credential_id
        if new_credential:
            await self._check_credential(principal, checked, number, record.site_id)
        after = replace(machine, connection=checked, credential_id=number)
        sealed, now = self._seal(after), self._clock.now()
        changed = [*["connection"] * (connection is not None), *["credential"] * new_credential]
        await self._devices.deeds.reconnect(
            principal,
            record,
            connection_type=checked.kind,
            endpoint=checked.endpoint,
            changed=changed,
            also=lambda conn: store.put(conn, record.guid, sealed, now),
            address=address,
        )
        self._machines[record.guid] = after
        return record

    # --- for runs

    async def plan(
        self,
        principal: Principal,
        targets: Sequence[RunTarget],
        *,
        credential_id: int | None,
        connection: str,
    ) -> RunPlan:
        """What the runs of these targets need; targets with an agent need nothing. See ``jobs.ports.Machines``.

        Raises:
            Invalid: ``invalid_connection``: not by this connection; ``credential_unused``; ``credential_missing``;
                ``credential_unsuitable``.
            NotFound, Forbidden: see ``CredentialService.usable``.
            Conflict: ``machine_unreadable``, ``cannot_play_here``.
        """
        chosen: dict[str, int] = {}
        checked: set[tuple[int, str, int | None]] = set()
        for target in targets:
            machine = None if target.has_agent else self.machine(target.guid)
            kind = LOCAL if machine is None else machine.connection.kind if machine.connection else ""
            if connection and kind and connection != kind:
                how = "by an agent" if kind == LOCAL else f"by {kind}"
                raise Invalid(
                    "invalid_connection",
                    f"{target.hostname} is reached {how}, not by {connection}. Nothing was started.",
                )
            if machine is None:
                continue
            if machine.connection is None:
                raise unreadable(target.hostname)
            number = machine.credential_id if credential_id is None else credential_id
            if number is None:
                raise Invalid(
                    "credential_missing",
                    f"{target.hostname} has no agent and no credential of its own: name one (credential_id).",
                )
            use = (number, machine.connection.credential_kind, target.site_id)
            if use not in checked:
                await self._credentials.usable(principal, number, kind=use[1], site_id=use[2])
                checked.add(use)
            chosen[target.guid] = number
        if credential_id is not None and not chosen:
            raise Invalid("credential_unused", "A credential is for machines without an agent; none is meant here.")
        if chosen and sys.platform != "linux":
            raise Conflict(
                "cannot_play_here",
                "A playbook is set apart from the Engine by means of Linux; this Engine runs elsewhere. Playbooks on"
                " machines without an agent need an Engine on Linux.",
            )
        return RunPlan(chosen, self._credentials)

    async def _confirmed(self, connection: Connection, fingerprint: str) -> Connection:
        """The connection with the host key that a person confirmed, or ``Invalid`` / ``Conflict``."""
        if connection.kind == "ssh" and fingerprint and not connection.host_keys:
            wanted = read_fingerprint(fingerprint)
            probe = check_connection(replace(connection, kind="winrm"))
            shown = await self._host_keys.look(probe.address, probe.port)
            match = next((key for key in shown if key.fingerprint == wanted), None)
            if match is None:
                listed = ", ".join(f"{key.fingerprint} ({key.type})" for key in shown)
                raise Conflict(
                    "host_key_differs",
                    f"What answers there shows {listed}, and not the key that was confirmed. It is another machine, or"
                    " somebody is in between. Nothing was stored.",
                )
            connection = replace(connection, host_keys=(match.key,))
        return check_connection(connection)

    async def _check_credential(
        self, principal: Principal, connection: Connection, number: int | None, site_id: int | None
    ) -> None:
        if number is not None:
            await self._credentials.usable(principal, number, kind=connection.credential_kind, site_id=site_id)

    def _seal(self, machine: Machine) -> bytes:
        told = {
            "connection": asdict(machine.connection) if machine.connection else None,
            "credential": machine.credential_id,
        }
        return self._credentials.seal(f"machine/{machine.guid}", msgspec.json.encode(told))

    def _read(self, guid: str, sealed: bytes) -> Machine:
        try:
            found = msgspec.json.decode(self._credentials.open(f"machine/{guid}", sealed))
        except EngineError as error:
            log.error("how a machine is reached cannot be read", guid=guid, error_code=error.code)
            return Machine(guid, None)
        told = found["connection"]
        connection = Connection(**{**told, "host_keys": tuple(told["host_keys"]), "tls": MachineTls(**told["tls"])})
        return Machine(guid, connection, found["credential"])


def shown_keys(connection: Connection) -> list[ShownKey]:
    """The host keys that were confirmed, with their fingerprints."""
    return [read_host_key(key) for key in connection.host_keys]


def unreadable(hostname: str) -> Conflict:
    """The error for a machine whose connection does not open."""
    return Conflict(
        "machine_unreadable",
        f"How {hostname} is reached cannot be read: it was altered behind the Engine's back, or the key of stored"
        " credentials is another one. Enter its connection anew.",
    )
