"""What the rooms around enrolment see: rows of approvals and codes, limits, and the request context."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from borealis_engine.devices.models import KnownDeviceRow as KnownDevice
from borealis_wire.events import RunContext

__all__ = [
    "DAY",
    "ApprovalRow",
    "ApprovalStatus",
    "ApprovalView",
    "Challenge",
    "Channel",
    "CodeRow",
    "EnrolmentLimits",
    "IssuedCode",
    "KnownDevice",
    "Resolution",
    "context_of",
]

DAY: Final = 24 * 3600


class ApprovalStatus(StrEnum):
    """The life of an approval (upstream-contract 1.6)."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    COMPLETED = "completed"


class Channel(StrEnum):
    """Whether the device has shown that it talks to this Engine's own certificate (contract 2).

    ``unknown`` until its first proof, ``bound`` with a valid ``proof_v2``, ``unbound`` where it sent none.
    """

    UNKNOWN = "unknown"
    BOUND = "bound"
    UNBOUND = "unbound"


class Resolution(StrEnum):
    """What an operator decides where a device is known already."""

    OVERWRITE = "overwrite"
    MERGE = "merge"
    COEXIST = "coexist"


@dataclass(frozen=True, slots=True)
class EnrolmentLimits:
    """Bounds on what strangers can make the Engine do. Counts are for each 60 s window."""

    requests_per_address: int = 40
    requests_per_fingerprint: int = 12
    polls_per_address: int = 1200
    failed_polls_per_address: int = 40
    """Polls that hold no valid proof; those that do are many where a whole site enrols through one address."""
    polls_per_reference: int = 24
    refreshes_per_device: int = 12
    refreshes_per_address: int = 1200
    window_seconds: float = 60
    pending_approvals: int = 1000
    approval_seconds: int = DAY
    approval_longest_seconds: int = 30 * DAY
    """A device that goes on polling is kept waiting so long: over a week-end, and over holidays."""
    retry_seconds: int = 600
    """How long after completion a device whose answer was lost may fetch tokens once more."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One pair of nonces that a proof can be made for, and what came with the request that asked for it.

    ``client_nonce`` and ``server_nonce`` are base64 text; ``proven`` once a valid proof was seen for it;
    ``consumed`` once tokens were given out for it: then never again.
    """

    client_nonce: str
    server_nonce: str
    hostname: str
    code_id: int | None
    site_id: int | None
    peer_address: str
    proven: bool = False
    consumed: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One device that asked to be let in. ``current`` is the challenge shown to operators.

    ``other`` is a second challenge for the same key: an agent that was restarted, or a second machine.
    """

    id: int
    reference: str
    guid: str | None
    fingerprint: str
    public_key_spki: bytes
    status: ApprovalStatus
    channel: Channel
    accept_unbound: bool
    duplicate_identity: bool
    current: Challenge
    other: Challenge | None
    conflict_resolution: str | None
    created_at: int
    updated_at: int
    expires_at: int
    completed_at: int | None
    refresh_family: str | None
    approved_by_user_id: int | None
    approved_by_username: str | None


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One install code as kept: its hash and first group, never the code."""

    id: int
    code_prefix: str
    site_id: int | None
    created_at: int
    expires_at: int
    created_by_user_id: int | None
    created_by_username: str
    max_uses: int
    use_count: int
    last_used_at: int | None
    used_at: int | None
    used_by_guid: str | None

    def status(self, now: float) -> str:
        """``expired``, ``used`` (up) or ``active``."""
        if self.expires_at <= now:
            return "expired"
        return "used" if self.use_count >= self.max_uses else "active"


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A new code, the only time it is known in full. ``token`` is what an operator hands out."""

    row: CodeRow
    code: str
    token: str


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval with what an operator has to know of it.

    ``conflict`` None where there is none; ``alternate_hostname`` is what the device would be named if both stay.
    """

    row: ApprovalRow
    conflict: dict[str, Any] | None
    site_name: str | None
    alternate_hostname: str | None


def context_of(header: str | None) -> RunContext:
    """The run context that ``X-Borealis-Agent-Context`` names; SYSTEM where it is absent or unknown.

    Upstream keeps alphanumerics, ``_`` and ``-`` and compares in upper case (upstream-contract 1.1).
    """
    canonical = "".join(char for char in header or "" if char.isalnum() or char in "_-").upper()
    return RunContext.INTERACTIVE if canonical in {"CURRENTUSER", "INTERACTIVE"} else RunContext.SYSTEM
