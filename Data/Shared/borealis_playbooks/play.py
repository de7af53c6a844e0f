"""Plays one playbook with ansible-runner, in the run's own process, under the interpreter of Ansible's environment."""

import base64
import importlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from borealis_playbooks import target as targets
from borealis_playbooks.launch import REQUEST_FILE, keep_recap, write_recap
from borealis_playbooks.recap import RecapKeeper
from borealis_playbooks.telling import Masking, text_of

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

RECAP_SECONDS: Final = 1.0
NOT_THE_MACHINE: Final = 77
"""Exit code: the machine is not the one that was confirmed; nothing was sent to it (sysexits: EX_NOPERM)."""
NOT_READY: Final = 78
"""Exit code: the play could not begin (sysexits: EX_CONFIG)."""
NO_SSH: Final = "The Engine's machine has no ssh: apt-get install openssh-client, then run the playbook again."
_SYSTEM_PYTHONS: Final = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")


def main(arguments: Sequence[str]) -> int:
    """Play it on this machine: arguments are the playbook and Ansible's environment; gives Ansible's exit code."""
    playbook, environment = Path(arguments[0]), Path(arguments[1])
    folder = playbook.parent
    path = folder / REQUEST_FILE
    request = json.loads(path.read_bytes())
    path.unlink()  # it may hold secrets, and modules of the playbook may read this folder
    secret = request["vault_password"]
    recap = Path(request["recap"])
    player = _Player(request, Masking([secret] if secret else []), lambda found: keep_recap(recap, found))
    hosts = inventory(request["hostname"])
    return _play(player, arguments_of(request, playbook, environment, hosts))


def main_elsewhere(arguments: Sequence[str]) -> int:
    """Play it on a machine without an agent: arguments are a file descriptor with the request, and the environment.

    This process is set apart already (``apart``). It is the only one that holds the request: what runs the playbook is
    a child, of the same account, and cannot look into it.
    """
    from borealis_playbooks import apart, keyring

    apart.keep_to_oneself()
    with os.fdopen(int(arguments[0]), "rb") as file:
        request = json.loads(file.read())
    environment, room, target = Path(arguments[1]), apart.ROOM, request["target"]
    secrets = [*targets.secrets_of(target), *([request["vault_password"]] if request["vault_password"] else [])]
    player = _Player(request, Masking(secrets), lambda found: write_recap(request["recap_fd"], found))
    folder = room / "playbook"
    folder.mkdir(mode=0o700)
    for given in request["files"]:
        (folder / given["name"]).write_bytes(base64.b64decode(given["data"]))
    playbook = folder / request["playbook"]
    playbook.write_text(request["script"], "utf-8")
    envvars = dict(request["environment"])
    if target["connection"] == "ssh":
        (room / "known_hosts").write_text(targets.known_hosts(target))
        if shutil.which("ssh-keyscan") is None:
            return player.give_up(NO_SSH, NOT_READY)
        if problem := stranger(target):
            return player.give_up(problem, NOT_THE_MACHINE)
        if target.get("key"):
            try:
                envvars["SSH_AUTH_SOCK"] = str(keyring.open_keyring(target, room))
            except keyring.CannotUseKey as error:
                return player.give_up(str(error), NOT_READY)
    elif target["tls"]["mode"] == "pinned":
        (room / "server.pem").write_text(target["tls"]["certificate"])
    hosts = targets.inventory(request["hostname"], target, room)
    told = arguments_of(request, playbook, environment, hosts)
    told["envvars"] = {**envvars, **told["envvars"], "ANSIBLE_SSH_CONTROL_PATH_DIR": str(room / "cp")}
    return _play(player, told)


