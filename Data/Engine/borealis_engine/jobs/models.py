"""What an operator asks for, and what they get back."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from borealis_engine.jobs.playbooks import PlaybookRequest
from borealis_wire.accounts import MAX_ACCOUNT_NAME
from borealis_wire.limits import (
    HOSTNAME_MAX,
    MAX_ENVIRONMENT_ENTRIES,
    MAX_FILES,
    MAX_FILES_BYTES,
    MAX_JOB_LIFETIME_SECONDS,
    MAX_SCRIPT_BYTES,
    MAX_TIMEOUT_SECONDS,
    MAX_VARIABLES,
)

MAX_TARGETS = 20_000
_Names = Annotated[list[Annotated[str, Meta(min_length=1, max_length=HOSTNAME_MAX)]], Meta(max_length=MAX_TARGETS)]
_SiteKey = int | Annotated[str, Meta(min_length=1, max_length=256)]


class FileUpload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file for the script's folder; ``data`` is base64. ``size``, if given, must be right."""

    file_name: Annotated[str, Meta(min_length=1, max_length=128)]
    data: Annotated[str, Meta(max_length=MAX_FILES_BYTES * 4 // 3 + 4)] = ""
    size: int | None = None
    mime_type: Annotated[str, Meta(max_length=128)] = ""


class LaunchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quick job (contract 6, upstream-contract 5).

    ``script_content`` is plain text; ``script_content_base64`` the UTF-8 bytes in base64; ``assembly_guid`` a stored
    script, its newest version unless ``assembly_version`` says another; one of the three. ``variable_values`` fill
    the variables that a stored script declares; ``timeout_seconds`` wins over the script's own. Targets
    add up: hostnames, GUIDs, sites (ids or names), or ``all``. ``run_mode`` is upstream's word for ``context``.
    ``admin_user`` and ``admin_pass`` are upstream's and refused when filled. ``playbook`` and ``vault_password`` are
    of script type ``ansible``; the password is sealed for each device, kept nowhere else, and never given out again.
    ``credential_id`` is a stored credential for targets without an agent, in place of their own; ``connection`` (local,
    ssh, winrm or psrp), if given, has to be how every target is reached.
    ``run_as_user`` names the signed-in user, in the context interactive: it waits for that user, and no other runs it.
    """

    script_content: Annotated[str, Meta(max_length=MAX_SCRIPT_BYTES)] | None = None
    script_content_base64: Annotated[str, Meta(max_length=MAX_SCRIPT_BYTES * 4 // 3 + 4)] | None = None
    script_type: Annotated[str, Meta(max_length=32)] = ""
    script_name: Annotated[str, Meta(max_length=256)] = ""
    script_path: Annotated[str, Meta(max_length=1024)] = ""
    assembly_guid: Annotated[str, Meta(max_length=128)] = ""
    assembly_version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    hostnames: _Names = msgspec.field(default_factory=list)
    guids: _Names = msgspec.field(default_factory=list)
    sites: Annotated[list[_SiteKey], Meta(max_length=1000)] = msgspec.field(default_factory=list)
    all: bool = False
    context: str = ""
    run_mode: str = ""
    variables: Annotated[list[dict[str, Any]], Meta(max_length=MAX_VARIABLES)] = msgspec.field(default_factory=list)
    variable_values: Annotated[dict[str, Any], Meta(max_length=MAX_VARIABLES)] = msgspec.field(default_factory=dict)
    environment: Annotated[dict[str, str], Meta(max_length=MAX_ENVIRONMENT_ENTRIES)] = msgspec.field(
        default_factory=dict
    )
    files: Annotated[list[FileUpload], Meta(max_length=MAX_FILES)] = msgspec.field(default_factory=list)
    timeout_seconds: Annotated[int, Meta(ge=0, le=MAX_TIMEOUT_SECONDS)] | None = None
    expires_in_seconds: Annotated[float, Meta(gt=0, le=MAX_JOB_LIFETIME_SECONDS)] | None = None
    playbook: PlaybookRequest | None = None
    vault_password: Annotated[str, Meta(max_length=8192)] = ""
    credential_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    connection: Annotated[str, Meta(max_length=16)] = ""
    run_as_user: Annotated[str, Meta(max_length=MAX_ACCOUNT_NAME)] = ""
    admin_user: Annotated[str, Meta(max_length=256)] = ""
    admin_pass: Annotated[str, Meta(max_length=256)] = ""


class LaunchedRun(msgspec.Struct, frozen=True):
    """One device's part of a launched job. ``job_id`` is upstream's number, the activity id."""

    hostname: str
    guid: str
    job_id: int
    run_id: str
    status: str


class Launched(msgspec.Struct, frozen=True):
    """A recorded job and its runs."""

    job_id: str
    results: list[LaunchedRun]
