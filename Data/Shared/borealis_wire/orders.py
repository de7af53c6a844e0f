"""What an envelope says once it is open: job, cancel and key statements, to bytes and back.

Parsing checks the shape only. Whether an order is for this device, now, and for the first time is
decided by ``borealis_agent.trust``.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.accounts import MAX_ACCOUNT_NAME, is_account_name
from borealis_wire.events import RefusalCode, RunContext, ScriptType
from borealis_wire.keys import VerifyKey
from borealis_wire.limits import (
    MAX_ENVELOPE_PAYLOAD_BYTES,
    MAX_ENVIRONMENT_ENTRIES,
    MAX_FILES,
    MAX_FILES_BYTES,
    MAX_TIMEOUT_SECONDS,
    MAX_VARIABLES,
)
from borealis_wire.playbooks import PlaybookOptions, parse_options
from borealis_wire.refusal import Refused

MAX_SECRETS: Final = 16
MAX_SEALED_SECRET: Final = 16 * 1024
"""Characters of a secret, sealed and in base64."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file that travels beside the envelope: plain name (no folders), SHA-256 hex, bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One script for one device in one context. Times are Unix seconds.

    ``playbook``: how to run a playbook, of ``ansible`` alone. ``secrets``: by name, each for this device's key only
    (``borealis_wire.secrets``). ``user``: the account that alone may run it, of ``interactive`` alone; empty: any
    signed-in user. Each travels only where there is something to say.
    """

    job_id: int | str
    run_id: str
    device_guid: str
    context: RunContext
    script_type: ScriptType
    script_sha256: str
    issued_at: float
    expires_at: float
    timeout_seconds: int = 0
    files: tuple[FileDigest, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[Mapping[str, Any], ...] = ()
    playbook: PlaybookOptions | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    user: str = ""

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        further: dict[str, Any] = {}
        if self.user:
            further["user"] = self.user
        if self.playbook is not None:
            further["playbook"] = self.playbook.to_json()
        if self.secrets:
            further["secrets"] = dict(self.secrets)
        return strict_json.canonical(
            {
                "job_id": self.job_id,
                "run_id": self.run_id,
                "device_guid": self.device_guid,
                "context": self.context.value,
                "script_type": self.script_type.value,
                "script_sha256": self.script_sha256,
                "files": [{"name": f.name, "sha256": f.sha256, "size": f.size} for f in self.files],
                "environment": dict(self.environment),
                "variables": [dict(variable) for variable in self.variables],
                "timeout_seconds": self.timeout_seconds,
                "issued_at": self.issued_at,
                "expires_at": self.expires_at,
                **further,
            }
        )


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """End one run on one device."""

    run_id: str
    device_guid: str
    issued_at: float
    expires_at: float

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(
            {
                "run_id": self.run_id,
                "device_guid": self.device_guid,
                "issued_at": self.issued_at,
                "expires_at": self.expires_at,
            }
        )


@dataclass(frozen=True, slots=True)
class KeysStatement:
    """The signing keys to trust from now on, said by a key that is trusted already."""

    keys: tuple[VerifyKey, ...]
    revoked: tuple[str, ...]
    issued_at: float

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(
            {
                "keys": [{"key_id": key.key_id, "public_key": key.spki_base64} for key in self.keys],
                "revoked": list(self.revoked),
                "issued_at": self.issued_at,
            }
        )


def parse_job(payload: bytes) -> JobOrder:
    """Read a job order.

    Raises:
        Refused: ``malformed``, ``unsupported_type``, ``wrong_context`` or ``too_large``.
    """
    members = _object(payload, _JOB_MEMBERS | {"playbook", "secrets", "user"}, required=_JOB_MEMBERS)
    job_id = members["job_id"]
    if isinstance(job_id, bool) or not isinstance(job_id, int | str) or job_id == "" or len(str(job_id)) > 256:
        raise _malformed("job_id is a number or a text of 1 to 256 characters")
    try:
        script_type = ScriptType(_text(members, "script_type"))
    except ValueError as error:
        raise Refused(RefusalCode.UNSUPPORTED_TYPE, "this script type is not known") from error
    try:
        context = RunContext(_text(members, "context"))
    except ValueError as error:
        raise Refused(RefusalCode.WRONG_CONTEXT, "the context is neither system nor interactive") from error
    timeout = members["timeout_seconds"]
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 0 <= timeout <= MAX_TIMEOUT_SECONDS:
        raise _malformed(f"timeout_seconds is a whole number from 0 to {MAX_TIMEOUT_SECONDS}")
    if "playbook" in members and script_type is not ScriptType.ANSIBLE:
        raise _malformed("only a playbook has options of one")
    issued_at, expires_at = _times(members)
    return JobOrder(
        job_id=job_id,
        run_id=_text(members, "run_id"),
        device_guid=_text(members, "device_guid"),
        context=context,
        script_type=script_type,
        script_sha256=_digest(members["script_sha256"]),
        files=_files(members["files"]),
        environment=_environment(members["environment"]),
        variables=_variables(members["variables"]),
        timeout_seconds=timeout,
        issued_at=issued_at,
        expires_at=expires_at,
        playbook=parse_options(members["playbook"]) if "playbook" in members else None,
        secrets=_secrets(members.get("secrets", {})),
        user=_user(members, context),
    )


def parse_cancel(payload: bytes) -> CancelOrder:
    """Read a cancel order. Raises ``Refused`` with ``malformed``."""
    names = {"run_id", "device_guid", "issued_at", "expires_at"}
    members = _object(payload, names, required=names)
    issued_at, expires_at = _times(members)
    return CancelOrder(_text(members, "run_id"), _text(members, "device_guid"), issued_at, expires_at)


def parse_keys(payload: bytes) -> KeysStatement:
    """Read a key statement. Raises ``Refused`` with ``malformed``."""
    names = {"keys", "revoked", "issued_at"}
    members = _object(payload, names, required=names)
    listed, revoked = members["keys"], members["revoked"]
    if not isinstance(listed, list) or not isinstance(revoked, list) or not 1 <= len(listed) <= 16:
        raise _malformed("keys and revoked are lists, with 1 to 16 keys")
    keys = []
    for item in listed:
        if not isinstance(item, dict) or not isinstance(item.get("public_key"), str):
            raise _malformed("a key has key_id and public_key")
        try:
            key = VerifyKey.from_spki_base64(item["public_key"])
        except ValueError as error:
            raise _malformed("a public key is not Ed25519 SPKI") from error
        if item.get("key_id") != key.key_id:
            raise _malformed("a key id does not belong to its key")
        keys.append(key)
    if not all(isinstance(key_id, str) for key_id in revoked):
        raise _malformed("revoked is a list of key ids")
    return KeysStatement(tuple(keys), tuple(revoked), _number(members, "issued_at"))


def script_digest(script: bytes) -> str:
    """SHA-256 hex of the script's UTF-8 bytes."""
    return hashlib.sha256(script).hexdigest()


