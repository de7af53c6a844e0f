"""Remote desktop by RDP: a real xrdp and a real account, FreeRDP and Xvnc on the Engine's machine, and a viewer."""

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.programs import nla_server
from tests.programs.local import local_settings
from tests.programs.nla_server import NlaServer
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for, wait_online
from tests.programs.remains import has_ended, offspring
from tests.programs.rfb import CONTROL, Received, Viewer, viewing
from tests.programs.streams import OpenStream, stream_at
from tests.programs.xrdp import BACKGROUND, Xrdp

from borealis_engine.rdp.ids import FIRST, LAST

NEEDED = ("xrdp", "xfreerdp", "Xvnc", "freerdp-shadow-cli", "winpr-hash", "Xvfb")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="accounts and servers take root"),
    pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason="xrdp, FreeRDP or Xvnc is not installed"),
]
PATH = "/api/rdp/stream"
DIALOGUE = (0xDE, 0xDE, 0xDE)
"""Of xrdp's windows."""


@dataclass
class House:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    xrdp: Xrdp

    def ask(self, **changes: Any) -> Any:
        """The answer to a request for a session with the real account."""
        body = {"agent_id": self.guid, "protocol": "rdp", "width": 1000, "height": 700}
        account = {"username": self.xrdp.user, "password": self.xrdp.password}
        with self.engine.owner() as owner:
            return owner.post("/api/rdp/session", json={**body, **account, **changes})

    def ticket(self, **changes: Any) -> str:
        """Its token."""
        answer = self.ask(**changes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def stage(self) -> list[psutil.Process]:
        """What runs of stages: everything below the Engine."""
        return offspring(self.engine.pid)

    def sessions(self) -> list[dict[str, Any]]:
        """Those that are open, as the Engine says."""
        with self.engine.owner() as owner:
            found: list[dict[str, Any]] = owner.get("/api/rdp/sessions").json()["sessions"]
            return found


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="borealis-rdp-") as folder, Xrdp(Path(folder) / "xrdp") as xrdp:
        settings = local_settings(BOREALIS_RDP_PORT=str(xrdp.port))
        engine = EngineProgram(Path(folder) / "engine", environment=settings).start()
        agent = AgentProgram(Path(folder) / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
        try:
            yield House(engine, agent, enrol(engine, agent), xrdp)
        finally:
            agent.stop()
            engine.stop()


@asynccontextmanager
async def desktop(house: House, **changes: Any) -> AsyncIterator[tuple[OpenStream, Viewer]]:
    """A session that is open, and its viewer."""
    async with stream_at(house.engine, PATH, house.ticket(**changes)) as stream:
        said = await stream.begin()
        assert said["event"] == "opened", said
        async with viewing(Received(stream.read, stream.write)) as viewer:
            yield stream, viewer


async def test_an_operator_signs_in_sees_types_and_leaves(house: House, tmp_path: Path) -> None:
    answer = house.ask()
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["ws_url"] == f"wss://127.0.0.1:{house.engine.port}{PATH}?token={told['token']}"
    assert len(told["token"]) == 32
    assert (told["virtual_ip"], told["nla"]) == ("127.0.0.1", False)
    async with stream_at(house.engine, PATH, told["token"]) as stream:
        said = await stream.begin()
        assert said["event"] == "opened", said
        async with viewing(Received(stream.read, stream.write)) as viewer:
            assert (viewer.width, viewer.height) == (1000, 700)
            await viewer.until("the picture of the session", lambda: viewer.share_of(BACKGROUND) > 0.7)
            stage = house.stage()
            assert {"Xvnc", "xfreerdp"} <= {one.name() for one in stage}
            accounts = {one.uids().effective for one in stage if one.name() in {"Xvnc", "xfreerdp"}}
            assert all(FIRST <= uid <= LAST for uid in accounts)
            assert len(accounts) == 1
            wanted, typed = f"it~s {house.xrdp.user}\n", house.xrdp.home / "typed"
            await enter(viewer, 'echo "it~s ${USER}" > typed', lambda: typed.exists() and typed.read_text() == wanted)
            (session,) = house.sessions()
            assert (session["user"], session["username"]) == (house.xrdp.user, "owner")
        viewer.image().save(tmp_path / "session.png")
    await until("the stage to be gone", lambda: all(map(has_ended, stage)))
    assert house.sessions() == []
    with house.engine.owner() as owner:

        def row() -> dict[str, Any]:
            runs: list[dict[str, Any]] = owner.get("/api/runs").json()["runs"]
            return next(one for one in runs if one["kind"] == "rdp")

        await until("its end to be on record", lambda: row()["status"] == "Completed")
        assert house.xrdp.user in row()["script_name"]
        actions = [one["action"] for one in owner.get("/api/audit").json()["entries"]]
        assert {"rdp.certificate", "rdp.open", "rdp.close"} <= set(actions)


async def test_a_second_use_of_a_token_is_refused(house: House) -> None:
    token = house.ticket()
    async with stream_at(house.engine, PATH, token) as first:
        assert (await first.begin())["event"] == "opened"
        async with stream_at(house.engine, PATH, token) as second:
            assert (await second.begin())["error"] == "invalid_session"
    async with stream_at(house.engine, PATH, token) as third:
        assert (await third.begin())["error"] == "invalid_session"


async def test_leaving_on_the_device_ends_the_session_with_a_sentence(house: House) -> None:
    async with desktop(house) as (stream, viewer):
        await viewer.until("the picture of the session", lambda: viewer.share_of(BACKGROUND) > 0.7)
        await enter(viewer, "exit", viewer.over.is_set)
    assert "signed off" in stream.closed["detail"]
    house.xrdp.end_sessions()


async def test_somebody_who_may_ends_it_for_who_is_there(house: House) -> None:
    async with desktop(house) as (stream, viewer):
        (session,) = house.sessions()
        with house.engine.owner() as owner:
            assert owner.delete(f"/api/rdp/sessions/{session['session_id']}").status_code == 200
            assert owner.delete("/api/rdp/sessions/none").status_code == 404
        await until("the end", viewer.over.is_set)
    assert stream.closed["detail"] == "owner ended it."


async def test_a_device_that_asks_by_itself_says_itself_that_a_password_is_wrong(house: House) -> None:
    """xrdp has no NLA: the account reaches it behind the picture, and its no is a window of its own."""
    async with desktop(house, password="wrong") as (stream, viewer):
        assert stream.opened["nla"] is False
        await viewer.until("xrdp's own window", lambda: 0.1 < viewer.share_of(DIALOGUE) < 0.9)
        assert viewer.share_of(BACKGROUND) == 0


async def test_a_changed_certificate_is_refused_until_somebody_trusts_it(house: House) -> None:
    with house.engine.owner() as owner:
        before = house.ask().json()["certificate"]
        house.xrdp.new_certificate()
        answer = house.ask()
        assert (answer.status_code, answer.json()["error"]) == (409, "rdp_certificate_changed")
        shown = re.findall(r"(?:[0-9a-f]{2}:){31}[0-9a-f]{2}", answer.json()["detail"])
        assert len(shown) == 2
        assert house.ask(certificate=shown[0]).status_code == 409, "that is the old one"
        trusted = house.ask(certificate=shown[1])
        assert (trusted.status_code, trusted.json()["known"]) == (200, False)
        assert (house.ask().status_code, house.ask().json()["known"]) == (200, True)
        (entry, *_) = [one for one in owner.get("/api/audit").json()["entries"] if one["action"] == "rdp.certificate"]
        assert entry["detail"] == {"before": before, "after": trusted.json()["certificate"]}


async def test_a_device_with_nla(house: House) -> None:
    """The account is asked for before there is a picture: a wrong password is a sentence, and no picture."""
    with tempfile.TemporaryDirectory(prefix="borealis-nla-") as folder, NlaServer(Path(folder) / "nla") as server:
        settings = local_settings(BOREALIS_RDP_PORT=str(server.port))
        engine = EngineProgram(Path(folder) / "engine", environment=settings).start()
        agent = AgentProgram(Path(folder) / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
        try:
            other = House(engine, agent, enrol(engine, agent), house.xrdp)
            account = {"username": nla_server.USER, "password": nla_server.PASSWORD}
            async with desktop(other, **account) as (stream, viewer):
                assert stream.opened["nla"] is True
                await viewer.until("the picture", lambda: viewer.share_of(nla_server.COLOUR) > 0.3)
            async with stream_at(engine, PATH, other.ticket(**{**account, "password": "wrong"})) as stream:
                said = await stream.begin()
            assert (said["event"], said["error"]) == ("closed", "rdp_sign_in_failed")
            assert "password is wrong" in said["detail"]
            with engine.owner() as owner:
                rows = [one for one in owner.get("/api/runs").json()["runs"] if one["kind"] == "rdp"]
                assert ("Failed", said["detail"]) in [(one["status"], one["reason"]) for one in rows]
        finally:
            agent.stop()
            engine.stop()


async def test_nothing_is_left_when_the_engine_is_killed(house: House) -> None:
    async with desktop(house):
        stage = house.stage()
        assert {"Xvnc", "xfreerdp"} <= {one.name() for one in stage}
        house.engine.kill()
        await until("the stage to be gone", lambda: all(map(has_ended, stage)))
    house.engine.start()
    assert list((house.engine.root / "Engine" / "Data" / "Remote_Desktop").iterdir()) == []
    wait_online(house.engine, house.agent)
    async with desktop(house) as (_, viewer):
        await viewer.until("the same session on the device, taken up again", lambda: viewer.share_of(BACKGROUND) > 0.7)


async def until(what: str, probe: Callable[[], bool]) -> None:
    """Wait for it, while the stream goes on."""
    await asyncio.to_thread(wait_for, what, lambda: probe() or None)


async def enter(viewer: Viewer, line: str, done: Callable[[], bool]) -> None:
    """Type a line until it did its work: what is typed while a session is just being taken over, its server drops."""
    for _ in range(4):
        with contextlib.suppress(OSError):
            await viewer.key(CONTROL, ord("u"))
            # As fast as people are, and no faster: the far end drops what comes faster.
            await viewer.type(f"{line}\n", pause=0.02)
        with contextlib.suppress(AssertionError):
            await asyncio.to_thread(wait_for, line, lambda: done() or None, seconds=8)
            return
    raise AssertionError(f"{line!r} did nothing")
