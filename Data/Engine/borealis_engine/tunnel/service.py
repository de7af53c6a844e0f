"""Who has a tunnel, by whose wish, to which ports, and until when. The leases are in memory and in the database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_base.wireguard.keys import BadKey, check_key, load_or_make
from borealis_engine.activity import UseRecorder
from borealis_engine.core.errors import Conflict, EngineError, Invalid, NotFound, Unavailable
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.core.tunnel_settings import TunnelSettings
from borealis_engine.devices import DeviceRecord, DeviceService
from borealis_engine.operators.permissions import Principal
from borealis_engine.storage import Database
from borealis_engine.tunnel import watching
from borealis_engine.tunnel.allow_lists import AllowLists
from borealis_engine.tunnel.interface import Interface
from borealis_engine.tunnel.leases import Leases, entry
from borealis_engine.tunnel.models import ENGINE, KeyFiles, Lease, PortList, Reached, TunnelRow
from borealis_engine.tunnel.ports import DevicePeer, Sealer, TunnelLink, Wires, WiresError
from borealis_engine.tunnel.telling import Teller
from borealis_wire.events import RunContext
from borealis_wire.tunnel import TunnelEnd

TICK_SECONDS: Final = 10.0
KEEP_SECONDS: Final = 60.0
MAX_HISTORY: Final = 200
MAX_UNHEARD: Final = 10_000
PRUNE_SECONDS: Final = 3600.0

log = get_logger("VPN_Tunnel/tunnel")


class TunnelService:
    """Every tunnel of this Engine.

    Attributes:
        unavailable: why there are none here, for people; empty where there can be.
    """

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        uses: UseRecorder,
        devices: DeviceService,
        signing: Sealer,
        settings: TunnelSettings,
        wires: Wires,
        key_files: KeyFiles,
        history_days: int = 30,
    ) -> None:
        self._clock = clock
        self._randomness = randomness
        self._devices = devices
        self._settings = settings
        self._key_files = key_files
        self._history_days = history_days
        self._interface = Interface(wires, self._wanted)
        self._teller = Teller(settings=settings, signing=signing, clock=clock, randomness=randomness)
        self._lists = AllowLists(db=db, clock=clock, settings=settings)
        self._leases = Leases(db=db, clock=clock, randomness=randomness, uses=uses, settings=settings)
        self._keys: dict[str, str] = {}
        self._unheard: dict[str, tuple[Lease, TunnelEnd]] = {}
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: Supervisor | None = None
        self._kept_at = self._pruned_at = float("-inf")
        self.unavailable = "the Engine is starting"
        devices.on_access_changed(self._access_changed)

    async def start(self) -> None:
        """Load leases and allow-lists, and the key. Says so where there can be no tunnels here; never fails for that.

        Raises:
            OSError: the key can be neither read nor written.
        """
        await self._lists.start()
        self.unavailable = self._interface.missing()
        if self.unavailable:
            log.warning("there are no tunnels on this Engine; everything else works", reason=self.unavailable)
        else:
            await self._interface.clear()
            pair, made = await asyncio.to_thread(
                load_or_make,
                self._key_files.private,
                self._key_files.public,
                fresh=self._randomness.token_bytes(32),
            )
            self._teller.server_key = pair.public
            if made:
                log.info("the Engine has a new WireGuard key", public_key=pair.public)
        await self._leases.load(possible=not self.unavailable)
        if len(self._leases):
            log.info("tunnels are taken up again", tunnels=len(self._leases))

    def bind_link(self, link: TunnelLink) -> None:
        """Where devices are reached; once, before the first order."""
        self._teller.link = link

    # --- for operators

    async def connect(self, principal: Principal, name: str, *, host: str, address: str) -> Lease:
        """Bring a device's tunnel up, or share the one that is up.

        Args:
            principal: who wants it.
            name: the device's GUID, or upstream's agent id.
            host: what the device calls, where no setting says otherwise.
            address: of the operator, for the audit log.

        Raises:
            NotFound: no such device, or out of sight.
            Conflict: the device is not active, not connected, has no WireGuard, refused or failed; no address is left.
            Unavailable: this Engine has no tunnels, or the device did not answer.
        """
        record = self.find(principal, name)
        self._check_available()
        if record.auth.status != "active":
            raise Conflict("device_not_active", f"The device is {record.auth.status}: it gets no tunnel.")
        async with self._alone(record.guid):
            if not self._teller.reachable(record.guid):
                raise Conflict("not_connected", "The device is not connected now.")
            key = self._keys.get(record.guid, "")
            if not key:
                raise Conflict("tunnel_unsupported", _why_unsupported(record))
            lease = self._leases.get(record.guid)
            if lease is not None and lease.public_key != key:
                await self._end(lease, TunnelEnd.KEY_CHANGED, ENGINE)
                lease = None
            if lease is None:
                lease = await self._open(record, principal, key, host, address)
            else:
                await self._share(lease, principal, address)
            try:
                if not lease.told:
                    await self._teller.start(lease)
            except EngineError:
                lease.operators.pop(principal.username, None)
                if not lease.operators and self._leases.holds(lease):
                    await self._end(lease, TunnelEnd.FAILED, ENGINE)
                raise
            self._check_still(lease)
        return lease

    async def disconnect(
        self, principal: Principal, *, name: str = "", tunnel_id: str = "", everybody: bool = False, address: str
    ) -> tuple[str, Lease | None]:
        """Let go of a tunnel; with the last operator it ends, and with ``everybody`` for all of them.

        Returns:
            The device's GUID, and the lease where others hold it still.

        Raises:
            NotFound: no such device or tunnel, or out of sight.
        """
        if tunnel_id and not name:
            found = next((one for one in self._leases if one.tunnel_id == tunnel_id), None)
            if found is None:
                raise NotFound("tunnel_not_found", "There is no such tunnel, or it has ended already.")
            name = found.guid
        record = self.find(principal, name)
        async with self._alone(record.guid):
            lease = self._leases.get(record.guid)
            if lease is None or (tunnel_id and lease.tunnel_id != tunnel_id):
                return record.guid, None
            if not everybody and principal.username in lease.operators and len(lease.operators) > 1:
                del lease.operators[principal.username]
                await self._leases.keep([lease], entry("tunnel.leave", lease, principal.username, address))
                return record.guid, lease
            if not everybody and principal.username not in lease.operators:
                holders = ", ".join(lease.operators)
                raise Conflict("not_yours", f"The tunnel is held by {holders}. End it for everybody if you must.")
            await self._end(lease, TunnelEnd.OPERATOR_STOP, principal.username, address)
        return record.guid, None

    def status(self, principal: Principal, name: str, *, bump: bool = False) -> tuple[DeviceRecord, Lease | None]:
        """A device and its tunnel. ``bump``: somebody uses it, whatever the counters say.

        Raises:
            NotFound: no such device, or out of sight.
        """
        record = self.find(principal, name)
        lease = self._leases.get(record.guid)
        if lease is not None and bump:
            now, monotonic = self._clock.now(), self._clock.monotonic()
            watching.touch(lease, monotonic=monotonic, now=now)
            if watching.wants_refresh(lease, monotonic=monotonic, idle_seconds=self._settings.idle_seconds):
                self._soon("tell a device that its tunnel is wanted", self._tell_again(lease))
        return record, lease

    def active(self, principal: Principal) -> list[Lease]:
        """The tunnels that are up, by the name of the device, as far as the operator may see them."""
        found = []
        for lease in self._leases:
            with contextlib.suppress(NotFound):
                self._devices.get(principal, lease.guid)
                found.append(lease)
        return sorted(found, key=lambda lease: lease.hostname.casefold())

    def lease(self, guid: str) -> Lease | None:
        """A device's tunnel that is up. Asks for nobody's rights."""
        return self._leases.get(guid)

    def ports(self, record: DeviceRecord) -> PortList:
        """A device's allow-list."""
        return self._lists.of(record)

    async def set_ports(
        self, principal: Principal, name: str, ports: Sequence[int] | None, *, address: str
    ) -> tuple[DeviceRecord, PortList]:
        """Another allow-list, in force at once at both ends; None for the default of the device's system.

        Raises:
            NotFound: no such device, or out of sight.
            Invalid: not ports, or too many.
        """
        record = self.find(principal, name)
        async with self._alone(record.guid):
            after = await self._lists.change(record, ports, principal.username, address)
            lease = self._leases.get(record.guid)
            if lease is not None and lease.ports != after.ports:
                # This end first: what was closed is closed whether the device hears of it or not.
                before, lease.ports, lease.told = _peer(lease), after.ports, False
                await self._interface.change_ports(before, _peer(lease))
                await self._leases.keep([lease])
                await self._tell(lease)
        return record, after

    async def history(self, principal: Principal, name: str) -> list[TunnelRow]:
        """The tunnels a device had, newest first. Raises ``NotFound``."""
        record = self.find(principal, name)
        return await self._leases.history(record.guid, MAX_HISTORY)

    @contextlib.contextmanager
    def reach(self, guid: str, port: int) -> Iterator[Reached]:
        """Use a port of a device in the tunnel, for the Engine's own shells and desktops. Checks no operator's rights.

        Raises:
            Conflict: ``tunnel_down``.
            Invalid: ``port_not_allowed``.
        """
        lease = self._leases.get(guid)
        if lease is None:
            raise Conflict("tunnel_down", "The device has no tunnel. Connect it first.")
        if port not in lease.ports:
            raise Invalid("port_not_allowed", f"Port {port} is not on the device's list of allowed ports.")
        lease.reaching += 1
        watching.touch(lease, monotonic=self._clock.monotonic(), now=self._clock.now())
        try:
            yield Reached(lease.address, port, lease.ended)
        finally:
            lease.reaching -= 1
            watching.touch(lease, monotonic=self._clock.monotonic(), now=self._clock.now())

    def find(self, principal: Principal, name: str) -> DeviceRecord:
        """A device by its GUID or upstream's agent id, in which the GUID stands. Raises ``NotFound``."""
        return self._devices.by_agent_id(principal, name)

    def start_order(self, lease: Lease) -> Mapping[str, Any]:
        """Upstream's fields of a tunnel, as its order has them."""
        return self._teller.start_order(lease).to_json()

    def reachable(self, guid: str) -> bool:
        """Whether the device's SYSTEM agent is connected."""
        return self._teller.reachable(guid)

    def supported(self, guid: str) -> bool:
        """Whether the device has offered a key, since the Engine started."""
        return bool(self._keys.get(guid))

    # --- what devices bring; called by ``gateway``

    def device_ready(self, guid: str, context: RunContext, public_key: str) -> None:
        """A session registered; never waits. A device with a lease is told to bring its tunnel up."""
        if context is not RunContext.SYSTEM:
            return
        try:
            self._keys[guid] = check_key(public_key)
        except BadKey:
            self._keys.pop(guid, None)
        lease, unheard = self._leases.get(guid), self._unheard.pop(guid, None)
        if lease is None:
            if unheard is not None:
                self._soon("tell a device that its tunnel was over", self._tell_end(*unheard))
            return
        lease.told = False
        if self._keys.get(guid) == lease.public_key:
            self._soon("bring a tunnel up again", self._tell_again(lease))
        else:
            self._soon("end a tunnel of another key", self._end_alone(lease, TunnelEnd.KEY_CHANGED))

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        """Its socket is gone; the tunnel may well live on."""
        if context is RunContext.SYSTEM and (lease := self._leases.get(guid)) is not None:
            lease.told = False

    def farewell(self, guid: str) -> dict[str, Any] | None:
        """The last word to a device that is shut out: take the tunnel down. None where it has none, or may stay."""
        lease, state = self._leases.get(guid), self._devices.auth_state(guid)
        if lease is None or (state is not None and state.status == "active"):
            return None
        return self._teller.farewell(lease, reason=TunnelEnd.DEVICE_NOT_ACTIVE.value)

    # --- the driver

    async def run_loop(self) -> None:
        """Watch the interface, end what is idle, keep what changed; a supervised task."""
        async with Supervisor() as tasks:
            self._tasks = tasks
            try:
                while True:
                    await self._tick()
                    await self._clock.sleep(min(TICK_SECONDS, self._settings.idle_seconds / 4))
            finally:
                self._tasks = None

    async def close(self) -> None:
        """For the end of the Engine: the interface goes, the leases stay for its next life."""
        with contextlib.suppress(EngineError):
            await self._leases.keep(list(self._leases))
        await self._interface.close()

    def statistics(self) -> Mapping[str, int]:
        """Sizes, for metrics and debugging."""
        return {
            "tunnels": len(self._leases),
            "reaching": sum(lease.reaching for lease in self._leases),
        }

    async def _tick(self) -> None:
        for lease in self._leases:
            state = self._devices.auth_state(lease.guid)
            if state is None or state.status != "active":
                await self._end(lease, TunnelEnd.DEVICE_NOT_ACTIVE, ENGINE)
        if not self.unavailable:
            try:
                states = {state.public_key: state for state in await self._interface.look()}
            except WiresError as error:
                log.error("the interface cannot be had", reason=str(error))
                states = {}
            now, monotonic = self._clock.now(), self._clock.monotonic()
            for lease in self._leases:
                if (seen := states.get(lease.public_key)) is not None:
                    watching.observe(lease, seen, monotonic=monotonic, now=now)
        for lease in self._leases:
            if self._is_idle(lease):
                async with self._alone(lease.guid):
                    if self._is_idle(lease):  # somebody may have come to share it meanwhile
                        await self._end(lease, TunnelEnd.IDLE_TIMEOUT, ENGINE)
        monotonic = self._clock.monotonic()
        if monotonic - self._kept_at >= KEEP_SECONDS:
            self._kept_at = monotonic
            with contextlib.suppress(EngineError):
                await self._leases.keep([lease for lease in self._leases if lease.dirty])
        if monotonic - self._pruned_at >= PRUNE_SECONDS:
            self._pruned_at = monotonic
            with contextlib.suppress(EngineError):
                await self._leases.prune(self._clock.now() - self._history_days * 24 * 3600)

    # --- inside

    async def _open(self, record: DeviceRecord, principal: Principal, key: str, host: str, address: str) -> Lease:
        lease = await self._leases.open(record, principal, key, host, self._lists.of(record).ports, address)
        try:
            await self._interface.add(_peer(lease))
        except WiresError as error:
            await self._end(lease, TunnelEnd.FAILED, ENGINE)
            detail = f"The Engine could not make its end of the tunnel: {error}."
            raise Unavailable("tunnel_unavailable", detail) from error
        return lease

    def _is_idle(self, lease: Lease) -> bool:
        return watching.is_idle(lease, monotonic=self._clock.monotonic(), idle_seconds=self._settings.idle_seconds)

    async def _share(self, lease: Lease, principal: Principal, address: str) -> None:
        watching.touch(lease, monotonic=self._clock.monotonic(), now=self._clock.now())
        is_new = principal.username not in lease.operators
        lease.operators[principal.username] = principal
        if is_new:
            await self._leases.keep([lease], entry("tunnel.connect", lease, principal.username, address))

    async def _end_alone(self, lease: Lease, reason: TunnelEnd) -> None:
        async with self._alone(lease.guid):
            await self._end(lease, reason, ENGINE)

    async def _end(self, lease: Lease, reason: TunnelEnd, actor: str, address: str = "") -> None:
        """This end goes at once; the device is told, and the record written, after that."""
        if not self._leases.holds(lease):
            return
        self._leases.drop(lease)
        try:
            await self._interface.remove(_peer(lease))
        finally:
            self._leases.forget(lease, reason)
        await self._leases.record_end(lease, reason, actor, address)
        self._soon("tell a device that its tunnel is over", self._tell_end(lease, reason))

    async def _tell_end(self, lease: Lease, reason: TunnelEnd) -> None:
        if not await self._teller.stop(lease, reason=reason.value):
            log.info("a device did not hear that its tunnel is over; it is told when it is back", guid=lease.guid)
            if len(self._unheard) < MAX_UNHEARD:
                self._unheard[lease.guid] = (lease, reason)

    async def _tell_again(self, lease: Lease) -> None:
        async with self._alone(lease.guid):
            if self._leases.holds(lease):
                await self._tell(lease)

    async def _tell(self, lease: Lease) -> None:
        """An order that nobody waits for: what goes wrong is shown beside the tunnel."""
        if not self._teller.reachable(lease.guid):
            return
        try:
            await self._teller.start(lease)
        except EngineError as error:
            lease.detail = error.detail
            log.warning("a device did not follow an order about its tunnel", guid=lease.guid, reason=error.detail)

    def _wanted(self) -> list[DevicePeer]:
        return [_peer(lease) for lease in self._leases]

    def _check_available(self) -> None:
        if self.unavailable:
            raise Unavailable("tunnel_unavailable", f"This Engine has no tunnels: {self.unavailable}.")

    def _check_still(self, lease: Lease) -> None:
        if lease.ended.is_set():
            raise Conflict("tunnel_down", "The tunnel was ended while it came up.")

    def _access_changed(self, guid: str) -> None:
        lease, state = self._leases.get(guid), self._devices.auth_state(guid)
        if lease is None:
            return
        if state is None or state.status != "active":
            # Not after whoever is waiting for the device just now: it goes at once.
            self._soon("end a tunnel", self._end(lease, TunnelEnd.DEVICE_NOT_ACTIVE, ENGINE))
            return
        lease.site_id = state.site_id
        unseen = [name for name, one in lease.operators.items() if one is not None and not one.sees_site(state.site_id)]
        for name in unseen:
            del lease.operators[name]
        if unseen and not lease.operators:
            self._soon("end a tunnel", self._end_alone(lease, TunnelEnd.OPERATOR_STOP))

    def _soon(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        if self._tasks is None:
            work.close()  # the loop's next turn sees to what still matters
        else:
            self._tasks.start(name, work)

    @contextlib.asynccontextmanager
    async def _alone(self, guid: str) -> AsyncIterator[None]:
        """One change of a device's tunnel at a time; a lock lives as long as somebody holds or waits for it."""
        lock = self._busy.setdefault(guid, asyncio.Lock())
        async with lock:
            yield


def _peer(lease: Lease) -> DevicePeer:
    return DevicePeer(lease.public_key, lease.address, lease.ports)


def _why_unsupported(record: DeviceRecord) -> str:
    said = record.roles.get(RunContext.SYSTEM.value, {}).get("WireGuardTunnel", {})
    reason = str(said.get("reason", "")) if isinstance(said, Mapping) else ""
    return reason or "The device's agent offers no tunnel; it is older, or its role WireGuardTunnel does not run."
