"""The role ``VNC`` shows real screens of a real user, and desktops of that user's own; nothing of it is left."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.desktop_stage import SECONDS, TERMINAL, Agent, calling, order, seen, typed, watching
from tests.programs.desktops import MISSING, SKIP, Person, Seat, a_person, a_seat, remove_account
from tests.programs.programs import wait_for
from tests.programs.rfb import Streams, viewing

from borealis_agent.capabilities.desktop.signs import ASKS
from borealis_agent.capabilities.desktop.signs import WATCHES as SIGN
from borealis_wire.desktop import Consent, DesktopKind, DesktopOrder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]


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


async def test_a_screen_that_changes_its_size_is_followed(agent: Agent, seat: Seat, person: Person) -> None:
    def resize() -> None:
        mode = ["--newmode", "800x600", *["38.25", "800", "832", "912", "1024", "600", "603", "607", "624"]]
        for words in (mode, ["--addmode", "screen", "800x600"], ["--output", "screen", "--mode", "800x600"]):
            subprocess.run(["xrandr", *words], env={**os.environ, **seat.desktop.environment}, check=True)

    async with watching(agent, order(person.name)) as (viewer, _):
        await seen(viewer)
        await asyncio.to_thread(resize)
        await viewer.until("another size", lambda: (viewer.width, viewer.height) == (800, 600))
        await seen(viewer)
        await typed(viewer, person.home / "smaller", "still-42")
        await asyncio.to_thread(wait_for, "the sign to move", lambda: seat.windows()[SIGN][0] < 300)


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
        remove_account(f"bog{os.getpid()}")
