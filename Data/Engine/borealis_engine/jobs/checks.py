"""Whether a quick job can be run as asked, pure: script, type, context, files, times."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from borealis_engine.core.errors import Invalid, NotFound, TooLarge
from borealis_engine.jobs import variables
from borealis_engine.jobs.models import FileUpload, LaunchRequest
from borealis_engine.jobs.playbooks import options_of
from borealis_engine.jobs.ports import StoredScript
from borealis_wire import base64s
from borealis_wire.accounts import is_account_name
from borealis_wire.envelope import SIGNED_START
from borealis_wire.events import OWN_DOOR_TYPES, RunContext, ScriptType
from borealis_wire.limits import (
    DEFAULT_JOB_LIFETIME_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    MAX_FILES_BYTES,
    MAX_SCRIPT_BYTES,
)
from borealis_wire.orders import safe_file_name, script_digest
from borealis_wire.playbooks import PlaybookOptions
from borealis_wire.refusal import Refused

_UNIX_LINES: Final = frozenset({ScriptType.BASH, ScriptType.PYTHON, ScriptType.ANSIBLE})
_RUN_MODES: Final = {
    "": RunContext.SYSTEM,
    "system": RunContext.SYSTEM,
    "interactive": RunContext.INTERACTIVE,
    "current_user": RunContext.INTERACTIVE,
    "currentuser": RunContext.INTERACTIVE,
}


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A quick job that can be sealed. ``files``: file_name, size, mime_type, sha256, data."""

    script: bytes
    script_type: ScriptType
    script_name: str
    script_sha256: str
    context: RunContext
    timeout_seconds: int
    lifetime_seconds: float
    variables: tuple[dict[str, Any], ...]
    environment: dict[str, str]
    files: tuple[dict[str, Any], ...]
    assembly_guid: str | None = None
    assembly_version: int | None = None
    playbook: PlaybookOptions | None = None
    vault_password: str = field(default="", repr=False)
    run_as_user: str = ""


def fill_in(request: LaunchRequest, stored: StoredScript) -> LaunchRequest:
    """The request as if the stored script had been sent with it.

    Raises:
        Invalid: ``ambiguous_script``: it brings a script of its own as well.
    """
    own = (request.script_content, request.script_content_base64)
    if any(text is not None for text in own) or request.files or request.variables or request.script_path:
        raise Invalid(
            "ambiguous_script",
            "A stored script brings its own text, files and variables: send assembly_guid and variable_values only.",
        )
    timeout = request.timeout_seconds
    return msgspec.structs.replace(
        request,
        assembly_guid=stored.guid,
        assembly_version=stored.version,
        script_content=stored.script,
        script_type=stored.type,
        script_name=request.script_name or stored.name,
        variables=stored.variables,
        files=[msgspec.convert(file, FileUpload) for file in stored.files],
        timeout_seconds=stored.timeout_seconds if timeout is None else timeout,
    )


def check(request: LaunchRequest) -> CheckedJob:
    """Check everything but the targets.

    Raises:
        Invalid: ``missing_targets``, ``missing_script``, ``unsupported_script_type``, ``invalid_script``,
            ``invalid_context``, ``invalid_file``, ``invalid_variable``, ``credential_unsupported``,
            ``invalid_environment``, ``invalid_user``, ``admin_mode_unsupported``, ``invalid_playbook``,
            ``invalid_vault_password``.
        NotFound: ``script_not_found``: a path of a script, as upstream once had them; there are none.
        TooLarge: ``script_too_large``, ``files_too_large``.
    """
    if not (request.hostnames or request.guids or request.sites or request.all):
        raise Invalid("missing_targets", "Missing hostnames[]: name devices by hostnames, guids or sites, or say all.")
    if request.admin_user or request.admin_pass or request.run_mode == "admin" or request.context == "admin":
        raise Invalid("admin_mode_unsupported", "Jobs run as system or interactive; passwords do not travel with them.")
    if request.script_path:
        raise NotFound("script_not_found", "Script not found: stored scripts have no paths; name it by assembly_guid.")
    script_type = _type(request.script_type)
    script = _script(request, script_type)
    merged = variables.merge(request.variables, request.variable_values)
    timeout = request.timeout_seconds
    context = _context(request)
    return CheckedJob(
        script=script,
        script_type=script_type,
        script_name=request.script_name.strip() or f"{script_type.value} script",
        script_sha256=script_digest(script),
        context=context,
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS if timeout is None else timeout,
        lifetime_seconds=request.expires_in_seconds or DEFAULT_JOB_LIFETIME_SECONDS,
        variables=merged,
        environment=variables.environment_of(merged, request.environment),
        files=_files(request.files),
        assembly_guid=request.assembly_guid or None,
        assembly_version=request.assembly_version if request.assembly_guid else None,
        playbook=options_of(script_type, context, request.playbook, request.vault_password),
        vault_password=request.vault_password,
        run_as_user=checked_user(request.run_as_user.strip(), context),
    )


