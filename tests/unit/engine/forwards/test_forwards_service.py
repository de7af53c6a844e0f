"""Forwards at the Engine: tickets, an order for each connection, whole and broken ends, and what is on record."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from tests.fakes.engine_rest import Rest, open_rest

from borealis_base.tasks import Supervisor
from borealis_engine.activity import RunQuery, UseRecorder
from borealis_engine.core.errors import Conflict, Invalid, NotFound, RateLimited
from borealis_engine.devices import DeviceRecord
from borealis_engine.forwards import FORWARDS, ForwardService
from borealis_engine.forwards import service as service_module
from borealis_engine.lines import Place, Stays, Stream
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_wire.forward import ForwardOrder, parse_forward
from borealis_wire.lines import LineReader, write_line

OLGA: Final = Principal(7, "olga", OperatorRole.OPERATOR)
ADA: Final = Principal(1, "ada", OperatorRole.ADMIN)


@dataclass
class FakeRights:
    """Implements ``lines.Rights``."""

    gone: bool = False

    async def rights_now(self, principal: Principal) -> Principal | None:
        return None if self.gone else replace(principal)


@dataclass
class FakeDevice:
    """An entry that says back what it hears, in capitals, to the end. Implements ``lines.Way``."""

    answer: bytes = write_line("opened", address="127.0.0.1")
    orders: list[ForwardOrder] = field(default_factory=list)
    broken: int = 0
    whole: int = 0
    port: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            lines, said = LineReader(), []
            while not said:
                said = list(lines.feed(await reader.read(4096)))
            self.orders.append(parse_forward(base64.b64decode(said[0]["envelope"]["payload"])))
            writer.write(self.answer)
            try:
                while data := await reader.read(4096):
                    writer.write(data.upper())
                self.whole += 1
                writer.write_eof()
            except ConnectionError:
                self.broken += 1

    @contextlib.asynccontextmanager
    async def to(self, principal: Principal, record: DeviceRecord, **asked: Any) -> AsyncIterator[Place]:
        yield Place("127.0.0.1", self.port, self.ended)

    there = to


@dataclass
class World:
    rest: Rest
    forwards: ForwardService
    stays: Stays
    rights: FakeRights
    device: FakeDevice
    guid: str

    def come(self, token: str, who: Principal = OLGA) -> "contextlib.AbstractAsyncContextManager[Stream]":
        return self.forwards.open(who, token, host="engine", address="192.0.2.1", waiting=lambda told: None)

    @contextlib.asynccontextmanager
    async def forward(self, who: Principal = OLGA, host: str = "127.0.0.1") -> AsyncIterator[str]:
        """A forward that is open, and carried by somebody as the socket door does; gives its id."""
        _, token, _ = self.forwards.ask(who, self.guid, host, 80)
        async with self.come(token, who) as stream, Supervisor() as tasks:
            tasks.start("wait for its end", stream.read())
            yield str(stream.told["session_id"])

    def connection(self, session_id: str, who: Principal = OLGA) -> "contextlib.AbstractAsyncContextManager[Stream]":
        token, _ = self.forwards.connect(who, session_id)
        return self.come(token, who)

    async def audit(self) -> list[tuple[str, dict[str, Any]]]:
        found = (await self.rest.owner().get("/api/audit?limit=100")).json()["entries"]
        return [(one["action"], one["detail"]) for one in reversed(found) if one["action"].startswith("forward.")]

    async def rows(self) -> list[str]:
        found, _ = await self.rest.services.jobs.history.page(RunQuery(kind="forward"))
        return [str(one["status"]) for one in found]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    device = FakeDevice()
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    device.port = server.sockets[0].getsockname()[1]
    async with server, open_rest(tmp_path) as rest:
        services = rest.services
        uses = UseRecorder(
            db=services.db,
            clock=services.clock,
            feed=services.feed,
            randomness=services.randomness,
            activity=services.activity,
        )
        rights = FakeRights()
        common: dict[str, Any] = {"clock": services.clock, "randomness": services.randomness}
        stays = Stays(FORWARDS, devices=services.devices, rights=rights, uses=uses, audit=services.audit, **common)
        forwards = ForwardService(stays=stays, signing=services.signing, way=device, port=47004, **common)
        made = await rest.add_device("alpha")
        yield World(rest, forwards, stays, rights, device, made.guid)


async def until(probe: Any) -> None:
    async with asyncio.timeout(20):
        while not probe():
            await asyncio.sleep(0.005)


async def test_each_connection_has_an_order_of_its_own_and_the_forward_one_record(world: World) -> None:
    async with world.forward(host="[fd00::7]") as session_id:
        for _ in range(3):
            async with world.connection(session_id) as stream:
                assert stream.half_close
                assert dict(stream.told) == {"address": "127.0.0.1"}
                await stream.write(b"hello")
                assert await stream.read() == b"HELLO"
                stream.write_eof()
                assert await stream.read() == b""
        (row,) = world.forwards.listed(ADA, world.guid)
        assert (row.username, row.host, row.port, row.connections, row.opened) == ("olga", "fd00::7", 80, 0, 3)
        assert (row.sent, row.received) == (15, 15)
    assert world.forwards.listed(ADA) == []
    assert (world.device.whole, world.device.broken) == (3, 0)
    assert len({order.order_id for order in world.device.orders}) == 3
    assert {(order.session_id, order.asked_by, order.device_guid, order.host) for order in world.device.orders} == {
        (session_id, "olga", world.guid, "fd00::7")
    }
    (opened, before), (closed, after) = await world.audit()
    assert (opened, before["target"]) == ("forward.open", "[fd00::7]:80")
    assert (closed, after["connections"], after["sent"], after["received"]) == ("forward.close", 3, 15, 15)
    assert await world.rows() == ["Completed"]


async def test_what_was_cut_short_looks_broken_to_the_device(world: World) -> None:
    async with world.forward() as session_id:
        async with world.connection(session_id) as stream:
            await stream.write(b"half")
            assert await stream.read() == b"HALF"
        await until(lambda: world.device.broken == 1)
    assert world.device.whole == 0


async def test_an_end_breaks_off_every_connection_and_says_who_did(world: World) -> None:
    async with world.forward() as session_id, world.connection(session_id) as stream:
        assert await world.forwards.end(ADA, session_id, address="192.0.2.9") is None
        with pytest.raises(ConnectionError):
            await stream.read()
        assert stream.reason == "ada ended it."
        with pytest.raises(NotFound):
            world.forwards.connect(OLGA, session_id)
    await until(lambda: world.device.broken == 1)
    assert [action for action, _ in await world.audit()] == ["forward.open", "forward.end", "forward.close"]


async def test_survives_the_end_of_the_tunnel_as_an_end_of_its_own(world: World) -> None:
    _, token, _ = world.forwards.ask(OLGA, world.guid, "127.0.0.1", 80)
    async with world.come(token) as session:
        world.device.ended.set()
        assert await session.read() == b""
        assert session.reason == "The tunnel to the device was closed."
    assert await world.rows() == ["Interrupted"]


async def test_rejects_whoever_lost_the_right(world: World) -> None:
    async with Supervisor() as tasks:
        tasks.start("ask for rights", world.stays.run_loop())
        _, token, _ = world.forwards.ask(OLGA, world.guid, "127.0.0.1", 80)
        async with world.come(token) as session:
            world.rights.gone = True
            world.stays.rights_changed()
            assert await session.read() == b""
            assert "rights" in session.reason


async def test_rejects_tokens_of_others_used_ones_and_old_ones(world: World) -> None:
    _, token, _ = world.forwards.ask(OLGA, world.guid, "127.0.0.1", 80)
    for who in (ADA, OLGA):  # a stranger's try spends it
        with pytest.raises(NotFound, match="token"):
            async with world.come(token, who):
                pass
    async with world.forward() as session_id:
        with pytest.raises(NotFound):
            world.forwards.connect(ADA, session_id)
        token, _ = world.forwards.connect(OLGA, session_id)
    with pytest.raises(NotFound):
        async with world.come(token):
            pass


async def test_rejects_targets_that_are_none_and_devices_that_are_not_there(world: World) -> None:
    for host in ("a b", "a/b", "fe80::1%eth0", "x" * 254, " ", "[]"):
        with pytest.raises(Invalid):
            world.forwards.ask(OLGA, world.guid, host, 80)
    with pytest.raises(NotFound):
        world.forwards.ask(OLGA, "3F2504E0-4F89-41D3-9A0C-0305E82C3301", "127.0.0.1", 80)
    with pytest.raises(NotFound):
        world.forwards.ask(replace(OLGA, sites=frozenset({99})), world.guid, "127.0.0.1", 80)


async def test_rejects_one_connection_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "MOST_CONNECTIONS", 1)
    async with world.forward() as session_id:
        token, _ = world.forwards.connect(OLGA, session_id)
        async with world.connection(session_id):
            with pytest.raises(RateLimited):
                world.forwards.connect(OLGA, session_id)
            with pytest.raises(RateLimited):
                async with world.come(token):
                    pass


async def test_a_no_of_the_device_is_told_with_its_reason(world: World) -> None:
    world.device.answer = write_line("refused", reason="not_resolved", detail="The device knows no address of x.")
    async with world.forward() as session_id:
        with pytest.raises(Conflict, match="knows no address") as no:
            async with world.connection(session_id):
                pass
        assert no.value.code == "forward_refused"
        (row,) = world.forwards.listed(OLGA)
        assert (row.opened, row.connections) == (0, 0)
