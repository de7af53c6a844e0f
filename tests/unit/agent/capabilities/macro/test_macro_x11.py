"""The hand on a real X server, with real windows that say what reaches them."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.programs.desktop import SERVER, Desktop
from tests.programs.programs import wait_for

from borealis_agent.capabilities.macro.child import HandProcess
from borealis_agent.capabilities.macro.hand import LEAVE_SECONDS, Typist

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or SERVER is None, reason="needs Xvfb"),
]
PROGRAM = Path(__file__).parents[4] / "programs" / "typed.py"
LOST, GRABBED, HELD = "does not have the focus", "Another program has the keyboard", "holds Ctrl"
CAPS_LOCK, SHIFT_L, CTRL_L, ALT_GR = 0xFFE5, 0xFFE1, 0xFFE3, 0xFE03


def hands() -> list[int]:
    """The processes of ours that type."""
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it is just ending
            if "macro.hand" in " ".join(one.cmdline()):
                found.append(one.pid)
    return found


class Window:
    """A window, and the characters that reached it."""

    def __init__(self, desktop: Desktop, title: str) -> None:
        self._program: Any = desktop.show([sys.executable, str(PROGRAM), title], dict(os.environ))
        self.said: list[dict[str, Any]] = []
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        for line in self._program.stdout:
            self.said.append(json.loads(line))

    def __call__(self, line: str) -> None:
        count = len(self.said)
        self._program.stdin.write(f"{line}\n")
        self._program.stdin.flush()
        wait_for(line, lambda: {"done": line} in self.said[count:])

    def heard(self) -> str:
        """What was typed since it was last asked, once what is on its way has arrived."""
        self("sync")
        keys = [one["key"] for one in self.said if "key" in one]
        ups = sum("up" in one for one in self.said)
        assert len(keys) == ups, "no key stays down"
        self.said.clear()
        return "".join(chr(key & 0xFFFFFF) for key in keys if key not in {CAPS_LOCK, SHIFT_L, CTRL_L, ALT_GR})


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    folder = tmp_path_factory.mktemp("x")
    with (
        pytest.MonkeyPatch.context() as patch,
        Desktop(folder, lambda *words: list(words), owner=(os.getuid(), os.getgid())) as desktop,
    ):
        for name, value in desktop.environment.items():
            patch.setenv(name, value)
        yield desktop


@pytest.fixture(scope="module")
def pair(desktop: Desktop) -> tuple[Window, Window]:
    return Window(desktop, "Alpha"), Window(desktop, "Beta")


@pytest.fixture
def windows(pair: tuple[Window, Window]) -> tuple[Window, Window]:
    for window in pair:
        window.heard()
    return pair


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def do(desktop: Desktop, stop: threading.Event) -> Iterator[Callable[..., str]]:
    """Type, and give the complaint."""
    typist = Typist(stop.is_set)

    def ask(*, title: str = "", take: bool = True, **what: str) -> str:
        return str(typist.answer({"handle": 0, "title": title, "take": take, **what}).get("error", ""))

    yield ask
    typist.close()


def test_every_script_arrives_also_what_the_layout_lacks(
    do: Callable[..., str], windows: tuple[Window, Window]
) -> None:
    alpha, beta = windows
    text = "Zoë: ~@#{} ÄÖÜß € ЖЩ 漢字 ελ 🙂"
    assert do(title="alpha", text=text) == ""
    assert (alpha.heard(), beta.heard()) == (text, "")


def test_more_characters_than_there_are_spare_keys(do: Callable[..., str], windows: tuple[Window, Window]) -> None:
    text = "".join(map(chr, range(0x400, 0x430))) * 2
    assert do(title="Beta", text=text) == ""
    assert windows[1].heard() == text


@pytest.mark.parametrize("layout", ["de", "fr", "ru,us", "us"])
def test_a_text_is_the_same_on_any_keyboard(
    do: Callable[..., str], desktop: Desktop, windows: tuple[Window, Window], layout: str
) -> None:
    subprocess.run(["setxkbmap", "-layout", layout], env={**os.environ, **desktop.environment}, check=True)
    text = "hello 1 @~{[ß Ж €"
    assert do(title="Alpha", text=text) == ""
    assert windows[0].heard() == text


def test_the_keyboard_is_as_it_was(desktop: Desktop) -> None:
    from Xlib import display

    screen = display.Display()
    before = screen.get_keyboard_mapping(8, 248)
    typist = Typist(lambda: False)
    assert typist.answer({"handle": 0, "title": "Alpha", "take": True, "text": "жé漢"}) == {}
    assert screen.get_keyboard_mapping(8, 248) != before
    typist.close()
    after = screen.get_keyboard_mapping(8, 248)
    screen.close()
    assert [tuple(row) for row in after] == [tuple(row) for row in before]


def test_caps_lock_is_on_again_afterwards_and_changed_nothing(
    do: Callable[..., str], windows: tuple[Window, Window]
) -> None:
    alpha, _ = windows
    assert do(title="Alpha", keys="caps_lock") == ""
    assert do(title="Alpha", text="aÜb") == ""
    assert do(title="Alpha", keys="x") == ""
    alpha("sync")
    states = [one["state"] for one in alpha.said if one.get("key") == CAPS_LOCK]
    assert states.count(2) == 4, "it was on before each key"
    assert alpha.heard() == "aÜbx"
    assert do(title="Alpha", keys="Caps_Lock") == ""
    alpha.heard()


@pytest.mark.parametrize("what", [{"text": "abc"}, {"keys": "Enter"}])
def test_rejects_a_window_that_lost_the_focus(
    do: Callable[..., str], windows: tuple[Window, Window], what: dict[str, str]
) -> None:
    alpha, beta = windows
    assert do(title="Alpha", keys="a") == ""
    beta("focus")
    assert LOST in do(title="Alpha", take=False, **what)
    assert (alpha.heard(), beta.heard()) == ("a", "")


def test_rejects_a_focus_that_is_lost_in_the_middle_of_a_text(
    do: Callable[..., str], windows: tuple[Window, Window]
) -> None:
    alpha, beta = windows
    complaints: list[str] = []
    typing = threading.Thread(target=lambda: complaints.append(do(title="Alpha", text="a" * 4000)))
    typing.start()
    wait_for("the beginning", lambda: len(alpha.said) > 40)
    beta("focus")
    typing.join(30)
    assert LOST in complaints[0]
    assert 10 < len(alpha.heard()) < 4000
    assert beta.heard() == ""


def test_rejects_a_keyboard_that_another_program_has(do: Callable[..., str], windows: tuple[Window, Window]) -> None:
    alpha, beta = windows
    beta("grab")
    assert GRABBED in do(title="Alpha", text="abc")
    beta("free")
    assert (alpha.heard(), beta.heard()) == ("", "")
    assert do(title="Alpha", text="abc") == ""
    assert alpha.heard() == "abc"


def test_rejects_to_type_while_somebody_holds_a_modifier_and_waits_for_its_end(
    do: Callable[..., str], windows: tuple[Window, Window]
) -> None:
    from Xlib import X, display
    from Xlib.ext import xtest

    alpha, _ = windows
    assert do(title="Alpha", keys="a") == ""
    screen = display.Display()
    ctrl = screen.keysym_to_keycode(CTRL_L)
    xtest.fake_input(screen, X.KeyPress, ctrl)
    screen.sync()
    assert HELD in do(title="Alpha", keys="b")
    release = threading.Timer(0.3, lambda: (xtest.fake_input(screen, X.KeyRelease, ctrl), screen.sync()))
    release.start()
    assert do(title="Alpha", keys="c") == ""
    release.join()
    screen.close()
    assert alpha.heard() == "ac"


def test_a_modifier_that_is_named_and_needed_is_pressed_once(
    do: Callable[..., str], windows: tuple[Window, Window]
) -> None:
    alpha, _ = windows
    assert do(title="Alpha", keys="Ctrl+Shift+?") == ""
    alpha("sync")
    assert [one["key"] for one in alpha.said if "key" in one] == [CTRL_L, SHIFT_L, ord("?")]
    assert alpha.heard() == "?"


def test_whatever_has_the_focus_is_meant_where_no_window_is_named(
    do: Callable[..., str], windows: tuple[Window, Window]
) -> None:
    alpha, beta = windows
    for window in (alpha, beta):
        window("focus")
        assert do(text="here") == ""
        assert window.heard() == "here"


def test_rejects_windows_that_are_not_there(
    do: Callable[..., str], desktop: Desktop, windows: tuple[Window, Window]
) -> None:
    gone = Window(desktop, "Gone")
    assert do(title="Gone", keys="a") == ""
    gone("close")
    assert "not there any more" in do(title="Gone", take=False, keys="a")
    assert "no window with 'Gone'" in do(title="Gone", keys="a")
    assert all(window.heard() == "" for window in windows)


def test_it_stops_between_two_keys(
    do: Callable[..., str], windows: tuple[Window, Window], stop: threading.Event
) -> None:
    alpha, _ = windows
    complaints: list[str] = []
    typing = threading.Thread(target=lambda: complaints.append(do(title="Alpha", text="b" * 4000)))
    typing.start()
    wait_for("the beginning", lambda: len(alpha.said) > 40)
    stop.set()
    began = time.monotonic()
    typing.join(30)
    assert time.monotonic() - began < 2
    assert complaints == ["It was stopped."]
    assert 10 < len(alpha.heard()) < 4000


async def test_survives_a_screen_that_stands_still_and_leaves_no_process(tmp_path: Path) -> None:
    with Desktop(tmp_path, lambda *words: list(words), owner=(os.getuid(), os.getgid())) as still:
        hand = HandProcess(screen=lambda: {**still.environment, "PATH": os.environ["PATH"]})
        window = Window(still, "Frozen")
        os.kill(still.server_pid, signal.SIGSTOP)
        try:
            asking = asyncio.ensure_future(hand.ask({"handle": 0, "title": "Frozen", "take": True, "text": "abc"}))
            async with asyncio.timeout(10):
                while not hands():
                    await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.wait([asking], timeout=LEAVE_SECONDS + 5)
            assert asking.cancelled()
            assert not hands()
        finally:
            os.kill(still.server_pid, signal.SIGCONT)
        assert window.heard() == ""


def test_rejects_numbers_that_are_no_window(desktop: Desktop, stop: threading.Event) -> None:
    typist = Typist(stop.is_set)
    for number in (1, 2**29 - 1, 2**29, 2**53 - 1):
        answer = typist.answer({"handle": number, "title": "", "take": True, "text": "abc"})
        assert answer == {"error": "The window is not there any more."}, number
    typist.close()
