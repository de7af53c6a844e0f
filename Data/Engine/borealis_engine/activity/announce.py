"""Telling operators that a run changed (upstream's ``device_activity_changed``), and waking who waits for it."""

from typing import TYPE_CHECKING

from borealis_engine.activity.models import LiveRun
from borealis_engine.activity.waiters import Waiters
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_wire.events import OperatorEvent, RunStatus

if TYPE_CHECKING:
    from borealis_engine.activity.uses import Use


class Announcer:
    """Publishes changes of runs; never waits."""

    def __init__(self, feed: ChangeFeed, waiters: Waiters) -> None:
        self._feed = feed
        self._waiters = waiters

    def created(self, run: LiveRun) -> None:
        """A new run waits."""
        self._publish(run, "created")

    def updated(self, run: LiveRun) -> None:
        """A run got another status, or is to be cancelled."""
        self._publish(run, "updated")
        self._waiters.wake(run.run_id)

    def _publish(self, run: LiveRun, change: str) -> None:
        data = {
            "hostname": run.hostname,
            "activity_id": run.id,
            "run_id": run.run_id,
            "change": change,
            "source": "quick_job",
            "status": run.status.value,
            "cancel_requested": run.cancel_requested,
        }
        self._feed.publish(Change(OperatorEvent.DEVICE_ACTIVITY_CHANGED.value, data, run.guid, run.site_id, run.run_id))


def announce_use(feed: ChangeFeed, use: "Use", status: RunStatus, change: str) -> None:
    """Tell operators of a use of a device, in the form of a run's change."""
    data = {
        "hostname": use.hostname,
        "activity_id": use.number,
        "run_id": use.run_id,
        "change": change,
        "source": use.kind.value,
        "status": status.value,
        "cancel_requested": False,
    }
    feed.publish(Change(OperatorEvent.DEVICE_ACTIVITY_CHANGED.value, data, use.guid, use.site_id, use.run_id))
