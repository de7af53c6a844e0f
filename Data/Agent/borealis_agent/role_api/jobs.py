"""Jobs as roles see them: only ever verified."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from borealis_wire.events import RunStatus
from borealis_wire.orders import JobOrder


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of a job whose digest matched the order."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class VerifiedJob:
    """A job whose signature, device, context, times and digests all held. Made by ``trust`` alone.

    ``script`` are the signed UTF-8 bytes. ``payload`` is the event as it came, for old-style roles; what it
    says outside the envelope is not believed by anything of ours.
    """

    order: JobOrder
    script: bytes
    files: tuple[JobFile, ...]
    key_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a run ended. Output is decoded text, already cut to what a result may carry.

    ``recap``: of a playbook, what became of each task; a JSON object, empty for scripts.
    """

    status: RunStatus
    exit_code: int | None
    stdout: str
    stderr: str
    started_at: float
    finished_at: float
    reason: str = ""
    recap: Mapping[str, Any] = field(default_factory=dict)


OutputSink = Callable[[str, str], Awaitable[None]]
"""``await sink("stdout" | "stderr", text)``: live output; waiting here is the back-pressure."""

JobHandler = Callable[[VerifiedJob, OutputSink], Awaitable[JobOutcome]]
"""What a role registers to run jobs. Cancelling the awaiting task must end the whole process tree."""
