"""What an answer of the Engine means for the device's tokens. Pure: tables for ``client`` and ``tokens``."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from borealis_agent.http.answer import Answer

REVOKED_RETRY_SECONDS: Final = 300.0
BUSY_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TOKENS_GONE: Final = frozenset(
    {
        "invalid_refresh_token",
        "refresh_token_revoked",
        "refresh_token_expired",
        "refresh_token_reused",
        "device_purged",
        "device_not_found",
        "fingerprint_mismatch",
        "token_version_mismatch",
    }
)


class Verdict(StrEnum):
    """What to do about an answer."""

    OK = "ok"
    WAIT = "wait"
    REVOKED = "revoked"
    REENROL = "reenrol"
    REFRESH = "refresh"
    RELOAD = "reload"
    NEW_PROOF = "new_proof"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Reading:
    """A verdict; ``retry_after`` in seconds where the Engine named a time."""

    verdict: Verdict
    retry_after: float | None = None


def read_refresh(answer: Answer) -> Reading:
    """The answer to a token refresh."""
    status, code = answer.status, answer.code
    if status == 200 and isinstance(answer.body.get("access_token"), str) and answer.body["access_token"]:
        return Reading(Verdict.OK)
    if status in BUSY_STATUSES or status == 200:
        return Reading(Verdict.WAIT, answer.retry_after)
    if status == 403 and code == "device_revoked":
        return Reading(Verdict.REVOKED, REVOKED_RETRY_SECONDS)
    if code == "guid_mismatch":
        return Reading(Verdict.RELOAD)
    if code.startswith("dpop_"):
        return Reading(Verdict.NEW_PROOF)
    if status == 401 or (status in {400, 403, 404} and code in _TOKENS_GONE):
        return Reading(Verdict.REENROL)
    return Reading(Verdict.REJECTED)


def read_request(answer: Answer) -> Reading:
    """The answer to any other request with an access token."""
    status, code = answer.status, answer.code
    if 200 <= status < 300:
        return Reading(Verdict.OK)
    if status in BUSY_STATUSES:
        return Reading(Verdict.WAIT, answer.retry_after)
    if status == 403 and code == "device_revoked":
        return Reading(Verdict.REVOKED, REVOKED_RETRY_SECONDS)
    # The key on record is another one: only the refresh, with its proof, finds out whether that is final.
    if status == 401 or (status == 403 and code in {"fingerprint_mismatch", "token_version_mismatch"}):
        return Reading(Verdict.REFRESH)
    if code == "guid_mismatch":
        return Reading(Verdict.RELOAD)
    return Reading(Verdict.REJECTED)
