"""Judging what a device reports about a run, pure: record it, take it as an acceptance, or ignore it."""

from dataclasses import dataclass
from typing import Final

from borealis_engine.activity import LiveRun, Outcome
from borealis_engine.activity.recaps import clean_recap
from borealis_engine.activity.text import plausible_time, storable
from borealis_engine.core.errors import Invalid
from borealis_engine.dispatch.lanes import Answer, about_another_message, read_refusal
from borealis_wire.events import DEVICE_RESULT_STATUSES, RunStatus
from borealis_wire.limits import CLOCK_SKEW_SECONDS
from borealis_wire.messages import JobResult

EXIT_CODE_LIMIT: Final = 2**63


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ignored`` says why nothing changes; else ``outcome`` is recorded; else only ``answer`` counts."""

    ignored: str = ""
    outcome: Outcome | None = None
    answer: Answer = Answer.ACCEPTED


def judge(run: LiveRun | None, result: JobResult, now: float) -> Verdict:
    """What to do with a result.

    Args:
        run: the run it names, if it is this device's and context's.
        result: what came.
        now: Unix seconds.

    Raises:
        Invalid: ``invalid_status``.
    """
    if run is None:
        return Verdict(ignored="unknown_run")
    if result.status == RunStatus.RUNNING:
        return Verdict() if not run.over and run.sent_at is not None else Verdict(ignored="not_expected")
    if result.status not in DEVICE_RESULT_STATUSES:
        known = ", ".join(sorted(DEVICE_RESULT_STATUSES))
        raise Invalid("invalid_status", f"A device reports one of {known} as the end of a run.")
    if result.status == RunStatus.REFUSED and not run.over:
        if about_another_message(result.reason, accepted=run.status == RunStatus.RUNNING):
            return Verdict(ignored="already_accepted")
        answer, _ = read_refusal(result.reason, sent_before=run.offers > 1)
        if answer != Answer.REFUSED and run.status == RunStatus.PENDING:
            return Verdict(answer=answer)
        if answer == Answer.BUSY:
            return Verdict(ignored="already_accepted")
    return Verdict(outcome=_outcome(run, result, now))


def refusal(reason: str) -> Outcome:
    """The end of a run that the device refused by its acknowledgement."""
    return Outcome(RunStatus.REFUSED, reason=storable(reason))


def _outcome(run: LiveRun, result: JobResult, now: float) -> Outcome:
    earliest, latest = run.created_at - CLOCK_SKEW_SECONDS, now + CLOCK_SKEW_SECONDS
    started = plausible_time(result.started_at, earliest=earliest, latest=latest)
    finished = plausible_time(result.finished_at, earliest=started or earliest, latest=latest)
    exit_code = result.exit_code
    if exit_code is not None and not -EXIT_CODE_LIMIT <= exit_code < EXIT_CODE_LIMIT:
        exit_code = None
    return Outcome(
        status=RunStatus(result.status),
        exit_code=exit_code,
        stdout=storable(result.stdout),
        stderr=storable(result.stderr),
        reason=storable(result.reason),
        started_at=started,
        finished_at=finished,
        recap=clean_recap(result.recap),
    )
