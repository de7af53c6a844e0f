"""The side of a playbook run that starts it: the command, what the child is told, and the recap it leaves."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REQUEST_FILE: Final = ".borealis-playbook.json"
"""In the run's own folder; the child reads and removes it."""
MAX_RECAP_BYTES: Final = 4 * 1024 * 1024
NOT_ON_WINDOWS: Final = (
    "Ansible's controller does not run on Windows, so this device cannot run playbooks. Run it on a Linux device that"
    " manages this one over WinRM, or send a PowerShell script."
)
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    " from borealis_playbooks.program import main; sys.exit(main(sys.argv[1:]))"
)
_CODE_ROOT: Final = Path(__file__).resolve().parents[1]
_FLAGS: Final = ("-P", "-s", "-u", "-X", "utf8")
"""No modules from the run's folder or the account, output at once, UTF-8 everywhere."""


@dataclass(frozen=True, slots=True)
class PlaybookFolders:
    """Where the role keeps things. ``root``: a folder of its own, kept over re-staging."""

    root: Path

    @property
    def environments(self) -> Path:
        """Installed Ansible."""
        return self.root / "ansible"

    @property
    def recaps(self) -> Path:
        """Recaps of runs under way."""
        return self.root / "recaps"

    def recap(self, run_id: str) -> Path:
        """Where the child leaves the recap of a run."""
        name = "".join(char if char.isalnum() or char in "-_" else "_" for char in run_id)[:80]
        return self.recaps / f"{name}.json"

    def prune(self) -> None:
        """Remove recaps of an earlier life of the agent. Never raises."""
        try:
            for path in self.recaps.iterdir():
                path.unlink(missing_ok=True)
        except OSError:
            return


def command() -> tuple[str, ...]:
    """What interprets a playbook: this agent's interpreter with the program; the playbook's path is appended."""
    return (sys.executable, *_FLAGS, "-c", _CODE, str(_CODE_ROOT))


def request(
    *,
    folders: PlaybookFolders,
    run_id: str,
    hostname: str,
    options: Mapping[str, Any],
    variables: Mapping[str, Any],
    vault_password: str | None,
) -> bytes:
    """What the child is told: in a file, for a command line shows in the list of processes."""
    return json.dumps(
        {
            "hostname": hostname,
            "options": dict(options),
            "variables": dict(variables),
            "vault_password": vault_password,
            "environments": str(folders.environments),
            "recap": str(folders.recap(run_id)),
        }
    ).encode()


def variable_name(name: str) -> str:
    """How a variable of a job is called in a playbook, where names are identifiers: ``Log Level`` is ``Log_Level``."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in name)
    return plain if plain[:1].isalpha() or plain.startswith("_") else f"_{plain}"


def take_recap(path: Path) -> dict[str, Any]:
    """Read the recap of a run that is over, and remove it; empty where there is none."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RECAP_BYTES + 1)
        path.unlink()
        path.with_suffix(".new").unlink(missing_ok=True)
        found = json.loads(text) if len(text) <= MAX_RECAP_BYTES else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep_recap(path: Path, recap: Mapping[str, Any]) -> None:
    """Write a recap; whoever reads sees the old one or the new one. Raises ``OSError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(recap, ensure_ascii=False).encode("utf-8", "replace"))
    new.replace(path)


def write_recap(descriptor: int, recap: Mapping[str, Any]) -> None:
    """The same into an open file in memory, for whoever can reach no other. Raises ``OSError``."""
    data = json.dumps(recap, ensure_ascii=False).encode("utf-8", "replace")
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, data)


def failure_of(recap: Mapping[str, Any]) -> str:
    """One sentence about why a playbook failed; empty where the recap does not say."""
    problem = recap.get("problem")
    if isinstance(problem, str) and problem:
        return problem
    tasks = recap.get("tasks")
    for task in reversed(tasks if isinstance(tasks, list) else []):
        for host, result in task.get("hosts", {}).items():
            if result.get("result") in {"failed", "unreachable"} and not result.get("ignored"):
                said = f": {result['message']}" if result.get("message") else ""
                return f"{task.get('name', '')!r} {result['result']} on {host}{said}"
    return ""
