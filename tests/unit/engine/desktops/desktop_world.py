"""The room of desktops over a real database, with a device that is a socket here and does what it is told."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.fakes.engine_rest import Rest, open_rest

from borealis_engine.activity import UseRecorder
from borealis_engine.desktops import STAY_KIND, DesktopAsked, DesktopService, Policies
from borealis_engine.devices import DeviceRecord
from borealis_engine.lines import Place, Stays, Stream
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_wire.desktop import DesktopOrder, parse_desktop
from borealis_wire.lines import LineReader, write_line

OLGA: Final = Principal(7, "olga", OperatorRole.OPERATOR)
ADA: Final = Principal(1, "ada", OperatorRole.ADMIN)
OPENED: Final = write_line(
    "opened", kind="screen", user="otto", signed_in=True, view_only=False, width=1024, height=768
)


@dataclass
class FakeRights:
    """Implements ``lines.Rights``."""

    gone: bool = False

    async def rights_now(self, principal: Principal) -> Principal | None:
        """The same, unless they are gone."""
        return None if self.gone else replace(principal)


@dataclass
class FakeDevice:
    """An entry: answers each order with ``answers``, then sends ``first`` and keeps what comes."""

    answers: tuple[bytes, ...] = (OPENED,)
    first: bytes = b"RFB 003.008\n"
    orders: list[DesktopOrder] = field(default_factory=list)
    came: bytearray = field(default_factory=bytearray)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The way to it is over."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.closing(writer):
            lines, said = LineReader(), []
            while not said:
                said = list(lines.feed(await reader.read(4096)))
            self.orders.append(parse_desktop(base64.b64decode(said[0]["envelope"]["payload"])))
            writer.write(b"".join(self.answers) + self.first)
            with contextlib.suppress(OSError):
                while data := await reader.read(4096):
                    self.came += data
            self.closed.set()

    @contextlib.asynccontextmanager
    async def to(self, principal: Principal, record: DeviceRecord, **asked: Any) -> AsyncIterator[Place]:
        """As ``lines.Way``."""
        yield Place("127.0.0.1", self.port, self.ended)

    there = to


@dataclass
class DesktopWorld:
    """One device, and the room."""

    rest: Rest
    desktops: DesktopService
    stays: Stays
    rights: FakeRights
    device: FakeDevice
    guid: str
    waits: list[Mapping[str, Any]] = field(default_factory=list)

    async def ticket(self, who: Principal = OLGA, **asked: Any) -> str:
        """A token for this desktop."""
        return (await self.desktops.prepare(who, self.guid, DesktopAsked(**asked))).token

    def come(self, token: str, who: Principal = OLGA) -> contextlib.AbstractAsyncContextManager[Stream]:
        """With the token to the socket door."""
        return self.desktops.open(who, token, host="engine", address="192.0.2.1", waiting=self.waits.append)

    async def audit(self, action: str) -> dict[str, Any]:
        """The last entry of this name."""
        found = (await self.rest.owner().get("/api/audit?limit=100")).json()["entries"]
        return next(dict(one["detail"]) for one in found if one["action"] == action)


async def until(probe: Callable[[], object]) -> None:
    """Wait for it."""
    async with asyncio.timeout(20):
        while not probe():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def open_desktop_world(folder: Path) -> AsyncIterator[DesktopWorld]:
    """Build it."""
    device = FakeDevice()
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    device.port = server.sockets[0].getsockname()[1]
    async with server, open_rest(folder) as rest:
        services = rest.services
        uses = UseRecorder(
            db=services.db,
            clock=services.clock,
            feed=services.feed,
            randomness=services.randomness,
            activity=services.activity,
        )
        rights = FakeRights()
        stays = Stays(
            STAY_KIND,
            devices=services.devices,
            rights=rights,
            uses=uses,
            audit=services.audit,
            clock=services.clock,
            randomness=services.randomness,
        )
        desktops = DesktopService(
            stays=stays,
            policies=Policies(db=services.db, clock=services.clock, devices=services.devices),
            signing=services.signing,
            clock=services.clock,
            randomness=services.randomness,
            way=device,
        )
        made = await rest.add_device("alpha")
        yield DesktopWorld(rest, desktops, stays, rights, device, made.guid)
