"""What the Engine's answers mean for an enrolment, and how long to wait then. Pure: tables, no clock, no network."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from borealis_agent.http.answer import Answer
from borealis_base.backoff import Backoff
from borealis_wire import base64s
from borealis_wire.limits import ENROL_POLL_FIRST_MS, ENROL_POLL_MS

LONGEST_POLL_SECONDS: Final = 15.0
SHORTEST_POLL_SECONDS: Final = 1.0
_MAX_REFERENCE: Final = 256


class Outcome(StrEnum):
    """Where an enrolment stands after an answer."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    FINALIZED = "finalized"
    PROOF_REFUSED = "proof_refused"
    CODE_REFUSED = "code_refused"
    BUSY = "busy"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Reading:
    """An outcome, seconds to wait where the Engine named some, and a sentence for the log."""

    outcome: Outcome
    sentence: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a request brought: the approval's reference and both nonces (base64 text), to prove the key with."""

    reference: str
    server_nonce: str
    client_nonce: str


def read_request(answer: Answer, client_nonce: str) -> tuple[Reading, Challenge | None]:
    """The answer to ``enroll/request``."""
    body = answer.body
    if answer.status == 200:
        reference, server_nonce = body.get("approval_reference"), body.get("server_nonce")
        if isinstance(reference, str) and 0 < len(reference) <= _MAX_REFERENCE and _is_nonce(server_nonce):
            wait = _poll_delay(body.get("poll_after_ms"), ENROL_POLL_FIRST_MS)
            reading = Reading(Outcome.PENDING, "the Engine asks an operator", wait)
            return reading, Challenge(reference, str(server_nonce), client_nonce)
        return Reading(Outcome.REJECTED, "the Engine's answer to the enrolment request cannot be read"), None
    if answer.code in {"invalid_enrollment_code", "code_consumed", "enrollment_code_required"}:
        why = "was used up" if answer.code == "code_consumed" else "is not known to the Engine, or has expired"
        return Reading(Outcome.CODE_REFUSED, f"the enrolment code {why} ({answer.code}). {CODE_ADVICE}"), None
    return _trouble(answer, "the enrolment request"), None


def read_poll(answer: Answer) -> Reading:
    """The answer to ``enroll/poll``."""
    body, named = answer.body, answer.body.get("status")
    status = named if isinstance(named, str) else ""
    if answer.status == 200:
        if status == "approved" and isinstance(body.get("access_token"), str):
            return Reading(Outcome.APPROVED, "an operator approved this device")
        if status in {"approved", "completed"}:
            return Reading(Outcome.FINALIZED, "the enrolment was completed, but its answer got lost: asking once more")
        if status == "pending":
            return Reading(
                Outcome.PENDING, "waiting for approval", _poll_delay(body.get("poll_after_ms"), ENROL_POLL_MS)
            )
        if status == "denied":
            return Reading(Outcome.DENIED, "an operator denied this device's enrolment: it was denied and gets nothing")
        if status == "expired":
            return Reading(Outcome.EXPIRED, "the enrolment expired before an operator decided: starting over")
        return Reading(Outcome.REJECTED, "the Engine's answer to the enrolment poll cannot be read")
    if answer.status == 404 or status == "unknown":
        return Reading(Outcome.UNKNOWN, "the Engine does not know this enrolment any more: starting over")
    if answer.code == "proof_replayed":
        return Reading(Outcome.FINALIZED, "this proof was used already: starting over")
    if answer.code in {"invalid_proof", "nonce_mismatch", "invalid_proof_sig", "server_nonce_invalid"}:
        return Reading(
            Outcome.PROOF_REFUSED,
            f"the Engine refused the proof ({answer.code}): {answer.detail} Starting over; if this recurs, somebody "
            "may sit between this machine and the Engine, or a proxy shows a certificate that the Engine does not know",
        )
    return _trouble(answer, "the enrolment poll")


def backoff_for(outcome: Outcome) -> Backoff:
    """How to space attempts that begin anew: a person said no, or has to act, seldom; else soon."""
    match outcome:
        case Outcome.DENIED:
            return Backoff(first=600, longest=3600, floor=120)
        case Outcome.CODE_REFUSED:
            return Backoff(first=60, longest=900, floor=30)
        case Outcome.PROOF_REFUSED | Outcome.REJECTED:
            return Backoff(first=10, longest=300, floor=2)
        case _:
            return Backoff(first=2, longest=60, floor=0.5)


CODE_ADVICE: Final = "Get a fresh one with `borealis codes create` and give it with --enrollment-code"


def _trouble(answer: Answer, what: str) -> Reading:
    if answer.status in {408, 425, 429} or answer.status >= 500:
        named = f" {answer.code}" if answer.code else ""
        return Reading(Outcome.BUSY, f"the Engine is busy ({answer.status}{named})", answer.retry_after)
    said = f"{answer.status} {answer.code}".strip() + (f": {answer.detail}" if answer.detail else "")
    return Reading(Outcome.REJECTED, f"the Engine refused {what} ({said})")


def _poll_delay(milliseconds: Any, default: int) -> float:
    usable = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and milliseconds > 0
    seconds = (milliseconds if usable else default) / 1000
    return min(max(seconds, SHORTEST_POLL_SECONDS), LONGEST_POLL_SECONDS)


def _is_nonce(value: Any) -> bool:
    try:
        return isinstance(value, str) and 16 <= len(base64s.decode(value)) <= 1024
    except ValueError:
        return False
