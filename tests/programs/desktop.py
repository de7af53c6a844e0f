"""A desktop for tests: an X server of one user's with a cookie, and programs of that user's on it."""

import os
import secrets
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

SERVER = shutil.which("Xvfb")
Command = Callable[..., list[str]]


class Desktop:
    """Xvfb, started and seen by ``as_user(*words)``, the command line that runs words as that user."""

    def __init__(self, folder: Path, as_user: Command, *, owner: tuple[int, int], size: str = "1280x720") -> None:
        self._folder = folder
        self._as_user = as_user
        self._size = size
        self.cookie_file = folder / "Xauthority"
        self._cookie = secrets.token_bytes(16)
        self.cookie_file.write_bytes(_entry(self._cookie, b""))
        self.cookie_file.chmod(0o600)
        os.chown(self.cookie_file, *owner)
        self._programs: list[subprocess.Popen[str]] = []
        self.display = ""

    def __enter__(self) -> Self:
        ours, theirs = os.pipe()
        words = [str(SERVER), "-displayfd", str(theirs), "-screen", "0", f"{self._size}x24", "-nolisten", "tcp"]
        words += ["-auth", str(self.cookie_file)]
        self._programs.append(
            subprocess.Popen(
                self._as_user(*words),
                pass_fds=(theirs,),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        os.close(theirs)
        with os.fdopen(ours) as told:
            number = told.readline().strip()
        self.display = f":{number}"
        self.cookie_file.write_bytes(_entry(self._cookie, number.encode()))
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self._programs):
            program.terminate()
            program.wait(10)
            for pipe in (program.stdin, program.stdout):
                if pipe is not None:
                    pipe.close()

    @property
    def server_pid(self) -> int:
        """The X server."""
        return self._programs[0].pid

    @property
    def environment(self) -> dict[str, str]:
        """What the user's programs have."""
        return {"DISPLAY": self.display, "XAUTHORITY": str(self.cookie_file)}

    def show(self, words: Sequence[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
        """Start a program on it and wait until it says that it is shown."""
        program = subprocess.Popen(
            self._as_user(*words),
            env={**environment, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._programs.append(program)
        assert program.stdout is not None
        assert program.stdout.readline().strip() == "shown"
        return program


def _entry(cookie: bytes, number: bytes) -> bytes:
    """An entry of an Xauthority file, as sign-in programs write it: for a display of this machine."""
    parts = (socket.gethostname().encode(), number, b"MIT-MAGIC-COOKIE-1", cookie)
    return struct.pack(">H", 256) + b"".join(struct.pack(">H", len(part)) + part for part in parts)
