"""Whoever gets near a desktop without the right to be there, or stays when it is gone (threats 1, 4, 7, 12)."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx
import psutil
import pytest
from tests.attacks.attacker import stolen_signing_key
from tests.attacks.forging import THIEF
from tests.attacks.people import PASSWORD
from tests.attacks.rights import DEEDS, an_operator, take_away
from tests.programs.desktop_streams import DesktopSocket, desktop_socket, desktop_ticket, open_desktop
from tests.programs.desktops import MISSING, SKIP, Person, a_person, a_seat
from tests.programs.local import local_pair
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for, wait_online

from borealis_wire import strict_json
from borealis_wire.desktop import DesktopKind, DesktopOrder
from borealis_wire.envelope import DESKTOP_TYPE, SHELL_TYPE, seal
from borealis_wire.keys import SigningKey

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Windows shows its own by RDP")]
GUID: Final = "11111111-2222-4333-8444-555555555555"


@dataclass
class House:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    key: SigningKey

    def order(self, **changes: Any) -> dict[str, Any]:
        """An order that is as it should be, but for ``changes``; nobody has the account that it is for."""
        now = time.time()
        order = DesktopOrder(
            order_id=str(uuid.uuid4()),
            session_id=str(uuid.uuid4()),
            device_guid=self.guid,
            asked_by="owner",
            kind=DesktopKind.OWN,
            issued_at=now,
            expires_at=now + 60,
            user="nobody-has-this-name",
        )
        return {**order.to_json(), **changes}

    def sealed(self, order: dict[str, Any], *, key: SigningKey | None = None, kind: str = DESKTOP_TYPE) -> Any:
        return seal(kind, strict_json.canonical(order), key or self.key)

    def open(self, envelope: Any) -> str:
        """Why the device refuses an order, as a word."""
        port = int(self.agent.environment["BOREALIS_DESKTOP_PORT"])
        with socket.create_connection(("127.0.0.1", port), 10) as line, line.makefile("rb") as heard:
            line.settimeout(30)
            line.sendall(json.dumps({"type": "open", "envelope": envelope}).encode() + b"\n")
            answer = json.loads(heard.readline())
        assert answer["type"] == "refused", answer
        return str(answer["reason"])

    def person(self, name: str, role: str = "Operator", scopes: tuple[str, ...] = ("desktop",), **more: Any) -> str:
        """Somebody new, with a token for these things."""
        return an_operator(self.engine, name, role, ["devices.read", *scopes], **more)

    async def knock(self, ticket: dict[str, Any], **how: Any) -> str:
        """With a ticket's token to the socket door; gives the error that ends it."""
        async with desktop_socket(self.engine, f"{ticket['path']}?token={ticket['token']}", **how) as door:
            return str((await door.closed())["error"])


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="borealis-desktop-") as folder:
        engine, agent = local_pair(Path(folder))
        try:
            guid = enrol(engine, agent)
            yield House(engine, agent, guid, stolen_signing_key(engine))
        finally:
            agent.stop()
            engine.stop()


def test_rejects_orders_that_do_not_hold_at_the_device(house: House) -> None:
    assert house.open(house.sealed(house.order())) == "no_account", "so what is refused below is so for its reason"
    now = time.time()
    refused = {
        "bad_signature": [
            {**house.sealed(house.order()), "signatures": []},
            {**house.sealed(house.order()), "payload": house.sealed(house.order(view_only=True))["payload"]},
        ],
        "unknown_key": [house.sealed(house.order(), key=THIEF)],
        "wrong_device": [house.sealed(house.order(device_guid=GUID))],
        "expired": [house.sealed(house.order(issued_at=now - 90, expires_at=now - 30))],
        "not_yet_valid": [house.sealed(house.order(issued_at=now + 600, expires_at=now + 650))],
        "unsupported_type": [house.sealed(house.order(), kind=SHELL_TYPE)],
        "malformed": [
            house.sealed(house.order(expires_at=now + 3600)),
            house.sealed(house.order(kind="any")),
            house.sealed(house.order(user="")),
            house.sealed({**house.order(), "password": "x"}),
            None,
        ],
    }
    for reason, envelopes in refused.items():
        assert [house.open(envelope) for envelope in envelopes] == [reason] * len(envelopes)


def test_rejects_an_order_that_was_used_before_also_after_a_restart(house: House) -> None:
    envelope = house.sealed(house.order())
    assert house.open(envelope) == "no_account"
    assert house.open(envelope) == "replayed"
    house.agent.kill()
    house.agent.start()
    wait_online(house.engine, house.agent)

    def is_replayed() -> bool:
        with contextlib.suppress(OSError):
            return house.open(envelope) == "replayed"
        return False

    wait_for("the port", is_replayed)


