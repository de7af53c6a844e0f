"""A playbook for a machine without an agent, in a process of the Engine's machine that can reach nothing of the Engine.

Three processes. The first is the Engine's child; it makes the namespaces. The second is the first of them in there, so
when it ends, by whatever, nothing is left of the playbook: the system sees to that, also when the Engine is killed. It
installs Ansible if need be. The third moves into its own file system, drops every right and becomes ``play``.

The request comes by standard input and goes on by a file in memory: it holds secrets. Runs under the Engine's
interpreter with nothing but the standard library.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from borealis_playbooks import apart, environment
from borealis_playbooks.launch import write_recap

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

NOT_INSTALLED: Final = 69
"""Exit code: Ansible is not there and could not be had (sysexits: EX_UNAVAILABLE)."""
NOT_READY: Final = 78
"""Exit code: this machine lets no playbook be set apart (sysexits: EX_CONFIG)."""
MAX_REQUEST_BYTES: Final = 32 * 1024 * 1024
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    " from borealis_playbooks.play import main_elsewhere; sys.exit(main_elsewhere(sys.argv[1:]))"
)
_CODE_ROOT: Final = Path(__file__).resolve().parents[1]


def main() -> int:
    """Play what standard input asks for; gives Ansible's exit code, or one of the above."""
    parent = os.getppid()
    apart.die_with_parent()
    if os.getppid() != parent:
        return 1  # the Engine was gone before
    request = json.loads(sys.stdin.buffer.read(MAX_REQUEST_BYTES))
    try:
        apart.enter_namespaces()
    except (apart.CannotSetApart, OSError) as error:
        return _give_up(request, str(error), NOT_READY)
    hold, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        _leave(_first(request, hold))
    os.close(hold)
    os.write(held, b"1")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _first(request: Mapping[str, Any], hold: int) -> int:
    """The first process of the namespace."""
    apart.die_with_parent()
    if os.read(hold, 1) != b"1":
        return 1  # the parent ended before it could be noticed
    apart.keep_to_oneself()
    try:
        ansible = _ansible(request)
    except (environment.CannotInstall, OSError) as error:
        told = str(error) if isinstance(error, environment.CannotInstall) else f"Ansible cannot be installed: {error}."
        return _give_up(request, told, NOT_INSTALLED)
    child = os.fork()
    if child == 0:
        try:
            _become(request, ansible)
        except (apart.CannotSetApart, OSError) as error:
            _leave(_give_up(request, str(error), NOT_READY))
    while True:  # whatever loses its parent in here becomes this one's child, and wants to be waited for
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def _ansible(request: Mapping[str, Any]) -> Path:
    folder = Path(request["environments"])
    os.umask(0o022)  # who plays has no rights, and has to read it; the folder around it lets nobody else in
    # Its programs name their interpreter by the path under which they were made.
    path = environment.ensure_environment(folder, environment.lock_file(), say=_say).resolve()
    if request["target"]["connection"] != "ssh":
        environment.ensure_addition(path, environment.lock_file("ansible-windows.txt"), say=_say)
    return path


def _become(request: Mapping[str, Any], ansible: Path) -> NoReturn:
    python = ansible / "bin" / "python"
    told = os.memfd_create("request")
    os.write(told, json.dumps(dict(request)).encode())
    os.lseek(told, 0, os.SEEK_SET)
    os.set_inheritable(told, True)
    os.set_inheritable(request["recap_fd"], True)
    base = Path(os.path.realpath(python)).parents[1]
    apart.move_in(Path(request["mountpoint"]), [ansible, _CODE_ROOT / "borealis_playbooks", base])
    apart.drop_rights()
    command = [str(python), "-I", "-u", "-X", "utf8", "-c", _CODE, str(_CODE_ROOT), str(told), str(ansible)]
    path = f"{ansible / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    os.execve(command[0], command, {"PATH": path, "HOME": str(apart.ROOM), "LC_ALL": "C.UTF-8"})  # noqa: S606


def _give_up(request: Mapping[str, Any], sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr, flush=True)
    write_recap(request["recap_fd"], {"hosts": {}, "tasks": [], "problem": sentence})
    return code


def _say(text: str) -> None:
    print(text, flush=True)


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if 0 <= code < 256 else 1)
