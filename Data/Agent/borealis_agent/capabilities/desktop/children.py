"""Starts what a desktop consists of, as its user, from the keeper: nothing else runs in that process. Linux."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

from borealis_agent.capabilities.shell.keeper import prctl  # noqa: E402

_PR_SET_PDEATHSIG: Final = 1
_SIGNALS: Final = (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD)


@dataclass(frozen=True, slots=True)
class Whom:
    """As whom something runs, and with which environment. ``account``: name, uid, gid; None: as we run ourselves."""

    account: Mapping[str, Any] | None
    environment: Mapping[str, str]

    @property
    def home(self) -> str:
        """Where its programs begin."""
        return self.environment.get("HOME", "/")


def start_program(
    whom: Whom, command: Sequence[str], *, stdin: int = -1, stdout: int = -1, stderr: int = -1, passed: int = -1
) -> int:
    """Start a program in a session of its own; gives its number.

    Args:
        whom: as whom.
        command: the program's full path and its words.
        stdin: its standard input; -1: nothing. ``stdout``, ``stderr`` likewise.
        passed: a further descriptor that it gets under the same number.

    Raises:
        OSError: it cannot be started.
    """
    reading, writing = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            _become(whom)
            for number, given in enumerate((stdin, stdout, stderr)):
                os.dup2(given if given >= 0 else nothing, number)
            if passed >= 0:
                os.set_inheritable(passed, True)
            os.execve(command[0], list(command), dict(whom.environment))  # noqa: S606
        except BaseException as error:  # noqa: BLE001  # nothing of the keeper's may go on in the child
            with contextlib.suppress(OSError):
                os.write(writing, str(error).encode()[:1000])
        finally:
            os._exit(127)
    os.close(writing)
    os.close(nothing)
    with os.fdopen(reading, "rb") as failure:
        said = failure.read()
    if said:
        os.waitpid(pid, 0)
        raise OSError(said.decode("utf-8", "replace"))
    return pid


def start_work(whom: Whom, work: Callable[[int], None]) -> tuple[int, int]:
    """Do ``work`` in a process of its own, with where to write to; gives its number and where that can be read.

    What it needs is imported before it becomes anybody else: the agent's code need not be readable for everybody.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work(whom, work, writing)
    os.close(writing)
    return pid, reading


def _work(whom: Whom, work: Callable[[int], None], writing: int) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        import Xlib.display
        import Xlib.ext.shape
        import Xlib.support.unix_connect
        import Xlib.xauth  # noqa: F401

        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        # Nothing of the keeper's stays open here, least of all its channel.
        for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            if number > 2 and number != writing:
                with contextlib.suppress(OSError):
                    os.close(number)
        _become(whom)
        os.environ.clear()
        os.environ.update(whom.environment)
        work(writing)
        status = 0
    except BaseException as error:  # noqa: BLE001  # as above
        with contextlib.suppress(OSError):
            os.write(writing, f"failed {type(error).__name__}: {error}\n".encode()[:1000])
    finally:
        os._exit(status)


def _become(whom: Whom) -> None:
    os.setsid()
    if whom.account is not None:
        os.initgroups(whom.account["name"], whom.account["gid"])
        os.setgid(whom.account["gid"])
        os.setuid(whom.account["uid"])
    os.umask(0o022)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # Should the keeper itself be killed, its children end in good order: x11vnc gives its shared memory back.
    # After the change of account, which takes this back.
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        os.chdir(whom.home)
    except OSError:
        os.chdir("/")
