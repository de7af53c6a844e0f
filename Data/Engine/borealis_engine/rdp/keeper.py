"""The program that keeps one stage: an X server that speaks RFB, and in it the client that speaks RDP to a device.

Started by ``stage`` as a process of its own, by its path and with nothing but the standard library. Three layers: the
first is the Engine's child and makes the namespaces; the second is the first process in there, so when it ends, by
whatever, nothing of the stage is left, also when the Engine is killed; under it run the two programs. In there is no
file but the system's programs, no process but the stage's, and no network: the connection to the device comes as an
open socket, and the operator's leaves as one.

The request comes by standard input and holds a password; it goes on by a pipe, and is in no file, argument or variable.
What happens is told on standard output, one JSON object a line: ``connected``, then ``ended``, or ``failed``.
"""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

MAX_REQUEST_BYTES: Final = 64 * 1024
MAX_LINE_BYTES: Final = 4096
MOST_PROCESSES: Final = 96
"""Threads included."""
MOST_MEMORY: Final = 2 * 1024 * 1024 * 1024
"""Address space of each of the two programs. They use about 80 and 45 MB."""
NICENESS: Final = 5
_CONNECTED: Final = "Local framebuffer format"
"""What FreeRDP says when the device has let it in and pictures are about to come."""
_ERROR: Final = re.compile(r"\b(ERR(?:CONNECT|INFO)_[A-Z0-9_]+)")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def main(arguments: list[str]) -> int:
    """Keep a stage until it is over.

    Args:
        arguments: the folder that ``borealis_playbooks`` is in.
    """
    sys.path.insert(0, arguments[0])
    from borealis_playbooks import apart

    parent = os.getppid()
    apart.die_with_parent()
    if os.getppid() != parent:
        return 1  # the Engine was gone before
    request = json.loads(sys.stdin.buffer.read(MAX_REQUEST_BYTES))
    os.nice(NICENESS)
    try:
        apart.enter_namespaces(own_network=True)
    except (apart.CannotSetApart, OSError) as error:
        _tell("failed", detail=str(error))
        return 1
    apart.keep_to_oneself()
    hold, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        try:
            _first(request, hold)
        except (apart.CannotSetApart, OSError) as error:
            _tell("failed", detail=str(error))
        _leave(1)
    os.close(hold)
    for descriptor in (request["operator"], request["device"]):
        os.close(descriptor)  # so that the other end hears when the programs have gone
    os.write(held, b"1")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _first(request: Mapping[str, Any], hold: int) -> NoReturn:
    """The first process of the namespaces."""
    from borealis_playbooks import apart

    uid, gid = request["account"] or (os.getuid(), os.getgid())
    apart.move_in(Path(request["mountpoint"]), [], (uid, gid))
    apart.drop_rights((uid, gid), processes=MOST_PROCESSES)
    apart.die_with_parent()  # changing the account took that back
    apart.keep_to_oneself()
    if os.read(hold, 1) != b"1":
        _leave(1)  # the parent ended before it could be noticed
    os.close(hold)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    environment = {"PATH": _PATH, "HOME": str(apart.ROOM), "LC_ALL": "C.UTF-8"}
    display = _start_server(request, environment)
    os.close(request["operator"])
    ours, theirs = os.openpty()  # to a pipe it would speak in blocks of 4 kB, and "connected" would come late
    with subprocess.Popen(
        request["client"],
        env={**environment, "DISPLAY": display},
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        pass_fds=(request["device"],),
    ) as client:
        os.close(theirs)
        os.close(request["device"])
        assert client.stdin is not None
        client.stdin.write(request["password"].encode() + b"\n")
        client.stdin.close()
        error = _listen(ours)
    _tell("ended", status=client.returncode, error=error)
    _leave(0)


def _start_server(request: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Start the X server; gives the display once clients may come."""
    told, tell = os.pipe()
    subprocess.Popen(
        [*request["server"], "-displayfd", str(tell)],
        env=environment,
        stdin=request["operator"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(tell,),
    )
    os.close(tell)
    with os.fdopen(told) as answer:
        number = answer.readline().strip()
    if not number.isdecimal():
        raise OSError("the X server did not start")
    return f":{number}"


def _listen(terminal: int) -> str:
    """Hear what the client says until it has ended; gives the name of its last error."""
    error, rest, is_connected = "", b"", False
    while True:
        try:
            data = os.read(terminal, MAX_LINE_BYTES)
        except OSError:  # nobody has the other side of the terminal any more
            return error
        if not data:
            return error
        *lines, rest = (rest + data).split(b"\n")
        rest = rest[-MAX_LINE_BYTES:]
        for raw in lines:
            line = raw.decode("utf-8", "replace")
            if not is_connected and _CONNECTED in line:
                is_connected = True
                _tell("connected")
            if (found := _ERROR.search(line)) is not None:
                error = found[1]


def _tell(event: str, **members: Any) -> None:
    os.write(1, json.dumps({"event": event, **members}).encode() + b"\n")


def _leave(code: int) -> NoReturn:
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
