"""A real screen of a real user for tests: Xvfb, openbox and xterm, all as that user; and the user's hand on it.

What is typed into the terminal is typed into a shell of the user's. ``Hand`` clicks as somebody at the machine does.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.programs.desktop import Desktop

PROGRAMS = ("Xvfb", "x11vnc", "Xvnc", "openbox", "xterm", "xrandr")
MISSING = [program for program in PROGRAMS if shutil.which(program) is None]
SKIP = os.geteuid() != 0 or bool(MISSING) if sys.platform == "linux" else True
TERMINAL = "xterm -geometry 80x20+20+80 -bg '#102040' -fg '#ffffff'"
_HAND = """
import sys, time
from Xlib import X, display
from Xlib.ext import xtest
screen = display.Display()
for line in sys.stdin:
    x, y = map(int, line.split())
    xtest.fake_input(screen, X.MotionNotify, x=x, y=y)
    for kind in (X.ButtonPress, X.ButtonRelease):
        xtest.fake_input(screen, kind, 1)
    screen.sync()
    print("done", flush=True)
"""
_WINDOWS = """
import json, sys
from Xlib import display
screen = display.Display()
root = screen.screen().root
found = []
for window in root.query_tree().children:
    name, place = window.get_wm_name(), window.get_geometry()
    if name and window.get_attributes().map_state == 2:
        found.append([name, place.x, place.y, place.width, place.height, window.id])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Person:
    """A user of this machine for the time of a test."""

    name: str
    uid: int
    gid: int
    home: Path

    def command(self, *words: str) -> list[str]:
        """The command line that runs words as this user."""
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *words]

    @property
    def environment(self) -> dict[str, str]:
        """What this user's programs have."""
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "USER": self.name, "LANG": "C.UTF-8"}

    def owns(self, path: Path) -> bool:
        """Whether a file is this user's."""
        return path.exists() and path.stat().st_uid == self.uid


@contextlib.contextmanager
def a_person(name: str, *, shell: str = "/bin/bash") -> Iterator[Person]:
    """A user with a home, taken away again at the end."""
    ground = Path(tempfile.mkdtemp(prefix="borealis-person-"))
    ground.chmod(0o755)
    home = ground / "home"
    made = subprocess.run(
        ["useradd", "--no-log-init", "-M", "-d", str(home), "-s", shell, name], capture_output=True, check=False
    )
    if made.returncode != 0:
        shutil.rmtree(ground)
        pytest.skip(f"no user can be made here: {made.stderr.decode()}")
    try:
        entry = pwd.getpwnam(name)
        home.mkdir(mode=0o700)
        os.chown(home, entry.pw_uid, entry.pw_gid)
        yield Person(name, entry.pw_uid, entry.pw_gid, home)
    finally:
        remove_account(name)
        shutil.rmtree(ground, ignore_errors=True)


def remove_account(name: str, *, seconds: float = 20.0) -> None:
    """Take an account away, once nothing of it runs any more."""
    until = time.monotonic() + seconds
    while (done := subprocess.run(["userdel", name], check=False, capture_output=True, text=True)).returncode:
        assert time.monotonic() < until, done.stderr
        time.sleep(0.2)


class Seat:
    """A person's screen, with a window manager and a terminal that has the focus."""

    def __init__(self, person: Person, desktop: Desktop) -> None:
        self.person = person
        self.desktop = desktop
        self._programs: list[subprocess.Popen[str]] = []

    @property
    def display(self) -> str:
        """As ``:7``."""
        return self.desktop.display

    def start(self, *words: str, **options: int) -> "subprocess.Popen[str]":
        """Start one of the person's programs on the screen."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        program = subprocess.Popen(
            self.person.command(*words),
            env={**self.person.environment, **self.desktop.environment},
            cwd=self.person.home,
            text=True,
            **quiet,
        )
        self._programs.append(program)
        until = time.monotonic() + 20
        while program.poll() is None and not self._began(program.pid):
            assert time.monotonic() < until, f"{words[0]} did not begin"
            time.sleep(0.02)
        return program

    def _began(self, pid: int) -> bool:
        """Whether it is the person's program by now, rather than what becomes that person."""
        folder = Path("/proc") / str(pid)
        return folder.stat().st_uid == self.person.uid and not (folder / "cmdline").read_bytes().startswith(b"setpriv")

    def click(self, x: int, y: int) -> None:
        """Click as somebody at the machine does, by XTEST."""
        done = self._python(_HAND, f"{x} {y}\n")
        assert done == "done\n", done

    def windows(self) -> dict[str, tuple[int, int, int, int]]:
        """Windows that belong to no window manager, by their title: x, y, width, height."""
        import json

        return {name: (x, y, width, height) for name, x, y, width, height, _ in json.loads(self._python(_WINDOWS))}

    def wait_window(self, title: str, *, seconds: float = 30.0) -> tuple[int, int, int, int]:
        """Wait until such a window is shown; gives where."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if (place := self.windows().get(title)) is not None:
                return place
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds:.0f} s for a window {title!r}; there are {self.windows()}")

    def end(self) -> None:
        """End the programs."""
        for program in reversed(self._programs):
            program.terminate()
            program.wait(10)

    def _python(self, code: str, told: str = "") -> str:
        """As root, with the person's cookie: nothing here is about whom it runs as."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=told,
            env={**os.environ, **self.desktop.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


@contextlib.contextmanager
def a_seat(person: Person, *, size: str = "1024x700", terminal: bool = True) -> Iterator[Seat]:
    """A screen of this person's."""
    folder = Path(tempfile.mkdtemp(prefix="borealis-seat-"))
    folder.chmod(0o755)
    try:
        with Desktop(folder, person.command, owner=(person.uid, person.gid), size=size) as desktop:
            seat = Seat(person, desktop)
            try:
                # Openbox passes over what shows itself while it starts.
                seat.start("openbox", *(("--startup", TERMINAL) if terminal else ()))
                yield seat
            finally:
                seat.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
