"""The REST and socket messages of the device protocol, as frozen structures with their limits.

Unknown members are tolerated where an older or newer peer may add some; wrong types never are. Sealed
orders are not here but in ``orders``.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from borealis_wire.limits import HOSTNAME_MAX, MAX_OUTPUT_CHUNK_BYTES, MAX_RESULT_STREAM_BYTES

Hostname = Annotated[str, Meta(max_length=HOSTNAME_MAX)]
Guid = Annotated[str, Meta(max_length=64)]
ShortText = Annotated[str, Meta(max_length=256)]
Base64Text = Annotated[str, Meta(max_length=4096)]
MAX_WHOLE: Final = 2**63 - 1
"""No database takes more; a number beyond it must be refused here and not fail there."""
Whole = Annotated[int, Meta(ge=-MAX_WHOLE, le=MAX_WHOLE)]
JobId = Whole | ShortText
RunId = Annotated[str, Meta(min_length=1, max_length=64)]
StreamText = Annotated[str, Meta(max_length=MAX_RESULT_STREAM_BYTES + 4096)]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages: immutable, built by keyword."""


class SigningKeyInfo(Message, frozen=True):
    """A public script-signing key: id and base64 SPKI DER."""

    key_id: str
    public_key: str


class EnrolRequest(Message, frozen=True):
    """``POST /api/agent/enroll/request`` (upstream-contract 1.1). Absent members give their own error code."""

    hostname: Hostname = ""
    enrollment_code: ShortText = ""
    agent_pubkey: Base64Text = ""
    client_nonce: Base64Text = ""
    protocol_version: int = 0


class EnrolPending(Message, frozen=True):
    """Answer to a request: wait for an operator."""

    status: str
    approval_reference: str
    server_nonce: str
    poll_after_ms: int
    server_certificate: str
    signing_key: str
    protocol_version: int = 1


class EnrolPoll(Message, frozen=True):
    """``POST /api/agent/enroll/poll`` (upstream-contract 1.2, contract 2)."""

    approval_reference: ShortText = ""
    client_nonce: Base64Text = ""
    proof_sig: Base64Text = ""
    proof_v2: Base64Text = ""


class EnrolStatus(Message, frozen=True, omit_defaults=True):
    """Answer to a poll that brings no tokens: pending, denied, expired, unknown, or approved and finalised."""

    status: str
    poll_after_ms: int = 0
    reason: str = ""
    detail: str = ""


class EnrolApproved(Message, frozen=True):
    """Answer to the poll that completes an enrolment."""

    status: str
    guid: str
    access_token: str
    expires_in: int
    refresh_token: str
    token_type: str
    server_certificate: str
    signing_key: str
    signing_keys: list[SigningKeyInfo] = msgspec.field(default_factory=list)


class TokenRefreshRequest(Message, frozen=True):
    """``POST /api/agent/token/refresh``; the header ``DPoP`` proves the device key.

    ``user``: the signed-in user whom the access token is for; empty for the SYSTEM agent's own.
    """

    guid: Guid = ""
    refresh_token: ShortText = ""
    user: ShortText = ""


class TokenRefreshed(Message, frozen=True):
    """A new access token and the successor of the refresh token."""

    access_token: str
    expires_in: int
    token_type: str
    refresh_token: str = ""


class HeartbeatMetrics(Message, frozen=True):
    """How the device is now. Percent 0 to 100, ``uptime`` in seconds."""

    service_mode: ShortText = ""
    uptime: float | None = None
    hostname: Hostname = ""
    username: ShortText = ""
    cpu_percent: float | None = None
    memory_percent: float | None = None
    last_user: ShortText = ""
    operating_system: ShortText = ""
    active_user: ShortText = ""
    """Who sits at the machine's own screen, as the SYSTEM agent knows it; empty: nobody, or not known."""


class Heartbeat(Message, frozen=True):
    """``POST /api/agent/heartbeat`` (upstream-contract 3.1). ``roles``: name to health, contract 7."""

    guid: Guid = ""
    hostname: Hostname = ""
    metrics: HeartbeatMetrics = msgspec.field(default_factory=HeartbeatMetrics)
    inventory: dict[str, Any] = msgspec.field(default_factory=dict)
    external_ip: ShortText = ""
    internal_ip: ShortText = ""
    device_type: ShortText = ""
    agent_build_id: ShortText = ""
    roles: dict[str, Any] = msgspec.field(default_factory=dict)
    protocol_version: int = 0


