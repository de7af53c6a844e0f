"""What the process does that carries out one order: becomes the account, does it, and ends.

Told what to do by a line of JSON on its standard input, which stays open as long as the agent lives: when it closes,
the process ends. Says how it went by a line on its standard output.
"""

import base64
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import threading
from typing import Any, Final

from borealis_agent.capabilities.files.accounts import Account
from borealis_agent.capabilities.files.faults import FileFault, fault_of
from borealis_agent.capabilities.files.here import Place
from borealis_agent.capabilities.files.looking import do_small, tell_folder
from borealis_agent.capabilities.files.reading import send_file
from borealis_agent.capabilities.files.wire import Connection
from borealis_agent.capabilities.files.writing import take_file
from borealis_wire.files import FileAction, FileRefusal, FilesOrder, parse_files
from borealis_wire.lines import BadLine

SWEEP: Final = "sweep"
_PR_SET_PDEATHSIG: Final = 1


def serve() -> int:
    """Carry out what standard input says."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            return 1
        line += piece
    start = json.loads(line)
    threading.Thread(target=_end_with_agent, name="life line", daemon=True).start()
    account = Account(**start["account"])
    become(account)
    order = parse_files(json.dumps(start["order"]).encode())
    wary = sys.platform != "win32" and os.geteuid() == 0
    if start["what"] == SWEEP:
        with contextlib.suppress(OSError, FileFault), Place.find(order.path, account.home, wary=wary) as place:
            place.drop_partial(order.transfer_id)
        return 0
    with _socket_of(start) as connection:
        outcome = carry_out(order, account, Connection(connection), wary=wary)
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()
    return 0


def carry_out(order: FilesOrder, account: Account, connection: Connection, *, wary: bool) -> dict[str, Any]:
    """Do what an order says, and tell the other side; gives ``reason`` and ``detail`` for the agent's log."""
    shown = order.path or account.home
    try:
        try:
            with Place.find(order.path, account.home, wary=wary) as place:
                shown = place.shown
                _do(order, place, connection, {"path": place.shown, "user": account.name})
        except ConnectionError as error:
            return {"reason": "cut", "detail": str(error)}
        except TimeoutError:
            return {"reason": "cut", "detail": "nothing came or went for a while"}
        except OSError as error:
            raise fault_of(error, shown, account.name) from error
    except FileFault as fault:
        text = str(fault).encode("utf-8", "replace").decode("utf-8")
        connection.last_word("refused", reason=fault.reason.value, detail=text)
        return {"reason": fault.reason.value, "detail": text}
    except BadLine as error:
        connection.last_word("refused", reason=FileRefusal.FAILED.value, detail=str(error))
        return {"reason": "malformed", "detail": str(error)}
    return {"reason": "", "detail": ""}


def _do(order: FilesOrder, place: Place, connection: Connection, told: dict[str, Any]) -> None:
    told["path"] = told["path"].encode("utf-8", "replace").decode("utf-8")
    if order.action is FileAction.LIST:
        tell_folder(place, connection, told)
    elif order.action is FileAction.READ:
        send_file(place, order, connection, told)
    elif order.action is FileAction.WRITE:
        take_file(place, order, connection, told)
        connection.last_word("done", size=order.size)
    else:
        do_small(place, order, connection, told)


def become(account: Account) -> None:
    """Be this account from now on, with its groups and no way back. Raises ``OSError``."""
    if sys.platform == "win32":
        return
    os.umask(0o022)
    if account.uid >= 0:
        os.initgroups(account.name, account.gid)
        os.setgid(account.gid)
        os.setuid(account.uid)
    if sys.platform == "linux":
        # After the change of account, which takes this back.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _socket_of(start: dict[str, Any]) -> socket.socket:
    if sys.platform == "win32":
        return socket.fromshare(base64.b64decode(start["share"]))
    return socket.socket(fileno=int(start["descriptor"]))


def _end_with_agent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)
