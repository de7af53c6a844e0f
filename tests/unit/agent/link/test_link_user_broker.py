"""The socket between the two agents of a device: who may ask, what is lent, and what is never (threats 11)."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import DEFAULT_NOW, FakeClock
from tests.fakes.jobs import ENGINE_KEY, GUID, job_payload

from borealis_agent.core.errors import Retryable
from borealis_agent.identity import AccessToken
from borealis_agent.link import UserBroker, UserDoor
from borealis_agent.link.user_broker import is_person
from borealis_agent.link.user_door import BrokerUnavailable
from borealis_base.tasks import Supervisor
from borealis_wire.envelope import SCREEN_TYPE, seal
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.orders import JobOrder
from borealis_wire.refusal import Refused
from borealis_wire.screen import ScreenAction, ScreenOrder

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="needs SO_PEERCRED")
ME = os.geteuid()
PINNED = {
    "engine_url": "https://engine.example:5000",
    "ca_pin": "0" * 64,
    "ca_certificate": "PEM",
    "signing_keys": [ENGINE_KEY.public.spki_base64],
    "revoked": [],
    "issued_at": 5.0,
}


class Lender:
    """Implements ``user_broker.Lender``."""

    guid = GUID

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked: list[bool] = []

    async def lend(self, *, renew: bool) -> AccessToken:
        self.asked.append(renew)
        if self.failure is not None:
            raise self.failure
        return AccessToken(f"token-{len(self.asked)}", DEFAULT_NOW + 900)


class Broker:
    """A broker that runs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "user-broker.sock"
        self.lender = Lender()
        self.may_enter: Callable[[int], bool] = lambda _uid: True
        self.claimed: list[JobOrder | ScreenOrder] = []
        self.broker = UserBroker(
            self.path,
            lender=self.lender,
            pinned=lambda: dict(PINNED),
            trusted=lambda: {ENGINE_KEY.public.key_id: ENGINE_KEY.public},
            claim=self._claim,
            clock=FakeClock(),
            may_enter=self._may_enter,
        )

    def _may_enter(self, uid: int) -> bool:
        return self.may_enter(uid)

    async def _claim(self, order: JobOrder | ScreenOrder) -> None:
        if any(known.run_id == order.run_id for known in self.claimed):
            raise Refused(RefusalCode.REPLAYED, "begun before")
        self.claimed.append(order)

    def door(self, *uids: int) -> UserDoor:
        return UserDoor(self.path, trusted_uids=frozenset(uids or (ME,)))


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    made = Broker(tmp_path)
    async with Supervisor() as tasks:
        tasks.start("broker", made.broker.run())
        while not made.path.exists():
            await asyncio.sleep(0.005)
        yield made


async def test_a_user_gets_an_access_token_and_whom_to_trust_and_nothing_else(broker: Broker) -> None:
    door = broker.door()
    loan = await door.borrow()
    assert (loan.guid, loan.access) == (GUID, AccessToken("token-1", DEFAULT_NOW + 900))
    assert loan.keys.keys == {ENGINE_KEY.public.key_id: ENGINE_KEY.public}
    assert (await door.borrow(renew=True)).access.token == "token-2"
    assert broker.lender.asked == [False, True]
    await door.close()


async def test_rejects_account_that_may_not_enter(broker: Broker) -> None:
    broker.may_enter = lambda _uid: False
    with pytest.raises(BrokerUnavailable):
        await broker.door().borrow()
    assert broker.lender.asked == []


async def test_rejects_server_of_an_account_that_is_not_trusted(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailable, match="answers in its place"):
        await broker.door(ME + 1).borrow()
    assert broker.lender.asked == []


async def test_a_failure_of_the_system_agent_is_told_with_its_wait(broker: Broker) -> None:
    broker.lender.failure = Retryable("this device was revoked by an operator", retry_after=300.0)
    door = broker.door()
    with pytest.raises(BrokerUnavailable, match="revoked") as raised:
        await door.borrow()
    assert raised.value.retry_after == 300
    await door.close()


