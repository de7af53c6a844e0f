"""The role ``VNC`` shows real screens of a real user, and desktops of that user's own; nothing of it is left."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.programs.desktops import MISSING, SKIP, Person, Seat, a_person, a_seat
from tests.programs.programs import REPOSITORY, base_environment, free_port, wait_for
from tests.programs.remains import has_ended
from tests.programs.rfb import Streams, Viewer, viewing

from borealis_agent.capabilities.desktop.signs import ASKS
from borealis_agent.capabilities.desktop.signs import WATCHES as SIGN
from borealis_wire.desktop import Consent, DesktopKind, DesktopOrder
from borealis_wire.lines import write_line

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]
TERMINAL = (0x10, 0x20, 0x40)
SECONDS = 60.0


class Agent:
    """The role in its process."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.output = folder / "agent.out"
        self._options = options

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.programs.desktop_agent", str(self.folder), str(self.port)]
        environment = {**base_environment(), "PYTHONPATH": os.pathsep.join(sys.path)}
        for name in ("DISPLAY", "XAUTHORITY"):
            environment.pop(name, None)
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [*words, *self._options],
                env=environment,
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        wait_for("the role", lambda: "ready" in self.log, log=self.output)

    @property
    def log(self) -> str:
        return self.output.read_text()

    def health(self) -> dict[str, Any]:
        """What it reports now."""
        before = self.log.count("health ")
        assert self.process.stdin is not None
        self.process.stdin.write(b"health\n")
        self.process.stdin.flush()
        wait_for("its health", lambda: self.log.count("health ") > before, log=self.output)
        told: dict[str, Any] = json.loads(self.log.rpartition("health ")[2].partition("\n")[0])
        return told

    def family(self) -> list[psutil.Process]:
        """Everything below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        """In good order."""
        if self.process.poll() is None:
            self.process.communicate(b"stop\n", timeout=30)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        """``kill -9``."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Caller:
    """A connection to it: the Engine's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> dict[str, Any]:
        """The next line."""
        async with asyncio.timeout(SECONDS):
            told: dict[str, Any] = json.loads(await self.reader.readline())
        return told


@contextlib.asynccontextmanager
async def calling(agent: Agent, order: DesktopOrder) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, limit=1 << 22)
    try:
        writer.write(write_line("open", envelope=order.to_json()))
        yield Caller(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def watching(agent: Agent, order: DesktopOrder) -> AsyncIterator[tuple[Viewer, dict[str, Any]]]:
    """Open and view; gives what ``opened`` told."""
    async with calling(agent, order) as caller:
        told = await caller.line()
        assert told["type"] == "opened", (told, agent.log)
        async with viewing(Streams(caller.reader, caller.writer)) as viewer:
            yield viewer, told


def order(user: str = "", **members: Any) -> DesktopOrder:
    now = int(time.time())
    given = {"kind": DesktopKind.SCREEN, "session_id": str(uuid.uuid4()), **members}
    return DesktopOrder(
        order_id=str(uuid.uuid4()),
        device_guid="11111111-2222-4333-8444-555555555555",
        asked_by="olga",
        issued_at=now,
        expires_at=now + 60,
        user=user,
        **given,
    )


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with a_person(f"bov{os.getpid()}") as made:
        yield made


@pytest.fixture
def seat(person: Person) -> Iterator[Seat]:
    with a_seat(person) as made:
        yield made


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    program = Agent(tmp_path)
    program.start()
    yield program
    program.stop()


async def seen(viewer: Viewer) -> None:
    """Wait until the terminal is seen, ready to be typed into."""
    await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
    await viewer.click(300, 300)


async def typed(viewer: Viewer, path: Path, text: str, *, also: str = "") -> None:
    """Type a command that writes ``text`` into a file; again if need be: a shell may not have come up yet."""
    for _ in range(20):
        await viewer.type(f"{also}printf %s {text} > {path}\n")
        for _ in range(20):
            if path.exists() and path.read_text() == text:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(f"{path} was not written")


async def test_an_operator_sees_and_uses_the_screen_of_who_is_signed_in(
    agent: Agent, seat: Seat, person: Person
) -> None:
    async with watching(agent, order(person.name)) as (viewer, told):
        wanted = {"user": person.name, "view_only": False, "width": 1024, "height": 700, "signed_in": True}
        assert {name: told[name] for name in wanted} == wanted
        assert (viewer.width, viewer.height) == (1024, 700)
        await seen(viewer)
        assert SIGN in seat.windows()
        await typed(viewer, person.home / "typed", "hello-42")
        assert person.owns(person.home / "typed")
        before = viewer.updates
        await viewer.type("clear\n")
        await viewer.until("a live picture", lambda: viewer.updates > before)
        servers = [one for one in agent.family() if one.name() == "x11vnc"]
        assert [one.uids().real for one in servers] == [person.uid]
        assert not [
            one for process in agent.family() for one in process.net_connections("tcp") if one.status == "LISTEN"
        ]
        assert agent.health() | {"listening": ""} == {
            "state": "running",
            "listening": "",
            "screens": 1,
            "own": 0,
            "opened": 1,
            "servers": "x11vnc Xvnc",
        }
    wait_for("nothing to be left", lambda: not agent.family())
    assert SIGN not in seat.windows()


async def test_rejects_what_is_typed_by_who_may_only_look(agent: Agent, seat: Seat, person: Person) -> None:
    async with watching(agent, order(person.name)) as (viewer, _):
        await seen(viewer)
        await typed(viewer, person.home / "awake", "yes")
    async with watching(agent, order(person.name, view_only=True)) as (viewer, told):
        assert told["view_only"] is True
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        await viewer.click(300, 300)
        await viewer.type(f"touch {person.home}/forbidden\n")
        await viewer.cut("forbidden")
        await viewer.resize(640, 480)
        # What comes later is still shown: it did arrive, and went nowhere.
        seat.start("xterm", "-geometry", "40x5+20+400", "-bg", "#20a040")
        await viewer.until("a live picture", lambda: viewer.count((0x20, 0xA0, 0x40)) > 2_000)
        server = next(one for one in agent.family() if one.name() == "x11vnc")
        assert "-viewonly" in server.cmdline()
    assert not (person.home / "forbidden").exists()
    assert selection(seat) != "forbidden"


def selection(seat: Seat) -> str:
    """The clipboard of the screen, as a program of the user's sees it."""
    done = subprocess.run(
        [sys.executable, "-c", CLIPBOARD],
        env={**os.environ, **seat.desktop.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


CLIPBOARD = """
from Xlib import X, display
screen = display.Display()
window = screen.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
name, text, place = (screen.get_atom(each) for each in ("CLIPBOARD", "STRING", "HERE"))
if screen.get_selection_owner(name):
    window.convert_selection(name, text, place, X.CurrentTime)
    while (event := screen.next_event()).type != X.SelectionNotify:
        pass
    found = window.get_full_property(place, X.AnyPropertyType) if event.property else None
    print((found.value if found else b"").decode("latin-1"), end="")
"""


async def test_the_clipboard_goes_both_ways(agent: Agent, seat: Seat, person: Person) -> None:
    async with watching(agent, order(person.name)) as (viewer, _):
        await seen(viewer)
        # x11vnc takes none in the first seconds of a connection.
        for _ in range(120):
            await viewer.cut("from the operator")
            if await asyncio.to_thread(selection, seat) == "from the operator":
                break
            await asyncio.sleep(0.5)
        assert await asyncio.to_thread(selection, seat) == "from the operator"
        # The terminal takes a selection with a double click on a word of its own.
        await typed(viewer, person.home / "there", "x")
        await viewer.type("clear; echo SELECTED-WORD\n")
        for _ in range(60):
            await asyncio.sleep(0.6)  # longer apart they are two double clicks
            for x, y in ((60, 108), (60, 108)):
                await viewer.click(x, y)
            if any("SELECTED" in text for text in viewer.clipboard):
                break
        assert any("SELECTED" in text for text in viewer.clipboard), viewer.clipboard


@pytest.mark.parametrize("answer", ["allow", "deny"])
async def test_the_user_is_asked_and_the_answer_counts(agent: Agent, seat: Seat, person: Person, answer: str) -> None:
    async with calling(agent, order(person.name, consent=Consent.ASK, ask_seconds=60)) as caller:
        waiting = await caller.line()
        assert (waiting["type"], waiting["seconds"]) == ("wait", 60)
        x, y, width, height = await asyncio.to_thread(seat.wait_window, ASKS)
        await asyncio.sleep(1.2)  # a click sooner than that counts for nothing
        assert not [one for one in agent.family() if one.name() == "x11vnc"]
        from_right = 220 if answer == "allow" else 80
        await asyncio.to_thread(seat.click, x + width - from_right, y + height - 30)
        told = await caller.line()
        if answer == "deny":
            assert told == {"type": "refused", "reason": "denied", "detail": "The user did not allow it."}
        else:
            assert told["type"] == "opened"
            async with viewing(Streams(caller.reader, caller.writer)) as viewer:
                await seen(viewer)
    wait_for("nothing to be left", lambda: not agent.family())


async def test_rejects_who_gets_no_answer(agent: Agent, seat: Seat, person: Person) -> None:
    async with calling(agent, order(person.name, consent=Consent.ASK, ask_seconds=5)) as caller:
        assert (await caller.line())["type"] == "wait"
        told = await caller.line()
        assert (told["type"], told["reason"]) == ("refused", "denied")
        assert "did not answer in 5 s" in told["detail"]
    wait_for("nothing to be left", lambda: not agent.family())
    assert ASKS not in seat.windows()


async def test_a_question_goes_with_who_asked(agent: Agent, seat: Seat, person: Person) -> None:
    async with calling(agent, order(person.name, consent=Consent.ASK, ask_seconds=60)) as caller:
        assert (await caller.line())["type"] == "wait"
        await asyncio.to_thread(seat.wait_window, ASKS)
    wait_for("nothing to be left", lambda: not agent.family())
    assert ASKS not in seat.windows()


async def test_the_sign_stays_above_and_its_button_ends_the_connection(
    agent: Agent, seat: Seat, person: Person
) -> None:
    async with watching(agent, order(person.name)) as (viewer, _):
        x, y, width, height = await asyncio.to_thread(seat.wait_window, SIGN)
        assert (y, abs(x + width // 2 - 512) <= 1) == (0, True)
        amber = (0xE8, 0xA3, 0x17)
        await viewer.until("the sign", lambda: viewer.count(amber) > 500)
        shown = viewer.count(amber)
        seat.start("xterm", "-geometry", "160x50+0+0", "-bg", "#306030")
        await viewer.until("another window", lambda: viewer.count((0x30, 0x60, 0x30)) > 50_000)
        await viewer.until("the sign above it", lambda: viewer.count(amber) >= shown)
        await asyncio.to_thread(seat.click, x + width - 30, y + height // 2)
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()
    wait_for("nothing to be left", lambda: not agent.family())
    assert "The user ended it." in agent.log


async def test_rejects_to_watch_a_screen_whose_sign_is_gone(agent: Agent, seat: Seat, person: Person) -> None:
    async with watching(agent, order(person.name)) as (viewer, _):
        await seen(viewer)
        keeper = next(one for one in agent.family() if one.children())
        sign = next(one for one in keeper.children() if one.name() != "x11vnc")
        assert sign.uids().real == person.uid
        sign.kill()
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()
    wait_for("nothing to be left", lambda: not agent.family())


async def test_a_desktop_of_its_own_is_resized_and_waits_for_its_operator(agent: Agent, person: Person) -> None:
    session, before = str(uuid.uuid4()), remains(person)
    (person.home / ".Xdefaults").write_text("XTerm*background: #102040\nXTerm*foreground: #ffffff\n")
    asked = {"kind": DesktopKind.OWN, "session_id": session, "width": 1000, "height": 700}
    async with watching(agent, order(person.name, **asked)) as (viewer, told):
        assert (told["user"], viewer.width, viewer.height) == (person.name, 1000, 700)
        await seen(viewer)
        await typed(viewer, person.home / "own", "mine", also="kept=still; ")
        assert person.owns(person.home / "own")
        assert viewer.can_resize
        await viewer.resize(1200, 640)
        await viewer.until("another size", lambda: (viewer.width, viewer.height) == (1200, 640))
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        server = next(one for one in agent.family() if one.name() == "Xvnc")
        assert server.uids().real == person.uid
        assert not [
            one for process in agent.family() for one in process.net_connections("tcp") if one.status == "LISTEN"
        ]
        assert await others_get_nothing(person)
    assert agent.health()["own"] == 1
    async with watching(agent, order(person.name, **asked)) as (viewer, _):
        assert (viewer.width, viewer.height) == (1200, 640)
        await seen(viewer)
        await typed(viewer, person.home / "again", "still")
    async with watching(agent, order(person.name, **asked, view_only=True)) as (viewer, _):
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        await viewer.type(f"touch {person.home}/forbidden\n")
        await viewer.resize(800, 600)
        async with watching(agent, order(person.name, **asked)) as (second, _):
            async with asyncio.timeout(SECONDS):
                await viewer.over.wait()  # there is one connection to it at a time
            await second.until("the terminal", lambda: second.count(TERMINAL) > 20_000)
            assert (second.width, second.height) == (1200, 640)
            await typed(second, person.home / "third", "3")
    assert not (person.home / "forbidden").exists()
    agent.stop()
    wait_for("nothing to be left", lambda: remains(person) <= before)


async def others_get_nothing(person: Person) -> bool:
    """Whether neither the socket of the server nor the display is open to another account."""
    (cookie,) = [path for path in Path("/tmp").glob("borealis-desktop-*/Xauthority") if person.owns(path)]
    folder = cookie.parent
    tried = [
        subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "ls", str(place)], capture_output=True, check=False
        )
        for place in (folder, folder / "server")
    ]
    return all(one.returncode != 0 for one in tried) and cookie.stat().st_mode & 0o77 == 0


async def test_rejects_another_operator_at_a_desktop_of_ones_own(agent: Agent, person: Person) -> None:
    import dataclasses

    mine = order(person.name, kind=DesktopKind.OWN)
    async with watching(agent, mine):
        theirs = dataclasses.replace(mine, order_id=str(uuid.uuid4()), asked_by="mallory")
        async with calling(agent, theirs) as caller:
            told = await caller.line()
            assert (told["type"], told["reason"]) == ("refused", "gone")


async def test_a_desktop_that_nobody_comes_back_to_is_ended(tmp_path: Path, person: Person) -> None:
    agent = Agent(tmp_path, "0.5")
    agent.start()
    try:
        async with watching(agent, order(person.name, kind=DesktopKind.OWN)) as (viewer, _):
            await viewer.until("a picture", lambda: viewer.updates > 0)
        wait_for("nothing to be left", lambda: not agent.family() and agent.health()["own"] == 0)
        assert "nobody came back" in agent.log
    finally:
        agent.stop()


async def test_several_operators_watch_one_screen_and_each_has_a_sign(agent: Agent, seat: Seat, person: Person) -> None:
    amber = (0xE8, 0xA3, 0x17)
    async with watching(agent, order(person.name)) as (first, _):
        await first.until("the sign", lambda: first.count(amber) > 500)
        alone = first.count(amber)
        async with watching(agent, order(person.name, view_only=True)) as (second, _):
            await second.until("both signs", lambda: second.count(amber) > alone * 1.5)
            await first.until("both signs", lambda: first.count(amber) > alone * 1.5)
        await first.until("one sign", lambda: first.count(amber) == alone)
        assert not first.over.is_set()


async def test_a_desktop_ends_with_its_session_and_with_the_role(agent: Agent, seat: Seat, person: Person) -> None:
    async with watching(agent, order(person.name, kind=DesktopKind.OWN)) as (viewer, _):
        await viewer.until("a picture", lambda: viewer.updates > 0)
        (manager,) = [one for one in agent.family() if Path(one.exe()).name == "openbox"]
        manager.terminate()
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()
    wait_for("nothing to be left", lambda: not agent.family())
    assert "Its session ended." in agent.log
    before = remains(person)
    async with contextlib.AsyncExitStack() as open_now:
        viewers = [
            (await open_now.enter_async_context(watching(agent, order(person.name, kind=kind))))[0]
            for kind in DesktopKind
        ]
        family = agent.family()
        await asyncio.to_thread(agent.stop)
        async with asyncio.timeout(SECONDS):
            for viewer in viewers:
                await viewer.over.wait()
    assert all(has_ended(one) for one in family)
    assert remains(person) <= before


@pytest.mark.parametrize("kind", list(DesktopKind))
async def test_survives_kill_nine_of_its_agent(agent: Agent, seat: Seat, person: Person, kind: DesktopKind) -> None:
    before = remains(person)
    async with watching(agent, order(person.name, kind=kind)) as (viewer, _):
        await viewer.until("a picture", lambda: viewer.updates > 0)
        family = agent.family()
        assert len(family) >= 3
        assert remains(person) != before or kind is DesktopKind.SCREEN
        agent.kill()
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()
        await asyncio.to_thread(wait_for, "nothing to run", lambda: all(has_ended(one) for one in family))
        await asyncio.to_thread(wait_for, "nothing to be left", lambda: remains(person) <= before)


def remains(person: Person) -> set[str]:
    """Files, displays and shared memory of desktops; others on this machine may have some too."""
    memory = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    places = (Path("/tmp/.X11-unix").glob("X*"), Path("/tmp").glob(".X*-lock"))
    found = {f"memory {words[1]}" for words in memory if words[7] == str(person.uid)}
    for path in (path for each in places for path in each):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_uid == person.uid:
                found.add(str(path))
    return found | {
        str(path.parent) for path in Path("/tmp").glob("borealis-desktop-*/Xauthority") if person.owns(path)
    }


async def test_what_cannot_be_shown_is_told_in_a_sentence(agent: Agent, person: Person) -> None:
    async def refused(wanted: DesktopOrder) -> tuple[str, str]:
        async with calling(agent, wanted) as caller:
            told = await caller.line()
        assert told["type"] == "refused"
        return told["reason"], told["detail"]

    reason, sentence = await refused(order(person.name))
    assert (reason, "nobody is signed in" in sentence) == ("no_screen", True)
    assert (await refused(order("no-such-person")))[0] == "no_account"
    assert (await refused(order("daemon", kind=DesktopKind.OWN)))[0] == "no_account"
    wayland = subprocess.Popen(
        person.command("sleep", "60"),
        env={**person.environment, "WAYLAND_DISPLAY": "wayland-0", "XDG_SESSION_TYPE": "wayland"},
    )
    try:
        for _ in range(50):
            reason, sentence = await refused(order(person.name))
            if reason != "no_screen":
                break
        assert (reason, "Wayland" in sentence and "X11" in sentence) == ("unsupported", True)
    finally:
        wayland.terminate()
        wayland.wait()


async def test_nobody_is_asked_where_nobody_is_signed_in(agent: Agent) -> None:
    """A sign-in screen runs as an account of the system's."""
    made = subprocess.run(["useradd", "--system", "-M", f"bog{os.getpid()}"], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no account can be made here")
    try:
        import pwd

        entry = pwd.getpwnam(f"bog{os.getpid()}")
        greeter = Person(entry.pw_name, entry.pw_uid, entry.pw_gid, Path("/"))
        with a_seat(greeter, terminal=False) as seat:
            async with watching(agent, order(greeter.name, consent=Consent.ASK)) as (viewer, told):
                assert (told["user"], told["signed_in"]) == (greeter.name, False)
                await viewer.until("a picture", lambda: viewer.updates > 0)
                assert SIGN in seat.windows()
    finally:
        subprocess.run(["userdel", f"bog{os.getpid()}"], check=False, capture_output=True)
