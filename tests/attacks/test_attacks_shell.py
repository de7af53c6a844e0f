"""Whoever gets near the shell's port, or an operator's socket, without the right to be there (threats 4, 7, 12, 20)."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.attacks.attacker import stolen_signing_key
from tests.attacks.forging import THIEF
from tests.attacks.rights import DEEDS, an_operator, take_away
from tests.programs.local import local_pair
from tests.programs.programs import AgentProgram, EngineProgram, enrol, processes_with, wait_for, wait_online
from tests.programs.shells import Shell, desk_at

from borealis_wire import strict_json
from borealis_wire.envelope import JOB_TYPE, SHELL_TYPE, seal
from borealis_wire.keys import SigningKey
from borealis_wire.shell import NEW, ShellOrder

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="the terminal is a POSIX one")]


@dataclass
class House:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    key: SigningKey

    @property
    def port(self) -> int:
        return int(self.agent.environment["BOREALIS_WIREGUARD_SHELL_PORT"])

    def order(self, **changes: Any) -> dict[str, Any]:
        """An order that is as it should be, but for ``changes``."""
        now = time.time()
        order = ShellOrder(str(uuid.uuid4()), str(uuid.uuid4()), self.guid, "owner", 80, 24, now, now + 60)
        return {**order.to_json(), **changes}

    def sealed(self, order: dict[str, Any], *, key: SigningKey | None = None, kind: str = SHELL_TYPE) -> dict[str, Any]:
        return seal(kind, strict_json.canonical(order), key or self.key)

    def knock(self, *lines: bytes, first_only: bool = True) -> list[dict[str, Any]]:
        """Connect, say this, and give what is answered up to the first line, or to the end."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as line, line.makefile("rb") as heard:
            line.settimeout(20)
            try:
                line.sendall(b"".join(lines))
                answers = [heard.readline()] if first_only else list(heard)
            except ConnectionError:
                return []  # it hung up before it had heard us out
        return [json.loads(answer) for answer in answers if answer]

    def open(self, envelope: Any) -> dict[str, Any]:
        """The answer to an order. A shell that it opens is closed again: a device has no more than a few."""
        begin = json.dumps({"type": "open", "envelope": envelope}).encode() + b"\n"
        (answer, *_) = self.knock(begin, b'{"type":"close"}\n', first_only=False)
        return answer


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="borealis-shell-") as folder:
        engine, agent = local_pair(Path(folder))
        try:
            guid = enrol(engine, agent)
            yield House(engine, agent, guid, stolen_signing_key(engine))
        finally:
            agent.stop()
            engine.stop()


def test_rejects_orders_that_do_not_hold(house: House) -> None:
    assert house.open(house.sealed(house.order()))["type"] == "opened", "so what is refused below is so for its reason"
    now = time.time()
    unsigned = {**house.sealed(house.order()), "signatures": []}
    changed = {**house.sealed(house.order()), "payload": house.sealed(house.order(user="daemon"))["payload"]}
    other = str(uuid.uuid4()).upper()
    refused = {
        "bad_signature": [unsigned, changed],
        "unknown_key": [house.sealed(house.order(), key=THIEF)],
        "wrong_device": [house.sealed(house.order(device_guid=other))],
        "expired": [house.sealed(house.order(issued_at=now - 90, expires_at=now - 30))],
        "not_yet_valid": [house.sealed(house.order(issued_at=now + 600, expires_at=now + 650))],
        "unsupported_type": [house.sealed(house.order(), kind=JOB_TYPE)],
        "malformed": [
            house.sealed(house.order(expires_at=now + 3600)),
            house.sealed(house.order(asked_by="")),
            house.sealed(house.order(columns=0)),
            house.sealed({**house.order(), "command": "id"}),
            None,
            "x",
        ],
    }
    for reason, envelopes in refused.items():
        for envelope in envelopes:
            answer = house.open(envelope)
            assert (answer["type"], answer["reason"]) == ("refused", reason)


def test_rejects_an_order_that_was_used_before_also_after_a_restart(house: House) -> None:
    envelope = house.sealed(house.order())
    assert house.open(envelope)["type"] == "opened"
    assert house.open(envelope)["reason"] == "replayed"
    house.agent.kill()
    house.agent.start()
    wait_online(house.engine, house.agent)
    wait_for("the port", lambda: house.open(envelope).get("reason") == "replayed")


def test_rejects_who_takes_up_a_shell_of_somebody_else(house: House) -> None:
    order = house.order()
    with socket.create_connection(("127.0.0.1", house.port), 10) as line, line.makefile("rb") as heard:
        line.sendall(json.dumps({"type": "open", "envelope": house.sealed(order)}).encode() + b"\n")
        assert json.loads(heard.readline())["type"] == "opened"
        stolen = house.order(session_id=order["session_id"], asked_by="mallory", seen=0)
        assert house.open(house.sealed(stolen))["reason"] == "gone"
        # Nor can a second one be begun in its place.
        again = house.order(session_id=order["session_id"], seen=NEW)
        assert house.open(house.sealed(again))["reason"] == "replayed"


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b"{}\n",
        b'{"type":"stdin","data":"aWQK"}\n',
        b'{"type":"open","type":"open"}\n',
        b'{"type":"open","envelope":' + b"[" * 100 + b"\n",
        b"x" * 70_000,
    ],
)
def test_rejects_what_is_no_order_and_goes_on(house: House, first: bytes) -> None:
    answers = house.knock(first, first_only=False)
    assert [answer["type"] for answer in answers] in ([], ["refused"])
    assert house.open(house.sealed(house.order()))["type"] == "opened"