async def test_rejects_tokens_that_were_used_made_up_or_given_to_somebody_else(house: House) -> None:
    olga = await asyncio.to_thread(house.person, "olga")
    ticket = await asyncio.to_thread(desktop_ticket, house.engine, house.guid, kind="own", user="nobody-has-this-name")
    assert await house.knock(ticket) == "desktop_refused"
    assert await house.knock(ticket) == "invalid_session"
    assert await house.knock({**ticket, "token": uuid.uuid4().hex}) == "invalid_session"
    mine = await asyncio.to_thread(desktop_ticket, house.engine, house.guid, kind="own", user="nobody-has-this-name")
    assert await house.knock(mine, token=olga) == "invalid_session"
    assert await house.knock(mine) == "invalid_session", "a token that somebody else came with is good for nobody"


async def test_rejects_a_socket_without_credentials_or_from_another_page(house: House) -> None:
    ticket = await asyncio.to_thread(desktop_ticket, house.engine, house.guid)
    path = f"{ticket['path']}?token={ticket['token']}"
    with httpx.Client(
        base_url=house.engine.url, verify=house.engine.tls(), trust_env=False, headers={"Origin": house.engine.url}
    ) as client:
        with house.engine.owner() as owner:
            body = {"username": "cora", "password": PASSWORD, "role": "Admin"}
            assert owner.post("/api/users", json=body).status_code == 201
        assert client.post("/api/auth/login", json={"username": "cora", "password": PASSWORD}).status_code == 200
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    strangers: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer bor_pat_guess"},
        {"Cookie": cookie, "Origin": "https://evil.example"},
        {"Cookie": cookie},
    ]
    for headers in strangers:
        with pytest.raises(aiohttp.WSServerHandshakeError) as no:
            async with desktop_socket(house.engine, path, headers=headers):
                pass
        assert no.value.status in {401, 403}
    for bad in ("/api/desktop/stream", f"{path}&token=x", "/api/desktop/stream?token=" + "x" * 100):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with desktop_socket(house.engine, bad):
                pass


def test_rejects_operators_without_the_right_or_out_of_their_sites(house: House) -> None:
    with house.engine.owner() as owner:
        site = owner.post("/api/sites", json={"name": "elsewhere"}).json()["id"]
    viewer = house.person("vera", "Viewer", ())
    narrow = house.person("nora", scopes=("shell",))
    afar = house.person("otto", sites=[site])
    for token, status, code in (
        (viewer, 403, "forbidden"),
        (narrow, 403, "forbidden"),
        (afar, 404, "device_not_found"),
    ):
        answer = desktop_ticket(house.engine, house.guid, token=token)
        assert (answer["status"], answer["error"]) == (status, code)
        with house.engine.client() as client:
            headers = {"Authorization": f"Bearer {token}"}
            ended = client.delete(f"/api/desktop/sessions/{uuid.uuid4()}", headers=headers)
            changed = client.put("/api/desktop/policy", json={"consent": "never"}, headers=headers)
        assert ended.status_code == (404 if token == afar else 403)
        assert changed.status_code == 403


async def test_rejects_a_ticket_whose_right_was_taken_before_it_was_used(house: House) -> None:
    token = await asyncio.to_thread(house.person, "tara")
    ticket = await asyncio.to_thread(desktop_ticket, house.engine, house.guid, token=token)
    with house.engine.owner() as owner:
        assert owner.post("/api/users/tara/role", json={"role": "Viewer"}).status_code == 200
    with contextlib.suppress(aiohttp.WSServerHandshakeError):
        assert await house.knock(ticket, token=token) in {"forbidden", "rights_changed"}
    assert (await asyncio.to_thread(desktop_ticket, house.engine, house.guid, token=token))["error"] == "forbidden"


# --- with somebody's screen


@pytest.fixture(scope="module")
def at_screen() -> Iterator[Person]:
    with a_person(f"box{os.getpid()}") as person, a_seat(person):
        yield person


@contextlib.asynccontextmanager
async def watched(house: House, person: Person, token: str) -> AsyncIterator[DesktopSocket]:
    """Somebody sees the screen."""
    async with open_desktop(house.engine, house.guid, token=token, user=person.name) as door:
        await door.opened()
        yield door


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.root
@pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}")
async def test_rejects_an_operator_whose_right_is_taken_at_the_desktop(
    house: House, at_screen: Person, deed: str
) -> None:
    """Within seconds, and the device shows the desktop to nobody any more."""
    name = f"ola-{deed}"
    token = await asyncio.to_thread(house.person, name)
    async with watched(house, at_screen, token) as door:
        with house.engine.owner() as owner, contextlib.ExitStack() as after:
            (mine,) = owner.get("/api/desktop/sessions").json()["sessions"]
            take_away(owner, deed, name, house.guid, f"/api/desktop/sessions/{mine['id']}", after)
            said = await door.closed()
            assert said["detail"], "they are told why"
            assert owner.get("/api/desktop/sessions").json()["sessions"] == []
            if deed not in {"end", "quarantine"}:
                answer = await asyncio.to_thread(desktop_ticket, house.engine, house.guid, token=token)
                assert answer["status"] in {401, 403, 404}

    def no_server() -> bool:
        return not [
            one
            for one in psutil.process_iter(["name", "uids"])
            if one.info["name"] == "x11vnc" and one.info["uids"].real == at_screen.uid
        ]

    await asyncio.to_thread(wait_for, "the device to show it no more", no_server)