def stranger(target: Mapping[str, Any]) -> str:
    """Why the machine that answers is not the one that was confirmed; empty where it is, or where nobody answers."""
    kinds = ",".join(sorted({key.split()[0] for key in target["host_keys"]}))
    command = ["ssh-keyscan", "-T", "10", "-t", kinds.replace("ssh-", ""), "-p", str(target["port"]), target["address"]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return ""
    shown = {" ".join(line.split()[1:3]) for line in done.stdout.splitlines() if line and not line.startswith("#")}
    if not shown or shown & set(target["host_keys"]):
        return ""
    return (
        f"{target['address']} port {target['port']} shows another host key than the one that was confirmed for this"
        " machine: it is another machine, or somebody is in between, or it was set up anew. Nothing was sent to it. If"
        " it was set up anew, look at its key on the machine itself and confirm it (borealis machines edit)."
    )


def _play(player: "_Player", told: Mapping[str, Any]) -> int:
    runner = importlib.import_module("ansible_runner")
    result = runner.run(**told, event_handler=player.event)
    player.finish()
    return int(result.rc) if result.rc is not None else 1


def arguments_of(
    request: Mapping[str, Any], playbook: Path, environment: Path, hosts: Mapping[str, Any]
) -> dict[str, Any]:
    """What ansible-runner is told. Writes inventory and vault password into the run's private folder.

    Raises:
        OSError: they cannot be written.
    """
    folder = playbook.parent
    private = folder / ".ansible"
    private.mkdir(mode=0o700)
    options, command = request["options"], ["--diff"] * bool(request["options"].get("diff"))
    if options.get("check"):
        command.append("--check")
    if request["vault_password"]:
        _write(private / "vault", request["vault_password"])
        command += ["--vault-password-file", str(private / "vault")]
    _write(private / "inventory.json", json.dumps(hosts))
    _write(private / "ansible.cfg", "[defaults]\n")
    found: dict[str, Any] = {
        "private_data_dir": str(private),
        "project_dir": str(folder),
        "playbook": str(playbook),
        "inventory": str(private / "inventory.json"),
        "quiet": True,
        "settings": {"suppress_ansible_output": True, "idle_timeout": 0, "job_timeout": 0},
        "envvars": environment_of(private, environment),
        "cmdline": shlex.join(command),
    }
    if request["variables"]:
        found["extravars"] = request["variables"]
    for name, separated in (("tags", ","), ("skip_tags", ",")):
        if options.get(name):
            found[name] = separated.join(options[name])
    if options.get("limit"):
        found["limit"] = options["limit"]
    return found


def inventory(hostname: str) -> dict[str, Any]:
    """One host, this device: under ``localhost``, ``all``, ``borealis`` and its own name."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": _python()}
    groups: dict[str, Any] = {"borealis": {"hosts": {"localhost": None}}}
    if hostname and hostname != "localhost":
        groups[hostname] = {"hosts": {"localhost": None}}
    return {"all": {"hosts": {"localhost": host}, "children": groups}}


def environment_of(private: Path, environment: Path) -> dict[str, str]:
    """Ansible's settings: whatever lies in the machine's own ``ansible.cfg`` must not change what an order means."""
    return {
        "ANSIBLE_CONFIG": str(private / "ansible.cfg"),
        "ANSIBLE_HOME": str(private),
        "ANSIBLE_LOCAL_TEMP": str(private / "local"),
        "ANSIBLE_REMOTE_TEMP": str(private / "remote"),
        "ANSIBLE_COLLECTIONS_PATH": str(environment / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS": "ignore",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "LC_ALL": "C.UTF-8",
    }


class _Player:
    """Hears ansible-runner's events: prints each, keeps the recap on disk at most once a second."""

    def __init__(self, request: Mapping[str, Any], mask: Masking, keep: Callable[[Mapping[str, Any]], None]) -> None:
        self._mask = mask
        self._keep = keep
        self._recap = RecapKeeper(check=bool(request["options"].get("check")), mask=mask)
        self._kept = 0.0

    def event(self, event: Mapping[str, Any]) -> bool:
        """One event; false, so that it is not kept as a file."""
        text = self._mask(text_of(event))
        if text:
            print(text, flush=True)
        if self._recap.take(event, text) and time.monotonic() - self._kept >= RECAP_SECONDS:
            self.finish()
        return False

    def finish(self) -> None:
        """Keep the recap as it is now; a full disk must not end the playbook."""
        self._kept = time.monotonic()
        try:
            self._keep(self._recap.as_json())
        except OSError as error:
            print(f"The recap cannot be kept: {error}", file=sys.stderr, flush=True)

    def give_up(self, problem: str, code: int) -> int:
        """Nothing was played, for this reason; gives the exit code."""
        print(problem, file=sys.stderr, flush=True)
        self._keep({"hosts": {}, "tasks": [], "problem": problem})
        return code


def _python() -> str:
    """The interpreter for modules: the system's own, which knows its package manager; else Ansible's."""
    for path in _SYSTEM_PYTHONS:
        if os.access(path, os.X_OK):
            return path
    return shutil.which("python3") or sys.executable


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