_JOB_MEMBERS: Final = frozenset(
    {
        "job_id",
        "run_id",
        "device_guid",
        "context",
        "script_type",
        "script_sha256",
        "files",
        "environment",
        "variables",
        "timeout_seconds",
        "issued_at",
        "expires_at",
    }
)


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, detail)


def _object(payload: bytes, known: frozenset[str] | set[str], *, required: frozenset[str] | set[str]) -> dict[str, Any]:
    try:
        value = strict_json.loads(payload, max_bytes=MAX_ENVELOPE_PAYLOAD_BYTES)
    except strict_json.JsonError as error:
        raise _malformed(str(error)) from error
    if not isinstance(value, dict):
        raise _malformed("the payload is not an object")
    missing = required - set(value)
    if missing:
        raise _malformed(f"missing {sorted(missing)[0]}")
    optional = value.get("optional", [])
    if not isinstance(optional, list):
        raise _malformed("optional is a list of member names")
    # A member we do not know may carry a condition we would break by ignoring it.
    unknown = set(value) - known - {"optional"} - {name for name in optional if isinstance(name, str)}
    if unknown:
        raise _malformed(f"unknown member {sorted(unknown)[0]!r}")
    return value


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members[name]
    if not isinstance(value, str) or not value or len(value) > 256:
        raise _malformed(f"{name} is a text of 1 to 256 characters")
    return value


