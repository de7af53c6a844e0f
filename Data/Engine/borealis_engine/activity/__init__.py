"""The recorded life of runs: the one state machine, live output, history for operators.

Owns the tables ``jobs``, ``runs``, ``run_output``, ``run_numbers`` and ``ansible_play_recaps``; the only writer of
run state. May be called by: ``dispatch``, ``jobs``, ``screens``, ``shells``, ``tunnel``, ``api``. It never sends
anything to a device.

How results are judged (contract 4, threats 17): a run may leave the Engine only after ``sent_at`` is on disk. A
result is recorded once; a repeat is answered like the first. A result for a run that the Engine itself gave up
(Expired, Cancelled, Interrupted) overtakes that, because the device knows better. A result for a run that is
unknown, another device's, or another context's changes nothing, and is acknowledged all the same, so that no
outbox repeats it for ever.
"""

from borealis_engine.activity.history import ActivityHistory
from borealis_engine.activity.models import JobContent, LiveRun, Outcome, RunQuery
from borealis_engine.activity.service import ActivityService
from borealis_engine.activity.uses import RowKind, Use, UseRecorder

__all__ = [
    "ActivityHistory",
    "ActivityService",
    "JobContent",
    "LiveRun",
    "Outcome",
    "RowKind",
    "RunQuery",
    "Use",
    "UseRecorder",
]