def test_rejects_nonsense_behind_an_order_by_hanging_up(house: House) -> None:
    begin = json.dumps({"type": "open", "envelope": house.sealed(house.order())}).encode() + b"\n"
    for rest in (b'{"type":"stdin","data":"%%"}\n', b'{"type":"resize","cols":0,"rows":1}\n', b"x" * 70_000):
        with socket.create_connection(("127.0.0.1", house.port), 10) as line, line.makefile("rb") as heard:
            line.settimeout(20)
            line.sendall(begin)
            assert json.loads(heard.readline())["type"] in {"opened", "refused"}
            try:
                line.sendall(rest)
                assert all(json.loads(answer)["type"] != "exit" for answer in heard)
            except ConnectionError:
                pass
        begin = json.dumps({"type": "open", "envelope": house.sealed(house.order())}).encode() + b"\n"


async def test_rejects_operators_without_the_right_or_out_of_their_sites(house: House) -> None:
    with house.engine.owner() as owner:
        site = owner.post("/api/sites", json={"name": "elsewhere"}).json()["id"]
    viewer = an_operator(house.engine, "vera", "Viewer", ["devices.read"])
    narrow = an_operator(house.engine, "nora", "Operator", ["devices.read"])
    afar = an_operator(house.engine, "otto", "Operator", ["shell", "devices.read"], sites=[site])
    for token, code in ((viewer, "forbidden"), (narrow, "forbidden"), (afar, "device_not_found")):
        async with desk_at(house.engine, token=token) as desk:
            answer = await Shell(desk, house.guid).open()
            assert answer["error"] == code
            sent = await Shell(desk, house.guid).type("id\r")
            assert sent["error"] in {"forbidden", "shell_not_found"}


async def test_rejects_an_operator_whose_right_is_taken_while_at_the_shell(house: House) -> None:
    mark = f"73{os.getpid()}"
    token = an_operator(house.engine, "olga", "Operator", ["shell", "devices.read"])
    async with desk_at(house.engine, token=token) as desk:
        shell = Shell(desk, house.guid)
        assert (await shell.open())["status"] == "ok"
        await shell.type(f"sleep {mark}\r")
        await asyncio.to_thread(wait_for, "it to run", lambda: len(processes_with(f"sleep {mark}")) == 1)
        with house.engine.owner() as owner:
            changed = owner.post("/api/users/olga/role", json={"role": "Viewer"})
            assert changed.status_code == 200, changed.text
        await asyncio.to_thread(wait_for, "it to be gone", lambda: not processes_with(f"sleep {mark}"))
        assert (await shell.until_closed())["lost"] is False
        # Nor is it there to be taken up again.
        assert (await shell.open(seen=0))["error"] == "forbidden"


@pytest.mark.parametrize("deed", DEEDS)
async def test_rejects_an_operator_whose_right_is_taken_while_away(house: House, deed: str) -> None:
    """What was left running on the device ends within seconds, not when nobody came back for five minutes."""
    mark, name = f"74{os.getpid()}", f"away-{deed}"
    token = an_operator(house.engine, name, "Operator", ["shell", "devices.read"])
    async with desk_at(house.engine, token=token) as desk:
        shell = Shell(desk, house.guid)
        assert (await shell.open())["status"] == "ok"
        await shell.type(f"sleep {mark}\r")
        await asyncio.to_thread(wait_for, "it to run", lambda: len(processes_with(f"sleep {mark}")) == 1)
    with house.engine.owner() as owner, contextlib.ExitStack() as after:

        def is_away() -> bool:
            shells = owner.get("/api/shells").json()["shells"]
            return [one["connected"] for one in shells if one["username"] == name] == [False]

        await asyncio.to_thread(wait_for, "them to be away", is_away)
        assert processes_with(f"sleep {mark}"), "a shell waits for who may come back"
        take_away(owner, deed, name, house.guid, f"/api/shells/{shell.session_id}", after)
        gone = lambda: not processes_with(f"sleep {mark}")  # noqa: E731
        await asyncio.to_thread(wait_for, "it to be gone", gone, seconds=8)
        assert not [one for one in owner.get("/api/shells").json()["shells"] if one["username"] == name]


async def test_rejects_a_shell_on_a_quarantined_device_and_ends_those_that_are_open(house: House) -> None:
    async with desk_at(house.engine) as desk:
        shell = Shell(desk, house.guid)
        assert (await shell.open())["status"] == "ok"
        with house.engine.owner() as owner:
            assert owner.post(f"/api/devices/{house.guid}/quarantine").status_code == 200
            try:
                assert "not active" in (await shell.until_closed())["reason"]
                assert (await Shell(desk, house.guid).open())["error"] == "device_not_active"
            finally:
                assert owner.post(f"/api/devices/{house.guid}/release").status_code == 200


async def test_rejects_passwords_into_logs_and_recordings(house: House) -> None:
    secret = f"pass-{uuid.uuid4().hex}"
    async with desk_at(house.engine) as desk:
        shell = Shell(desk, house.guid)
        await shell.open()
        await shell.type("read -s -p 'Password: ' X; echo got-${#X}\r")
        await shell.until("\rPassword: ")
        await shell.type(f"{secret}\r")
        await shell.until(f"got-{len(secret)}")
        await shell.type("exit\r")
        await shell.until_closed()
    with house.engine.owner() as owner:
        row = wait_for(
            "the recording to be closed",
            lambda: next(
                (
                    one
                    for one in owner.get("/api/recordings").json()["recordings"]
                    if one["session_id"] == shell.session_id and one["ended_at"]
                ),
                None,
            ),
        )
        cast = owner.get(f"/api/recordings/{row['recording_id']}/cast").text
        audit = owner.get("/api/audit").text
    assert "got-" in cast
    folder = house.engine.root / "Engine" / "Data" / "Recordings"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for text in (cast, audit, house.engine.log_text(), house.agent.log_text()):
        assert secret not in text
