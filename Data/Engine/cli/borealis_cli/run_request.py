"""From the options of ``borealis run`` to the body of a quick run. Pure but for reading the files named."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import is_guid
from borealis_cli.text import clean, parse_duration
from borealis_wire.events import OWN_DOOR_TYPES, RunContext, ScriptType
from borealis_wire.limits import MAX_SCRIPT_BYTES

TYPES: Final = tuple(kind.value for kind in ScriptType if kind not in OWN_DOOR_TYPES)
_BY_SUFFIX: Final = {
    ".sh": "bash",
    ".bash": "bash",
    ".py": "python",
    ".ps1": "powershell",
    ".bat": "batch",
    ".yml": "ansible",
    ".yaml": "ansible",
}


@dataclass(frozen=True, slots=True)
class PlaybookSwitches:
    """What was typed about a playbook; ``tags`` and ``skip_tags`` may hold several each, by comma."""

    check: bool = False
    diff: bool = False
    tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()
    limit: str = ""
    vault_password: str = field(default="", repr=False)

    @property
    def said(self) -> bool:
        """Whether there is anything."""
        return self != PlaybookSwitches()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was typed."""

    devices: Sequence[str] = ()
    sites: Sequence[str] = ()
    everywhere: bool = False
    script_type: str = ""
    context: str = ""
    user: str = ""
    timeout: str = ""
    expires: str = ""
    variables: Sequence[str] = ()
    attached: Sequence[Path] = field(default_factory=tuple)
    file: str = ""
    script: str | None = None
    playbook: PlaybookSwitches = PlaybookSwitches()


def build_request(options: RunOptions, stdin: TextIO) -> dict[str, Any]:
    """The body of ``POST /api/scripts/quick_run``; ``stdin`` is read where the file is ``-``.

    Raises:
        CliError: with status 2: options that contradict each other, or a file that cannot be read.
    """
    if options.everywhere and (options.devices or options.sites):
        raise CliError("Say either --all, or --device and --site.", USAGE)
    if not (options.everywhere or options.devices or options.sites):
        raise CliError("Say where: --device NAME (again for more), --site SITE, or --all.", USAGE)
    context = options.context or (RunContext.INTERACTIVE if options.user else RunContext.SYSTEM)
    if context not in set(RunContext):
        raise CliError("--context is system or interactive.", USAGE)
    if options.user and context != RunContext.INTERACTIVE:
        raise CliError("--user goes with --context interactive: as system nobody is named.", USAGE)
    body: dict[str, Any] = {
        "script_content": _script(options, stdin),
        "script_type": _type(options),
        "context": str(context),
    }
    if options.user:
        body["run_as_user"] = options.user
    body |= _playbook(options.playbook, body["script_type"])
    if options.everywhere:
        body["all"] = True
    guids = [name.strip().strip("{}").upper() for name in options.devices if is_guid(name)]
    hostnames = [name for name in options.devices if not is_guid(name)]
    wanted = {"guids": guids, "hostnames": hostnames, "sites": list(options.sites)}
    body |= {name: values for name, values in wanted.items() if values}
    if options.file and options.file != "-":
        body["script_name"] = Path(options.file).name[:256]
    if options.timeout:
        body["timeout_seconds"] = _seconds("--timeout", options.timeout)
    if options.expires:
        body["expires_in_seconds"] = _seconds("--expires", options.expires)
    if options.variables:
        body["variable_values"] = dict(_variable(text) for text in options.variables)
    if options.attached:
        body["files"] = [_attachment(path) for path in options.attached]
    return body


def playbook_named(script_type: str, script: str | None, file: str) -> tuple[str | None, str]:
    """Script and file as meant: a playbook is named on the command line, never written there."""
    if script_type == ScriptType.ANSIBLE and script is not None and not file and "\n" not in script:
        return None, script
    return script, file


def _playbook(switches: PlaybookSwitches, script_type: str) -> dict[str, Any]:
    if not switches.said:
        return {}
    if script_type != ScriptType.ANSIBLE:
        raise CliError("--check, --diff, --tags, --skip-tags, --limit and vault passwords are for playbooks.", USAGE)
    body: dict[str, Any] = {
        "playbook": {
            "check": switches.check,
            "diff": switches.diff,
            "tags": _listed(switches.tags),
            "skip_tags": _listed(switches.skip_tags),
            "limit": switches.limit,
        }
    }
    if switches.vault_password:
        body["vault_password"] = switches.vault_password
    return body


def _listed(given: Sequence[str]) -> list[str]:
    return [tag.strip() for text in given for tag in text.split(",") if tag.strip()]


def vault_password_of(path: Path) -> str:
    """The first line of a vault password file.

    Raises:
        CliError: it cannot be read, or is empty.
    """
    lines = _read(path).decode("utf-8", "replace").splitlines()
    if not lines or not lines[0]:
        raise CliError(f"{clean(str(path))} holds no password.", USAGE)
    return lines[0]


def _script(options: RunOptions, stdin: TextIO) -> str:
    if bool(options.file) == (options.script is not None):
        raise CliError("Give the script as text or with --file, one of the two.", USAGE)
    if not options.file:
        return options.script or ""
    if options.file == "-":
        return stdin.read(MAX_SCRIPT_BYTES + 1)
    try:
        return _read(Path(options.file)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(f"{clean(options.file)} is not UTF-8 text.", USAGE) from error


def _type(options: RunOptions) -> str:
    found = options.script_type or _BY_SUFFIX.get(Path(options.file).suffix.lower(), "")
    if found not in TYPES:
        raise CliError(f"Say --type: {', '.join(TYPES)}.", USAGE)
    return found


def _seconds(option: str, text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise CliError(f"{option}: {error}.", USAGE) from error


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise CliError(f"--var is NAME=VALUE, not {clean(text)!r}.", USAGE)
    return name.strip(), value


def _attachment(path: Path) -> dict[str, Any]:
    data = _read(path)
    return {"file_name": path.name, "size": len(data), "data": base64.b64encode(data).decode("ascii")}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"{clean(str(path))} cannot be read: {error.strerror}.", USAGE) from error
