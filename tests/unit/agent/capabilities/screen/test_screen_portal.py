"""A Wayland desktop is asked by its portal, over a real session bus; a stand-in for it answers with files."""

import asyncio
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

if sys.platform != "linux":
    pytest.skip("Wayland is Linux's", allow_module_level=True)

from PIL import Image

from borealis_agent.capabilities.screen import portal
from borealis_agent.capabilities.screen.child import CannotLook, EyeProcess
from borealis_agent.capabilities.screen.eye import Eye
from borealis_base.tasks import Supervisor

DAEMON = shutil.which("dbus-daemon")
STAND_IN = Path(__file__).parents[4] / "programs" / "portal_stand_in.py"
pytestmark = pytest.mark.skipif(DAEMON is None, reason="needs dbus-daemon")
ORANGE, BLUE = (255, 128, 0), (0, 64, 192)
PICTURE = {"op": "picture", "monitor": 1, "region": None, "format": "png", "quality": 80}


def line_of(stream: "IO[str] | None") -> str:
    assert stream is not None
    return stream.readline().strip()


@contextmanager
def session_bus() -> Iterator[str]:
    words = [str(DAEMON), "--session", "--nofork", "--print-address=1"]
    daemon = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield line_of(daemon.stdout)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=10)


@contextmanager
def desktop(answer: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    words = [sys.executable, str(STAND_IN), answer, str(folder)]
    program = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert line_of(program.stdout) == "ready"
        yield program
    finally:
        program.terminate()
        program.communicate(timeout=10)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with session_bus() as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        monkeypatch.setenv("XDG_SESSION_TYPE", "wayland")
        yield address


def asked(**changes: Any) -> tuple[dict[str, Any], bytes]:
    return Eye().answer({**PICTURE, **changes})


def test_a_picture_is_the_desktops_and_its_file_is_removed(bus: str, tmp_path: Path) -> None:
    with desktop("granted", tmp_path) as program:
        about, data = asked()
        assert about == {"x": 0, "y": 0, "width": 320, "height": 200}
        assert Image.open(io.BytesIO(data)).convert("RGB").getpixel((100, 100)) == ORANGE
        assert line_of(program.stdout) == "Screenshot"
        about, data = asked(region={"x": 5, "y": 5, "width": 20, "height": 900}, monitor=0)
        assert about == {"x": 5, "y": 5, "width": 20, "height": 195}
        cut = Image.open(io.BytesIO(data)).convert("RGB")
        assert (cut.getpixel((0, 0)), cut.getpixel((8, 8))) == (BLUE, ORANGE)
        assert "outside" in asked(region={"x": 999, "y": 0, "width": 1, "height": 1})[0]["error"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("denied", portal.DENIED),
        ("ended", portal.FAILED),
        ("elsewhere", "no file"),
        ("broken", "named no picture"),
        ("link", "named no picture"),
    ],
)
def test_no_picture_is_said_in_words(bus: str, tmp_path: Path, answer: str, sentence: str) -> None:
    with desktop(answer, tmp_path):
        about, data = asked()
    assert sentence in about["error"]
    assert data == b""
    assert not (tmp_path / "Screen shot.png").is_file() or answer == "link"
    assert answer != "link" or (tmp_path / "target.png").exists()


def test_nobody_who_answers_is_waited_for_and_the_question_taken_back(bus: str, tmp_path: Path) -> None:
    with desktop("silent", tmp_path) as program:
        with pytest.raises(portal.PortalError, match="nobody answered in 0 s"):
            portal.take_picture(seconds=0.3)
        assert [line_of(program.stdout), line_of(program.stdout)] == ["Screenshot", "Close"]


def test_a_desktop_without_a_portal_and_a_session_without_a_bus_say_so(
    bus: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert asked()[0]["error"] == portal.NO_PORTAL
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    assert asked()[0]["error"] == portal.NO_BUS


def test_what_a_portal_cannot_show_is_said(bus: str) -> None:
    assert asked(monitor=2)[0]["error"] == portal.ONE_PICTURE
    assert asked(op="frame", fresh=True)[0]["error"] == portal.NOT_LIVE
    assert asked(op="list") == ({"monitors": [], "windows": [], "note": portal.NOT_LISTED}, b"")


async def test_the_agents_child_asks_once_and_a_denial_is_final(bus: str, tmp_path: Path) -> None:
    def environment() -> dict[str, str]:
        return {name: os.environ[name] for name in ("PATH", "DBUS_SESSION_BUS_ADDRESS", "XDG_SESSION_TYPE")}

    calls: Callable[[IO[str] | None], Any] = lambda stream: asyncio.to_thread(line_of, stream)  # noqa: E731
    with desktop("denied", tmp_path) as program:
        async with Supervisor() as tasks:
            eye = EyeProcess(tasks.start, screen=environment)
            for _ in range(2):
                with pytest.raises(CannotLook, match="did not allow"):
                    await eye.ask(PICTURE)
            await eye.close()
            tasks.cancel_all()
        assert [await calls(program.stdout) for _ in range(2)] == ["Screenshot"] * 2
        program.terminate()
        assert await calls(program.stdout) == "", "somebody was asked more often than an operator asked"