class HeartbeatAnswer(Message, frozen=True):
    """When the next heartbeat is welcome."""

    status: str
    poll_after_ms: int


class Details(Message, frozen=True):
    """``POST /api/agent/details`` (upstream-contract 3.2)."""

    agent_id: ShortText = ""
    hostname: Hostname = ""
    agent_build_id: ShortText = ""
    details: dict[str, Any] | None = None
    complete: list[ShortText] = msgspec.field(default_factory=list)
    """Sections read without trouble: they replace what is stored, where others are merged into it."""


class ScriptRequest(Message, frozen=True):
    """``POST /api/agent/script/request``: work by polling."""

    guid: Guid = ""


class FilePayload(Message, frozen=True):
    """A file that travels with a job: ``data`` is base64."""

    file_name: str
    size: int = 0
    mime_type: str = ""
    data: str = ""


class QuickJobRun(Message, frozen=True):
    """``quick_job_run`` (upstream-contract 5, contract 8). Only ``envelope`` is believed by the agent."""

    job_id: JobId
    run_id: str
    target_hostname: str
    script_type: str
    script_name: str
    script_content: str
    envelope: dict[str, Any]
    script_path: str = ""
    script_encoding: str = "base64"
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    variables: list[dict[str, Any]] = msgspec.field(default_factory=list)
    timeout_seconds: int = 0
    files: list[FilePayload] = msgspec.field(default_factory=list)
    run_mode: str = "system"
    signature: str = ""
    sig_alg: str = "ed25519"
    signing_key: str = ""
    context: dict[str, Any] = msgspec.field(default_factory=dict)


class ScriptAnswer(Message, frozen=True, omit_defaults=True):
    """Answer to a script request: ``idle``, ``quarantined`` or ``work`` with jobs as ``quick_job_run``."""

    status: str
    poll_after_ms: int
    sig_alg: str
    signing_key: str
    jobs: list[QuickJobRun] = msgspec.field(default_factory=list)
    cancels: list[dict[str, Any]] = msgspec.field(default_factory=list)


class JobAck(Message, frozen=True, omit_defaults=True):
    """Socket acknowledgement of a job: ``accepted``, or ``refused`` with a reason code."""

    status: str
    reason: str = ""


class JobOutput(Message, frozen=True):
    """``quick_job_output``: a piece of live output; ``seq`` from 0 without gaps over both streams of a run."""

    run_id: RunId
    seq: Annotated[int, Meta(ge=0, le=MAX_WHOLE)]
    stream: Literal["stdout", "stderr"]
    data: Annotated[str, Meta(max_length=MAX_OUTPUT_CHUNK_BYTES)]
    job_id: JobId = ""


class JobResult(Message, frozen=True):
    """``quick_job_result`` (upstream-contract 4, contract 8); repeated until acknowledged.

    Times are Unix seconds; ``reason`` is a refusal code or a sentence; ``exit_code`` is null where the
    script never ended by itself.
    """

    run_id: RunId
    status: Annotated[str, Meta(max_length=32)]
    job_id: JobId = ""
    stdout: StreamText = ""
    stderr: StreamText = ""
    exit_code: Whole | None = None
    reason: Annotated[str, Meta(max_length=1024)] = ""
    started_at: float | None = None
    finished_at: float | None = None
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    recap: dict[str, Any] = msgspec.field(default_factory=dict)
    """Of a playbook: what became of each task on each host (Docs/roles/playbook_exec_system.md)."""


class ConnectAgent(Message, frozen=True):
    """``connect_agent``: who is on this socket. The Engine believes the token, not this."""

    agent_id: ShortText = ""
    service_mode: ShortText = ""
    hostname: Hostname = ""
    wireguard_public_key: ShortText = ""
    protocol_version: int = 0
    running: list[RunId] = msgspec.field(default_factory=list)
    """Run ids in the device's journal or outbox, so that the Engine does not send them again."""


def agent_id(hostname: str, guid: str, service_mode_label: str) -> str:
    """Upstream's agent id: ``<HOSTNAME>_<GUID>_<SYSTEM|CURRENTUSER>`` (upstream-contract 1.4)."""
    return f"{hostname.upper().replace(' ', '-')}_{guid}_{service_mode_label}"
