"""The socket between the two agents of a device: who may ask, what is lent, and what is never (threats 11)."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import DEFAULT_NOW, FakeClock
from tests.fakes.jobs import ENGINE_KEY, GUID, job_payload

from borealis_agent.core.errors import Retryable
from borealis_agent.identity import AccessToken
from borealis_agent.link import UserBroker, UserDoor
from borealis_agent.link.callers import MAX_CONNECTIONS_EACH, person_of
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
        self.users: list[str] = []

    async def lend(self, user: str, *, renew: bool) -> AccessToken:
        self.asked.append(renew)
        self.users.append(user)
        if self.failure is not None:
            raise self.failure
        return AccessToken(f"token-{len(self.asked)}", DEFAULT_NOW + 900, user)


class Broker:
    """A broker that runs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "user-broker.sock"
        self.lender = Lender()
        self.person: Callable[[int], str | None] = lambda uid: f"user{uid}"
        self.clock = FakeClock()
        self.claimed: list[JobOrder | ScreenOrder] = []
        self.broker = UserBroker(
            self.path,
            lender=self.lender,
            pinned=lambda: dict(PINNED),
            trusted=lambda: {ENGINE_KEY.public.key_id: ENGINE_KEY.public},
            claim=self._claim,
            clock=self.clock,
            person=self._person,
        )

    def _person(self, uid: int) -> str | None:
        return self.person(uid)

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
    assert (loan.guid, loan.access) == (GUID, AccessToken("token-1", DEFAULT_NOW + 900, f"user{ME}"))
    assert loan.keys.keys == {ENGINE_KEY.public.key_id: ENGINE_KEY.public}
    assert (await door.borrow(renew=True)).access.token == "token-2"
    assert broker.lender.asked == [False, True]
    await door.close()


async def test_rejects_account_that_may_not_enter(broker: Broker) -> None:
    broker.person = lambda _uid: None
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


@pytest.fixture
def uids(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Whom the kernel names at the next connections to the broker, in their order; ourselves after that."""
    from borealis_agent.link import user_broker

    named: list[int] = []
    monkeypatch.setattr(user_broker, "peer_uid", lambda _connection: named.pop(0) if named else ME)
    yield named


async def test_several_users_each_get_a_token_of_their_own(broker: Broker, uids: list[int]) -> None:
    uids += [1001, 1002]
    first, second = broker.door(), broker.door()
    assert (await first.borrow()).access.user == "user1001"
    assert (await second.borrow()).access.user == "user1002"
    assert (await first.borrow()).access.user == "user1001"
    assert broker.lender.users == ["user1001", "user1002", "user1001"]
    await first.close()
    await second.close()


async def test_rejects_a_user_who_says_to_be_another(broker: Broker, uids: list[int]) -> None:
    uids.append(1001)
    reader, writer = await asyncio.open_unix_connection(str(broker.path))
    for claim in (b'"user":"user1002"', b'"uid":1002', b'"account":"user1002","renew":true'):
        writer.write(b'{"op":"token",' + claim + b"}\n")
        assert json.loads(await reader.readline())["user"] == "user1001"
    assert set(broker.lender.users) == {"user1001"}
    writer.close()
    await writer.wait_closed()


async def test_rejects_claim_of_a_run_that_is_another_users(broker: Broker, uids: list[int]) -> None:
    uids += [1001, 1002]
    envelope = job_payload(context=RunContext.INTERACTIVE, user="user1002")["envelope"]
    thief, owner = broker.door(), broker.door()
    with pytest.raises(Refused) as raised:
        await thief.claim(envelope)
    assert raised.value.code is RefusalCode.WRONG_CONTEXT
    await owner.claim(envelope)
    assert len(broker.claimed) == 1
    await thief.close()
    await owner.close()


async def test_rejects_flood_of_one_user_and_serves_the_other(broker: Broker, uids: list[int]) -> None:
    uids += [1001] * 40 + [1002]
    flood = [await asyncio.open_unix_connection(str(broker.path)) for _ in range(40)]
    for _, writer in flood:
        writer.write(b'{"op":"token","renew":true}\n' * 5)
    other = broker.door()
    assert (await other.borrow(renew=True)).access.user == "user1002"
    answers = [json.loads(await flood[0][0].readline()) for _ in range(5)]
    assert [answer["status"] for answer in answers].count("error") >= 3, "renewals are few for each user"
    assert {answer.get("error", "too_often") for answer in answers} == {"too_often"}
    assert broker.lender.users.count("user1001") == 2
    for _, writer in flood:
        writer.close()
    await other.close()


async def test_rejects_too_many_requests_on_however_many_connections(broker: Broker, uids: list[int]) -> None:
    uids += [1001, 1001, 1002]
    first, second = broker.door(), broker.door()
    for _ in range(300):
        await first.borrow()
        await second.borrow()
    with pytest.raises(BrokerUnavailable):
        await second.borrow()
    other = broker.door()
    assert (await other.borrow()).access.user == "user1002"
    for door in (first, second, other):
        await door.close()


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
    assert broker.broker._callers.connections <= MAX_CONNECTIONS_EACH
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


@pytest.mark.parametrize("uid", [0, 33, 65534, -1, 54321, 2**31 - 1])
def test_rejects_root_services_and_nobody_as_people(uid: int) -> None:
    assert person_of(uid) is None


def test_rejects_a_name_that_is_another_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    entry = pwd.struct_passwd(("ada", "x", 1005, 1005, "", "/home/ada", "/bin/bash"))
    known = {"ada": pwd.struct_passwd(("ada", "x", 1001, 1001, "", "/home/ada", "/bin/bash"))}
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: entry)
    monkeypatch.setattr(pwd, "getpwnam", known.__getitem__)
    assert person_of(1005) is None
    known["ada"] = entry
    assert person_of(1005) == "ada"


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
