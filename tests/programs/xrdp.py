"""A real xrdp on loopback with a port, a certificate and files of its own, and a real account that signs in there.

Started and ended by pid. xrdp reads the port of its session manager from the installed ``sesman.ini``, so there is one
session manager on a machine; whoever starts a second one waits until the first has ended.
"""

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from tests.programs.programs import free_port, wait_for

AVAILABLE = os.name == "posix" and os.geteuid() == 0 and shutil.which("xrdp") is not None
BACKGROUND = (0x20, 0x30, 0x40)
START = f"""#!/bin/sh
exec xterm -geometry 220x80+0+0 -bg '#{bytes(BACKGROUND).hex()}' -fg white
"""
SESMAN_LOCK = Path("/run/lock/borealis-test-xrdp")


class Xrdp:
    """A server with one account; a context, at whose end nothing of it is left.

    ``namespace``: of the network that it is in, where it listens on every address, as servers of devices do.
    """

    def __init__(self, folder: Path, *, namespace: str = "", port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._address = "0.0.0.0" if namespace else "127.0.0.1"
        self._before = ["ip", "netns", "exec", namespace] if namespace else []
        self.user = f"borrdp{secrets.token_hex(3)}"
        self.password = f"pass word-{secrets.token_hex(6)}'\"%$"
        self.home = Path(tempfile.mkdtemp(prefix="borealis-home-"))
        self._programs: list[subprocess.Popen[bytes]] = []
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        SESMAN_LOCK.parent.mkdir(exist_ok=True)
        self._lock = SESMAN_LOCK.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._make_account()
            self.new_certificate()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self.end_sessions()
        subprocess.run(["userdel", self.user], check=False, capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    @property
    def uid(self) -> int:
        """The account's number."""
        return pwd.getpwnam(self.user).pw_uid

    def new_certificate(self) -> None:
        """Another certificate; a running server shows it to the next who comes."""
        place = str(self.folder)
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
        subprocess.run(
            [*command, "-keyout", f"{place}/key.pem", "-out", f"{place}/cert.pem"], check=True, capture_output=True
        )

    def processes(self) -> list[int]:
        """What runs as the account."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if folder.stat().st_uid == self.uid:
                    found.append(int(folder.name))
        return found

    def end_sessions(self) -> None:
        """A session lives on when its client goes: end everything of the account, by pid."""
        deadline = time.monotonic() + 10
        with contextlib.suppress(KeyError):
            while (left := self.processes()) and time.monotonic() < deadline:
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
            # What was killed could not tidy up, and the session manager has forty displays in all.
            for place in (*Path("/tmp").glob(".X*-lock"), *Path("/tmp/.X11-unix").glob("X*")):
                with contextlib.suppress(FileNotFoundError):
                    if place.lstat().st_uid == self.uid:
                        place.unlink()

    def log(self) -> str:
        """What the servers said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _make_account(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["useradd", "--no-create-home", "--home-dir", str(self.home), "--shell", "/bin/bash", self.user]
        subprocess.run(command, check=True, capture_output=True)
        subprocess.run(["chpasswd"], input=f"{self.user}:{self.password}\n", text=True, check=True, capture_output=True)
        start = self.home / "startwm.sh"
        start.write_text(START)
        start.chmod(0o755)
        account = pwd.getpwnam(self.user)
        for path in (self.home, start):
            os.chown(path, account.pw_uid, account.pw_gid)

    def _start(self) -> None:
        sockets = Path("/run/xrdp/sockdir")
        sockets.mkdir(parents=True, exist_ok=True)
        sockets.chmod(0o3777)
        sesman = _changed(Path("/etc/xrdp/sesman.ini"), {"LogFile": f"{self.folder}/sesman.log", "EnableSyslog": "0"})
        changes = {
            "fork": "false",
            "port": f"tcp://{self._address}:{self.port}",
            "LogFile": f"{self.folder}/xrdp.log",
            "EnableSyslog": "0",
            "certificate": f"{self.folder}/cert.pem",
            "key_file": f"{self.folder}/key.pem",
            "security_layer": "tls",
        }
        xrdp = _changed(Path("/etc/xrdp/xrdp.ini"), changes)
        for name, text in (("sesman.ini", sesman), ("xrdp.ini", xrdp)):
            (self.folder / name).write_text(text)
        for name in ("xrdp-sesman", "xrdp"):
            config = self.folder / f"{name.removeprefix('xrdp-')}.ini"
            with (self.folder / f"{name}.out.log").open("ab") as out:
                command = [*self._before, f"/usr/sbin/{name}", "-n", "-c", str(config)]
                self._programs.append(
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder)
                )
        both = (self.port, 3350)
        wait_for("xrdp", lambda: all(listens(port, self._before) for port in both) or None, seconds=20)

    def _stop(self) -> None:
        for program in reversed(self._programs):
            program.terminate()
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        self._programs.clear()


def _changed(source: Path, changes: dict[str, str]) -> str:
    lines, seen = [], set()
    for line in source.read_text().splitlines():
        name = line.partition("=")[0].strip()
        if name in changes and (name not in seen or name in {"LogFile", "EnableSyslog"}):
            seen.add(name)
            lines.append(f"{name}={changes[name]}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def listens(port: int, before: Sequence[str] = ()) -> bool:
    """Whether somebody listens there; ``before``: what brings a command to where it is."""
    tables = [*before, "cat", "/proc/net/tcp", "/proc/net/tcp6"]
    told = subprocess.run(tables, capture_output=True, text=True, check=False).stdout
    rows = [line.split() for line in told.splitlines()]
    return any(row[3] == "0A" and row[1].endswith(f":{port:04X}") for row in rows if len(row) > 3)