async def test_one_user_at_a_time(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    from borealis_agent.link import user_broker

    uids = iter([1001, 1002])
    monkeypatch.setattr(user_broker, "peer_uid", lambda _connection: next(uids))
    first, second = broker.door(), broker.door()
    await first.borrow()
    with pytest.raises(BrokerUnavailable, match="another user is signed in"):
        await second.borrow()
    await first.close()
    await asyncio.sleep(0.05)
    assert (await second.borrow()).guid == GUID
    await second.close()


async def test_rejects_second_claim_of_a_run(broker: Broker) -> None:
    envelope = job_payload(context=RunContext.INTERACTIVE)["envelope"]
    door = broker.door()
    await door.claim(envelope)
    with pytest.raises(Refused) as raised:
        await door.claim(envelope)
    assert raised.value.code == "replayed"
    assert len(broker.claimed) == 1
    await door.close()


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (job_payload(context=RunContext.SYSTEM)["envelope"], "wrong_context"),
        (job_payload(context=RunContext.INTERACTIVE, guid=GUID.replace("1", "3"))["envelope"], "wrong_device"),
        (job_payload(context=RunContext.INTERACTIVE, issued_at=DEFAULT_NOW - 9000)["envelope"], "expired"),
        (job_payload(context=RunContext.INTERACTIVE, key=SigningKey.from_seed(b"x" * 32))["envelope"], "unknown_key"),
        ({"payload": 1}, "malformed"),
        (None, "malformed"),
    ],
)
async def test_rejects_claim_that_does_not_hold(broker: Broker, envelope: Any, code: str) -> None:
    door = broker.door()
    with pytest.raises(Refused) as raised:
        await door.claim(envelope)
    assert raised.value.code == code
    assert broker.claimed == []
    await door.close()


@pytest.mark.parametrize(
    "noise", [b"\n", b"[]\n", b"{}\n", b'{"op": "key"}\n', b"\xff\xfe\n", b'{"op":' + b"[" * 90_000]
)
async def test_survives_noise_on_the_socket(broker: Broker, noise: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(broker.path))
    writer.write(noise)
    writer.write_eof()
    answer = await reader.read(4096)
    assert b"token-" not in answer
    writer.close()
    await writer.wait_closed()
    door = broker.door()
    assert (await door.borrow()).guid == GUID
    await door.close()


async def test_rejects_flood_of_connections(broker: Broker) -> None:
    open_ones = [await asyncio.open_unix_connection(str(broker.path)) for _ in range(40)]
    await asyncio.sleep(0.05)
    assert sum(broker.broker._connections.values()) <= 16
    for _, writer in open_ones:
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.05)
    door = broker.door()
    assert (await door.borrow()).guid == GUID
    await door.close()


async def test_no_system_agent_is_said(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match="cannot be asked"):
        await UserDoor(tmp_path / "nobody.sock", trusted_uids=frozenset({ME})).borrow()
    with pytest.raises(OSError, match="cannot be asked"):
        await UserDoor(tmp_path / "nobody.sock", trusted_uids=frozenset({ME})).claim({})


def test_rejects_root_services_and_nobody_as_people() -> None:
    assert not is_person(0)
    assert not is_person(33)
    assert not is_person(65534)
    assert not is_person(-1)
    assert not is_person(54321)


async def test_rejects_second_claim_of_a_look_at_the_screen(broker: Broker) -> None:
    look = ScreenOrder(
        order_id="look-1",
        device_guid=GUID,
        context=RunContext.INTERACTIVE,
        action=ScreenAction.PICTURE,
        issued_at=DEFAULT_NOW,
        expires_at=DEFAULT_NOW + 60,
    )
    envelope = seal(SCREEN_TYPE, look.to_payload(), ENGINE_KEY)
    door = broker.door()
    await door.claim(envelope)
    with pytest.raises(Refused) as refused:
        await door.claim(envelope)
    assert refused.value.code is RefusalCode.REPLAYED
    assert [known.run_id for known in broker.claimed] == ["look-1"]
    await door.close()
