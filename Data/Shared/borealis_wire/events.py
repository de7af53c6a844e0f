"""Every socket event name, REST path, header and closed vocabulary, spelt once.

Spellings are upstream's where an existing installation knows them (``upstream-contract.md`` 1 to 5).
"""

from enum import StrEnum
from typing import Final

HEADER_CONTEXT: Final = "X-Borealis-Agent-Context"
HEADER_DPOP: Final = "DPoP"
USER_AGENT: Final = "Borealis-Agent/secure"


class Rest:
    """REST paths that agents call."""

    ENROLL_REQUEST: Final = "/api/agent/enroll/request"
    ENROLL_POLL: Final = "/api/agent/enroll/poll"
    TOKEN_REFRESH: Final = "/api/agent/token/refresh"
    HEARTBEAT: Final = "/api/agent/heartbeat"
    DETAILS: Final = "/api/agent/details"
    SCRIPT_REQUEST: Final = "/api/agent/script/request"
    SCRIPT_RESULT: Final = "/api/agent/script/result"
    UPDATE: Final = "/api/agent/update"
    """GET, below it the SHA-256 of the package."""


class DeviceEvent(StrEnum):
    """Socket events from agent to Engine."""

    CONNECT_AGENT = "connect_agent"
    REQUEST_CONFIG = "request_config"
    QUICK_JOB_OUTPUT = "quick_job_output"
    QUICK_JOB_RESULT = "quick_job_result"
    COLLECTOR_STATUS = "collector_status"
    AGENT_SCREENSHOT_TASK = "agent_screenshot_task"
    AGENT_WINDOW_LIST = "agent_window_list"
    SCREEN_FRAME = "screen_frame"
    SCREEN_ENDED = "screen_ended"
    AGENT_SILENT_UPDATE_STATUS = "agent_silent_update_status"
    MACRO_STATUS = "macro_status"


class EngineEvent(StrEnum):
    """Socket events from Engine to agent."""

    AGENT_CONFIG = "agent_config"
    QUICK_JOB_RUN = "quick_job_run"
    QUICK_JOB_CANCEL = "quick_job_cancel"
    SIGNING_KEYS_CHANGED = "signing_keys_changed"
    VPN_TUNNEL_START = "vpn_tunnel_start"
    VPN_TUNNEL_STOP = "vpn_tunnel_stop"
    VPN_TUNNEL_ACTIVITY = "vpn_tunnel_activity"
    ANSIBLE_PLAYBOOK_RUN = "ansible_playbook_run"
    ANSIBLE_PLAYBOOK_CANCEL = "ansible_playbook_cancel"
    SCREEN_ORDER = "screen_order"
    LIST_AGENT_WINDOWS = "list_agent_windows"
    AGENT_SILENT_UPDATE = "agent_silent_update"


SEALED_EVENTS: Final[frozenset[str]] = frozenset(
    {
        EngineEvent.QUICK_JOB_RUN,
        EngineEvent.QUICK_JOB_CANCEL,
        EngineEvent.SIGNING_KEYS_CHANGED,
        EngineEvent.VPN_TUNNEL_START,
        EngineEvent.VPN_TUNNEL_STOP,
        EngineEvent.ANSIBLE_PLAYBOOK_RUN,
        EngineEvent.ANSIBLE_PLAYBOOK_CANCEL,
        EngineEvent.SCREEN_ORDER,
        EngineEvent.LIST_AGENT_WINDOWS,
        EngineEvent.AGENT_SILENT_UPDATE,
    }
)
"""Events whose payload must carry an envelope; a role hears them only after it was verified."""


class OperatorEvent(StrEnum):
    """Socket events from Engine to operators' browsers and command lines."""

    DEVICE_ACTIVITY_CHANGED = "device_activity_changed"
    DEVICE_CHANGED = "device_changed"
    APPROVALS_CHANGED = "approvals_changed"
    RUN_OUTPUT = "quick_job_output"
    SCRIPTS_CHANGED = "scripts_changed"
    AGENT_UPDATE_CHANGED = "agent_update_changed"
    SCREEN_FRAME = "screen_frame"
    SCREEN_ENDED = "screen_ended"
    WATCH_SCREEN = "watch_screen"
    UNWATCH_SCREEN = "unwatch_screen"
    VPN_SHELL_OPEN = "vpn_shell_open"
    VPN_SHELL_SEND = "vpn_shell_send"
    VPN_SHELL_RESIZE = "vpn_shell_resize"
    VPN_SHELL_CLOSE = "vpn_shell_close"
    VPN_SHELL_OUTPUT = "vpn_shell_output"
    VPN_SHELL_CLOSED = "vpn_shell_closed"
    WATCH_RUN = "watch_run"
    UNWATCH_RUN = "unwatch_run"
    MISSED = "missed"
    """To a socket that was too slow: ``{"count"}`` events were dropped; read the state by REST."""
    RIGHTS_CHANGED = "rights_changed"
    """To the operator whose role or sites were changed: what was read before may be more or less than they may see."""


