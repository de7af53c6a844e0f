"""Lets operators into remote desktops of devices: the ticket, the stage that speaks RDP, and its stream."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_base.files import private_folder
from borealis_engine.activity import RowKind
from borealis_engine.core.errors import Conflict, EngineError, Forbidden, Unavailable
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.devices import DeviceRecord
from borealis_engine.lines import (
    TICKET_SECONDS,
    Place,
    Stay,
    StayKind,
    Stays,
    Stream,
    Tickets,
    Waiting,
    Way,
    beside,
    ending_with,
)
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.rdp import target
from borealis_engine.rdp.certificates import KnownCertificates
from borealis_engine.rdp.commands import MAX_SIZE, MIN_SIZE, Programs, check_account, find_programs
from borealis_engine.rdp.ids import AccountNumbers
from borealis_engine.rdp.models import OpenRdp, RdpAsked, RdpTicket
from borealis_engine.rdp.ports import Tunnels
from borealis_engine.rdp.stage import Stage, Wanted, runs_as_root
from borealis_engine.rdp.target import Shown

STREAM_PATH: Final = "/api/rdp/stream"
RDP: Final = StayKind("rdp", "remote desktop", RowKind.RDP, Permission.DESKTOP, most=8)
LAST_WORD_SECONDS: Final = 5.0

log = get_logger("agents")


@dataclass(frozen=True, slots=True)
class _Ticket:
    record: DeviceRecord
    asked: RdpAsked
    shown: Shown
    size: tuple[int, int]


class RdpService:
    """Every remote desktop by RDP of this Engine. Implements ``lines.Streams``.

    Args:
        stays: who is connected; of the kind ``RDP``.
        way: to devices.
        tunnels: what is known of them.
        certificates: by which devices are known.
        clock: for the tickets.
        randomness: for the tickets.
        mountpoint: a folder of this room's alone; made, and left empty.
        port: TCP, on devices.
        most: so many at a time, of all operators together.
        programs: looked for in the search path, each time, where None.
    """

    def __init__(
        self,
        *,
        stays: Stays,
        way: Way,
        tunnels: Tunnels,
        certificates: KnownCertificates,
        clock: Clock,
        randomness: Randomness,
        mountpoint: Path,
        port: int,
        most: int,
        programs: Programs | None = None,
    ) -> None:
        self._stays = stays
        self._way = way
        self._tunnels = tunnels
        self._certificates = certificates
        self._mountpoint = mountpoint
        self._port = port
        self._most = most
        self._programs = programs
        self._tickets = Tickets[_Ticket](clock=clock, randomness=randomness)
        self._numbers = AccountNumbers()
        self._stages = 0
        if missing := self.missing:
            log.warning("there are no remote desktops by RDP on this Engine; everything else works", reason=missing)

    @property
    def missing(self) -> str:
        """What this machine lacks, as a sentence; empty for nothing."""
        return self._find_programs().missing

    async def ask(self, principal: Principal, asked: RdpAsked, *, host: str, address: str) -> RdpTicket:
        """A ticket for a remote desktop, once it is certain that the device speaks RDP and who answers there.

        The password stays in memory until somebody comes with the ticket, or it is too old.

        Raises:
            NotFound: no such device, or out of sight.
            Forbidden: ``rdp_not_allowed``: the port is not on the device's allow-list.
            Conflict: ``tunnel_down``: there is no way to the device; its certificate changed; it speaks no TLS.
            Unavailable: ``rdp_proxy_unavailable``; nothing answers there.
            Invalid: an account that cannot be handed on.
        """
        if missing := self.missing:
            raise Unavailable("rdp_proxy_unavailable", missing)
        check_account(asked.account)
        record = self._stays.find_device(principal, asked.device)
        self._check_port(record)
        self._check_room()
        try:
            async with self._way.to(principal, record, port=self._port, host=host, address=address) as place:
                shown = await target.look(place)
                virtual_ip = place.address
        except Conflict as error:
            if error.code.startswith(("rdp_", "device_")):
                raise
            raise Conflict("tunnel_down", error.detail) from error
        known = await self._certificates.check(
            principal, record, shown.sha256, trusted=asked.certificate, address=address
        )
        size = _size(asked.width, asked.height)
        token, expires_at = self._tickets.issue(principal, _Ticket(record, asked, shown, size))
        # A password that nobody came for does not stay in memory until somebody else asks.
        asyncio.get_running_loop().call_later(TICKET_SECONDS + 1, self._tickets.forget_old)
        return RdpTicket(
            token=token,
            ws_url=f"{STREAM_PATH}?token={token}",
            expires_at=expires_at,
            virtual_ip=virtual_ip,
            tunnel_id=self._tunnels.tunnel_id(record.guid),
            guid=record.guid,
            hostname=record.hostname,
            certificate=shown.sha256,
            known=known,
            nla=shown.nla,
            width=size[0],
            height=size[1],
        )

    @contextlib.asynccontextmanager
    async def open(
        self, principal: Principal, token: str, *, host: str, address: str, waiting: Waiting
    ) -> AsyncIterator[Stream]:
        """As ``lines.Streams``."""
        ticket = self._tickets.take(principal, token)
        record = self._stays.find_device(principal, ticket.record.guid)
        self._check_port(record)
        self._check_room()
        account = ticket.asked.account
        user = f"{account.domain}\\{account.username}" if account.domain else account.username
        self._stages += 1
        try:
            async with (
                self._stays.stay(
                    principal,
                    record,
                    name=f"Remote desktop (RDP) as {user}"[:250],
                    address=address,
                    user=user,
                    detail={"certificate": ticket.shown.sha256},
                ) as stay,
                self._way.to(principal, record, port=self._port, host=host, address=address) as place,
                self._stage(ticket, place, stay) as stream,
            ):
                yield stream
        finally:
            self._stages -= 1

    def listed(self, principal: Principal, guid: str = "") -> list[OpenRdp]:
        """Those that are open, oldest first, as far as the operator may see the devices; of one device, or of all."""
        return [
            OpenRdp(one.stay_id, one.guid, one.record.hostname, one.principal.username, one.user, one.since)
            for one in self._stays.listed(principal, guid)
        ]

    async def end(self, principal: Principal, session_id: str, *, address: str) -> None:
        """End anybody's on a device that the operator sees.

        Raises:
            NotFound: ``rdp_not_found``.
        """
        await self._stays.end(principal, session_id, address=address)

    def statistics(self) -> Mapping[str, int]:
        """Sizes, for metrics and debugging."""
        return {"stages": self._stages, "tickets": len(self._tickets)}

    # --- inside

    @contextlib.asynccontextmanager
    async def _stage(self, ticket: _Ticket, place: Place, stay: Stay) -> AsyncIterator[Stream]:
        """A stage that has been let in, until it, the stay or the tunnel is over."""
        wanted = Wanted(ticket.asked.account, ticket.shown, *ticket.size, title=ticket.record.hostname)
        ids = self._numbers.take() if runs_as_root() else None
        try:
            stage = await self._begin(wanted, place, ids)
            try:
                stay.on_over(stage.cut)
                async with ending_with(place, stay):
                    await _until_connected(stage, stay)
                    stay.opened = True
                    async with beside("see the end of a stage", _tell_end(stage, stay)):
                        yield StageStream(stage, stay, ticket)
            finally:
                await stage.close()
        finally:
            if ids is not None:
                self._numbers.give_back(ids)

    async def _begin(self, wanted: Wanted, place: Place, ids: tuple[int, int] | None) -> Stage:
        try:
            device = await _connect(place)
        except (OSError, TimeoutError) as error:
            raise target.no_answer(place) from error
        with device:
            try:
                private_folder(self._mountpoint)
                return await Stage.begin(self._find_programs(), wanted, device, mountpoint=self._mountpoint, ids=ids)
            except OSError as error:
                detail = f"The programs that show a remote desktop could not be started: {error.strerror or error}."
                raise Unavailable("rdp_proxy_unavailable", detail) from error

    def _find_programs(self) -> Programs:
        return self._programs or find_programs()

    def _check_port(self, record: DeviceRecord) -> None:
        if self._port not in self._tunnels.allowed(record):
            raise Forbidden(
                "rdp_not_allowed",
                f"Port {self._port} is not among the allowed ports of this device. Allow it there first.",
            )

    def _check_room(self) -> None:
        if self._stages >= self._most:
            raise Unavailable(
                "rdp_proxy_unavailable",
                f"{self._most} remote desktops are open on this Engine already, which is as many as it may have. Close "
                "one, or raise BOREALIS_RDP_SESSIONS.",
            )


class StageStream:
    """A stage as a stream, for as long as its stay lasts."""

    def __init__(self, stage: Stage, stay: Stay, ticket: _Ticket) -> None:
        self._stage = stage
        self._stay = stay
        self.half_close = False
        self.told: Mapping[str, Any] = {
            "session_id": stay.stay_id,
            "nla": ticket.shown.nla,
            "width": ticket.size[0],
            "height": ticket.size[1],
        }

    @property
    def reason(self) -> str:
        """As ``Stream``."""
        return self._stay.reason

    async def read(self) -> bytes:
        """As ``Stream``."""
        data = await self._stage.read()
        if not data:
            await self._last_word()
        return data

    async def write(self, data: bytes) -> None:
        """As ``Stream``."""
        try:
            await self._stage.write(data)
        except OSError:
            await self._last_word()
            raise

    def write_eof(self) -> None:
        """As ``Stream``: the end of one direction is the end."""
        self._stage.cut()

    async def _last_word(self) -> None:
        """What the RDP client said last is a moment behind the end of the picture."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self._stay.over.wait()


async def _connect(place: Place) -> socket.socket:
    device = socket.socket(socket.AF_INET6 if ":" in place.address else socket.AF_INET)
    try:
        device.setblocking(False)
        async with asyncio.timeout(target.LOOK_SECONDS):
            await asyncio.get_running_loop().sock_connect(device, (place.address, place.port))
        device.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        device.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        device.setblocking(True)  # not this program's to read: the RDP client's
    except BaseException:
        device.close()
        raise
    return device


async def _until_connected(stage: Stage, stay: Stay) -> None:
    try:
        await stage.until_connected()
    except EngineError as error:
        if stay.over.is_set():
            raise Conflict("rdp_refused", stay.reason) from error
        raise


async def _tell_end(stage: Stage, stay: Stay) -> None:
    await stage.until_ended()
    stay.end(stage.reason or "The remote desktop has ended.")


def _size(width: int, height: int) -> tuple[int, int]:
    """Within what programs and devices can do. An even width, as RDP wants it."""
    return (
        min(max(width, MIN_SIZE[0]), MAX_SIZE[0]) // 2 * 2,
        min(max(height, MIN_SIZE[1]), MAX_SIZE[1]),
    )
