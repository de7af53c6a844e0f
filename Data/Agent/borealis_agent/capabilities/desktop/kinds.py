"""The kinds of desktop, each from its beginning to its end, in the keeper. Linux."""

import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from borealis_agent.capabilities.desktop import commands, signs, telling
from borealis_agent.capabilities.desktop.remains import FOLDER

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

from borealis_agent.capabilities.desktop.children import Whom  # noqa: E402
from borealis_agent.capabilities.desktop.keeper import SHOWN_SECONDS, Failed, Keeper  # noqa: E402

QUEUE: Final = 8


def ask(keeper: Keeper, start: Mapping[str, Any]) -> None:
    """Ask the user of a screen, and nothing more."""
    seconds, who, view_only = float(start["seconds"]), start["who"], start["view_only"]

    def work(writing: int) -> None:
        allowed = signs.ask(who, view_only=view_only, seconds=seconds)
        word = telling.SILENT if allowed is None else telling.ALLOWED if allowed else telling.DENIED
        os.write(writing, f"{word}\n".encode())

    heard = keeper.work(_whom(start), work)
    answer = keeper.wait_line(heard, seconds + SHOWN_SECONDS)
    if answer not in {telling.ALLOWED, telling.DENIED, telling.SILENT}:
        raise Failed(
            f"The user could not be asked ({answer.removeprefix('failed ') or 'the question was taken away'})."
        )
    keeper.tell(event="answer", answer=answer)


def screen(keeper: Keeper, start: Mapping[str, Any]) -> None:
    """Show a screen to one visitor, for as long as its user sees that somebody watches."""
    who, view_only, whom = start["who"], start["view_only"], _whom(start)

    def work(writing: int) -> None:
        sign = signs.Sign(who, view_only=view_only)
        width, height = sign.size_of_screen()
        os.write(writing, f"shown {width} {height}\n".encode())
        sign.watch()

    heard = keeper.work(whom, work)
    told = keeper.wait_line(heard)
    if not told.startswith("shown "):
        why = told.removeprefix("failed ") or "it takes no window"
        raise Failed(f"The user's screen does not show that somebody watches it ({why}), so it is not watched.")
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            end = theirs.fileno()
            pid = keeper.start(whom, start["command"], stdin=end, stdout=end)
        if not keeper.wait_readable(ours.fileno(), SHOWN_SECONDS, pid) or not ours.recv(1, socket.MSG_PEEK):
            raise Failed(f"What shows the screen could not be started ({keeper.noise() or 'it said nothing'}).")
        width, height = (int(word) for word in told.split()[1:])
        keeper.tell(event="ready", width=width, height=height)
        why = keeper.carry(ours.dup, lambda: "" if pid in keeper.running else _over(keeper), sign=heard, once=True)
    keeper.tell(event="ended", why=why)


def own(keeper: Keeper, start: Mapping[str, Any]) -> None:
    """A desktop of its own, for one visitor after another, until its session ends."""
    whom = _whom(start)
    # The account may read what is in here, but not change which files there are: it never says where we connect to.
    folder = tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-")
    keeper.folders.append(folder)
    os.chmod(folder, 0o711)  # noqa: PTH101, S103
    cookie, place = Path(folder) / "Xauthority", Path(folder) / "server"
    place.mkdir(mode=0o700)
    secret = secrets.token_bytes(16)
    _write_cookie(cookie, commands.cookie_entry(secret, ""), whom)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "socket"))
        listener.listen(QUEUE)
        reading, writing = os.pipe()
        server = commands.own_command(
            start["server"],
            cookie=str(cookie),
            title=start["title"],
            width=start["width"],
            height=start["height"],
            tell=writing,
        )
        try:
            pid = keeper.start(whom, server, stdin=listener.fileno(), passed=writing)
        finally:
            os.close(writing)
    number = keeper.wait_line(reading)
    os.close(reading)
    if not number.isdigit():
        raise Failed(f"Xvnc could not be started ({keeper.noise() or 'it said nothing'}).")
    keeper.servers[number] = pid
    _write_cookie(cookie, commands.cookie_entry(secret, number), whom)
    environment = {**whom.environment, "DISPLAY": f":{number}", "XAUTHORITY": str(cookie)}
    session, *_ = [keeper.start(Whom(whom.account, environment), each) for each in start["session"]]
    keeper.tell(event="ready", width=start["width"], height=start["height"], display=number)

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(place / "socket"))
        except OSError:
            connection.close()
            raise
        return connection

    def over() -> str:
        if pid not in keeper.running:
            return _over(keeper)
        return "" if session in keeper.running else "Its session ended."

    keeper.tell(event="ended", why=keeper.carry(connect, over))


def _over(keeper: Keeper) -> str:
    return f"What shows the desktop ended ({keeper.noise() or 'it said nothing'})."


def _write_cookie(path: Path, entry: bytes, whom: Whom) -> None:
    path.write_bytes(entry)
    path.chmod(0o600)
    if whom.account is not None:
        os.chown(path, whom.account["uid"], whom.account["gid"])


def _whom(start: Mapping[str, Any]) -> Whom:
    return Whom(start["account"], start["environment"])


KINDS: Final[Mapping[str, Callable[[Keeper, Mapping[str, Any]], None]]] = {"ask": ask, "screen": screen, "own": own}
