"""Plays one playbook with ansible-runner, in the run's own process, under the interpreter of Ansible's environment."""

import importlib
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from borealis_agent.capabilities.playbooks.launch import REQUEST_FILE, keep_recap
from borealis_agent.capabilities.playbooks.recap import RecapKeeper
from borealis_agent.capabilities.playbooks.telling import Masking, text_of

RECAP_SECONDS: Final = 1.0
_SYSTEM_PYTHONS: Final = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")


def main(arguments: Sequence[str]) -> int:
    """Play it: arguments are the playbook and Ansible's environment; gives Ansible's exit code."""
    playbook, environment = Path(arguments[0]), Path(arguments[1])
    folder = playbook.parent
    path = folder / REQUEST_FILE
    request = json.loads(path.read_bytes())
    path.unlink()  # it may hold secrets, and modules of the playbook may read this folder
    secret = request["vault_password"]
    player = _Player(request, Masking([secret] if secret else []))
    runner = importlib.import_module("ansible_runner")
    result = runner.run(**arguments_of(request, playbook, environment), event_handler=player.event)
    player.finish()
    return int(result.rc) if result.rc is not None else 1


def arguments_of(request: Mapping[str, Any], playbook: Path, environment: Path) -> dict[str, Any]:
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
    _write(private / "inventory.json", json.dumps(inventory(request["hostname"])))
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

    def __init__(self, request: Mapping[str, Any], mask: Masking) -> None:
        self._mask = mask
        self._path = Path(request["recap"])
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
            keep_recap(self._path, self._recap.as_json())
        except OSError as error:
            print(f"The recap cannot be kept: {error}", file=sys.stderr, flush=True)


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