def _user(members: Mapping[str, Any], context: RunContext) -> str:
    if "user" not in members:
        return ""
    if context is not RunContext.INTERACTIVE:
        raise _malformed("only an interactive job names a user")
    if not is_account_name(members["user"]):
        raise _malformed(f"user is the name of an account, 1 to {MAX_ACCOUNT_NAME} characters")
    return str(members["user"])


def _number(members: Mapping[str, Any], name: str) -> float:
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _malformed(f"{name} is in Unix seconds")
    return value


def _times(members: Mapping[str, Any]) -> tuple[float, float]:
    issued_at, expires_at = _number(members, "issued_at"), _number(members, "expires_at")
    if expires_at <= issued_at:
        raise _malformed("the order expires before it was issued")
    return issued_at, expires_at


def _digest(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise _malformed("a digest is 64 lower-case hex digits")
    return value


def _files(value: Any) -> tuple[FileDigest, ...]:
    if not isinstance(value, list):
        raise _malformed("files is a list")
    if len(value) > MAX_FILES:
        raise Refused(RefusalCode.TOO_LARGE, f"more than {MAX_FILES} files")
    files = []
    for item in value:
        if not isinstance(item, dict) or set(item) != {"name", "sha256", "size"}:
            raise _malformed("a file has name, sha256 and size")
        size = item["size"]
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise _malformed("a file's size is in bytes")
        files.append(FileDigest(safe_file_name(item["name"]), _digest(item["sha256"]), size))
    if len({file.name.casefold() for file in files}) != len(files):
        raise _malformed("two files have the same name")
    if sum(file.size for file in files) > MAX_FILES_BYTES:
        raise Refused(RefusalCode.TOO_LARGE, f"the files exceed {MAX_FILES_BYTES} bytes")
    return tuple(files)


_RESERVED_NAMES: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "123456789\u00b9\u00b2\u00b3"}
)


def safe_file_name(value: Any) -> str:
    """A file name that stays in its folder on every system we run on.

    Raises:
        Refused: ``malformed`` for separators, drive letters, dot names, control characters, device names.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= 128 or value in {".", ".."}:
        raise _malformed("a file's name has 1 to 128 characters")
    if any(char in '/\\:*?"<>|' or ord(char) < 32 for char in value) or value[-1] in ". ":
        raise _malformed("a file's name is a plain name without folders")
    if len(value.encode("utf-8", "replace")) > 255:
        raise _malformed("a file's name has at most 255 bytes: no file system takes more")
    # Windows looks at what stands before the first dot, blanks at its end not counted.
    if value.split(".", 1)[0].rstrip(" ").lower() in _RESERVED_NAMES:
        raise _malformed("a file's name is reserved on Windows")
    return value


def _environment(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _malformed("environment is an object of texts")
    if len(value) > MAX_ENVIRONMENT_ENTRIES:
        raise Refused(RefusalCode.TOO_LARGE, f"more than {MAX_ENVIRONMENT_ENTRIES} environment entries")
    for name, text in value.items():
        if not name or "=" in name or "\0" in name or not isinstance(text, str) or "\0" in text:
            raise _malformed("environment is an object of texts")
    return dict(value)


def _secrets(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_SECRETS:
        raise _malformed(f"secrets is an object of at most {MAX_SECRETS} texts")
    for name, text in value.items():
        if not 1 <= len(name) <= 64 or not isinstance(text, str) or not 1 <= len(text) <= MAX_SEALED_SECRET:
            raise _malformed("a secret has a name and a sealed text")
    return dict(value)


def _variables(value: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _malformed("variables is a list of objects")
    if len(value) > MAX_VARIABLES:
        raise Refused(RefusalCode.TOO_LARGE, f"more than {MAX_VARIABLES} variables")
    for item in value:
        name = item.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 128 or "\0" in name or "=" in name:
            raise _malformed("a variable has a name")
    return tuple(value)
