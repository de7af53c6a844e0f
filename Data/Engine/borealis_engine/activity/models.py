"""What activity keeps in memory and gives to others: live runs, job content, rows for operators."""

from dataclasses import dataclass, field
from typing import Any

from borealis_engine.activity.states import Party, RunFacts
from borealis_wire.events import TERMINAL_STATUSES, RunContext, RunStatus


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run that is not over, as small as it can be. Changed by ``activity`` alone, read by ``dispatch``.

    Times are Unix seconds. ``offers`` counts how often it was handed out, one for a past life of the Engine.
    ``envelope`` is the sealed order, dropped once the device has it and read back from the database if needed.
    ``run_as_user`` is the signed-in user whom the operator named; empty: any. ``ran_as_user`` is the one whose agent
    gets it, empty while nobody is chosen; ``rerouted``: another one than is recorded.
    """

    id: int
    run_id: str
    job_id: str
    guid: str
    hostname: str
    site_id: int | None
    context: RunContext
    created_at: float
    expires_at: float
    timeout_seconds: int
    status: RunStatus = RunStatus.PENDING
    ended_by: Party = Party.NOBODY
    sent_at: float | None = None
    accepted_at: float | None = None
    cancel_requested: bool = False
    offers: int = 0
    envelope: dict[str, Any] | None = None
    run_as_user: str = ""
    ran_as_user: str = ""
    rerouted: bool = False

    @property
    def facts(self) -> RunFacts:
        """What the state machine decides on."""
        return RunFacts(self.status, self.sent_at is not None, self.cancel_requested, self.ended_by)

    @property
    def reroutable(self) -> bool:
        """Whether another signed-in user's agent may get it: none was named, and none has been offered it."""
        return not self.run_as_user and self.offers == 0 and self.sendable

    def is_told_by(self, guid: str, context: RunContext, user: str) -> bool:
        """Whether it is for this agent to tell what became of it."""
        return self.guid == guid and self.context == context and self.ran_as_user in {"", user}

    @property
    def sendable(self) -> bool:
        """Whether the order may (still) be handed out."""
        return not self.cancel_requested and self.status not in TERMINAL_STATUSES

    @property
    def over(self) -> bool:
        """Whether it has ended, in memory at least."""
        return self.status in TERMINAL_STATUSES


@dataclass(frozen=True, slots=True)
class JobContent:
    """What a job says, the same for all its runs. ``files``: name, size, mime_type, sha256, data (base64).

    ``assembly_guid`` and ``assembly_version`` name the stored script that it was made from; None if it was typed in.
    ``playbook``: the options of one, None for scripts.
    """

    id: str
    source: str
    script_name: str
    script_type: str
    script_sha256: str
    script: bytes
    script_signature: str
    signing_key: str
    context: RunContext
    timeout_seconds: int
    created_by: str
    created_at: float
    expires_at: float
    variables: tuple[dict[str, Any], ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    files: tuple[dict[str, Any], ...] = ()
    assembly_guid: str | None = None
    assembly_version: int | None = None
    playbook: dict[str, Any] | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.script) + sum(len(file["data"]) for file in self.files) + 2048


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run as the device told it. ``recap``: of a playbook, in the form of ``activity.recaps``."""

    status: RunStatus
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    reason: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    recap: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs an operator wants to see. ``sites`` None: all. Newest first, ids below ``before``.

    ``since`` and ``until`` (Unix seconds, the latter excluded) are of when runs were asked for. Every word of ``text``
    is in the name of the script or of the device. ``kind``: of ``uses.RowKind``; empty for all.
    """

    sites: frozenset[int] | None = None
    device: str = ""
    statuses: frozenset[str] = frozenset()
    created_by: str = ""
    since: float | None = None
    until: float | None = None
    text: str = ""
    job_id: str = ""
    kind: str = ""
    before: int | None = None
    limit: int = 100
    with_output: bool = False