class RunContext(StrEnum):
    """In whose name an agent works."""

    SYSTEM = "system"
    INTERACTIVE = "interactive"


CONTEXT_HEADER_VALUES: Final[dict[RunContext, str]] = {
    RunContext.SYSTEM: "SYSTEM",
    RunContext.INTERACTIVE: "CURRENTUSER",
}
RUN_MODES: Final[dict[RunContext, str]] = {
    RunContext.SYSTEM: "system",
    RunContext.INTERACTIVE: "current_user",
}
SERVICE_MODES: Final[dict[RunContext, str]] = {
    RunContext.SYSTEM: "system",
    RunContext.INTERACTIVE: "currentuser",
}


class ScriptType(StrEnum):
    """What interprets a script; see ``OWN_DOOR_TYPES`` for those that nobody writes."""

    POWERSHELL = "powershell"
    BATCH = "batch"
    BASH = "bash"
    PYTHON = "python"
    ANSIBLE = "ansible"
    REMOTE_DESKTOP = "remote_desktop"
    MACRO = "macro"


OWN_DOOR_TYPES: Final[frozenset[ScriptType]] = frozenset({ScriptType.REMOTE_DESKTOP, ScriptType.MACRO})
"""Orders in the form of a job, each with a door of its own: nobody writes such scripts, keeps or sends them."""


class RunStatus(StrEnum):
    """The life of a run as operators and devices name it."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILED = "Failed"
    TIMED_OUT = "Timed Out"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
    REFUSED = "Refused"
    INTERRUPTED = "Interrupted"
    COMPLETED = "Completed"
    """Of what is no run: a tunnel or a shell that is over. Upstream's word."""


TERMINAL_STATUSES: Final[frozenset[RunStatus]] = frozenset(RunStatus) - {RunStatus.PENDING, RunStatus.RUNNING}
DEVICE_RESULT_STATUSES: Final[frozenset[RunStatus]] = TERMINAL_STATUSES - {RunStatus.EXPIRED, RunStatus.COMPLETED}
"""What a device may report as the end of a run."""


class RefusalCode(StrEnum):
    """Why a device would not run an order."""

    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    WRONG_DEVICE = "wrong_device"
    WRONG_CONTEXT = "wrong_context"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REPLAYED = "replayed"
    DIGEST_MISMATCH = "digest_mismatch"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"
    MALFORMED = "malformed"
    INTERPRETER_MISSING = "interpreter_missing"
    BUSY = "busy"
    OLDER_RELEASE = "older_release"
    NOT_UPDATABLE = "not_updatable"
    HOST_KEY_CHANGED = "host_key_changed"
    """Of a machine without an agent: it shows another ssh host key than the one that was confirmed."""


REFUSAL_ADVICE: Final[dict[RefusalCode, str]] = {
    RefusalCode.BAD_SIGNATURE: (
        "The signature does not match. Send the job again; if it recurs, check that nobody alters traffic."
    ),
    RefusalCode.UNKNOWN_KEY: (
        "The device does not trust this signing key. Rotate keys properly, or enrol the device again."
    ),
    RefusalCode.WRONG_DEVICE: "The job was sealed for another device. Send it again to this one.",
    RefusalCode.WRONG_CONTEXT: "The job was sealed for another run context or user. Choose them again.",
    RefusalCode.EXPIRED: (
        "The job reached the device too late. Send it again, and check the clocks of Engine and device."
    ),
    RefusalCode.NOT_YET_VALID: "The job lies in the device's future. Check the clocks of Engine and device.",
    RefusalCode.REPLAYED: "The device has had this run before and does not run it twice. Send a new job.",
    RefusalCode.DIGEST_MISMATCH: "Script or file differs from what was signed. Send the job again.",
    RefusalCode.TOO_LARGE: "The job is larger than the device accepts. Make the script or its files smaller.",
    RefusalCode.UNSUPPORTED_TYPE: "The device cannot run this kind of script. Choose a type that its system knows.",
    RefusalCode.MALFORMED: "The device could not read the job. Check that Engine and agent have matching versions.",
    RefusalCode.INTERPRETER_MISSING: (
        "The interpreter is not installed on the device. Install it there and send the job again."
    ),
    RefusalCode.BUSY: "The device runs as many jobs as it allows at once. Send the job again later.",
    RefusalCode.OLDER_RELEASE: "The agent runs a newer release. Allow an older one if it is really meant to go back.",
    RefusalCode.NOT_UPDATABLE: (
        "Nothing there could bring the old version back, so the agent does not replace itself. Upgrade it on its"
        " machine: ./Borealis.sh up, or install agent."
    ),
    RefusalCode.HOST_KEY_CHANGED: (
        "The machine shows another ssh host key than the one that was confirmed: it is another machine, somebody is in"
        " between, or it was set up anew. Nothing was sent to it. Look at the machine's key there, then confirm it."
    ),
}