def _type(text: str) -> ScriptType:
    known = frozenset(ScriptType) - OWN_DOOR_TYPES
    try:
        found = ScriptType(text.strip().lower())
        if found in known:
            return found
        raise ValueError(text)
    except ValueError as error:
        raise Invalid("unsupported_script_type", f"script_type is one of {', '.join(sorted(known))}.") from error


def _context(request: LaunchRequest) -> RunContext:
    wanted = {_RUN_MODES.get(text.lower()) for text in (request.context, request.run_mode) if text}
    if None in wanted or len(wanted) > 1:
        raise Invalid("invalid_context", "context is system or interactive (run_mode: system or current_user).")
    return wanted.pop() or RunContext.SYSTEM if wanted else RunContext.SYSTEM


def checked_user(name: str, context: RunContext) -> str:
    """The name of the signed-in user that a job is for; empty for any.

    Raises:
        Invalid: ``invalid_user``.
    """
    if not name:
        return ""
    if context is not RunContext.INTERACTIVE:
        raise Invalid("invalid_user", "run_as_user goes with the context interactive: as system nobody is named.")
    if not is_account_name(name):
        raise Invalid("invalid_user", "run_as_user is the name of an account, as the device page lists it.")
    return name


def _script(request: LaunchRequest, script_type: ScriptType) -> bytes:
    if (request.script_content is None) == (request.script_content_base64 is None):
        raise Invalid("missing_script", "Send the script as script_content or script_content_base64, one of the two.")
    try:
        if request.script_content_base64 is not None:
            text = base64s.decode(request.script_content_base64).decode("utf-8")
        else:
            text = request.script_content or ""
            text.encode("utf-8")
    except ValueError as error:
        raise Invalid("invalid_script", "The script is not UTF-8 text (in base64 where it says so).") from error
    if not text.strip() or "\0" in text:
        raise Invalid("invalid_script", "The script is empty or holds a NUL character.")
    if text.encode("utf-8").startswith(SIGNED_START):
        # The Engine signs the plain script too, with the key that seals orders (signing.sign_script).
        raise Invalid("invalid_script", "A script does not begin with 'DSSEv1 ': orders are signed in that form.")
    if script_type in _UNIX_LINES:
        text = text.replace("\r\n", "\n")
    script = text.encode("utf-8")
    if len(script) > MAX_SCRIPT_BYTES:
        raise TooLarge("script_too_large", f"The script is larger than {MAX_SCRIPT_BYTES} bytes; send it as a file.")
    return script


def _files(uploads: list[FileUpload]) -> tuple[dict[str, Any], ...]:
    files: list[dict[str, Any]] = []
    names: set[str] = set()
    total = 0
    for upload in uploads:
        try:
            name = safe_file_name(upload.file_name)
            data = base64s.decode(upload.data)
        except Refused as error:
            raise Invalid("invalid_file", f"{upload.file_name!r}: {error.detail}.") from error
        except ValueError as error:
            raise Invalid("invalid_file", f"The data of {upload.file_name!r} is not base64.") from error
        total += len(data)
        if name.casefold() in names or (upload.size is not None and upload.size != len(data)):
            raise Invalid("invalid_file", f"{name!r} is there twice, or has another size than it says.")
        if total > MAX_FILES_BYTES:
            raise TooLarge("files_too_large", f"The files exceed {MAX_FILES_BYTES} bytes together.")
        names.add(name.casefold())
        files.append(
            {
                "file_name": name,
                "size": len(data),
                "mime_type": upload.mime_type,
                "sha256": hashlib.sha256(data).hexdigest(),
                "data": upload.data,
            }
        )
    return tuple(files)
