"""Quick jobs: what an operator wants becomes sealed runs, in one transaction; and cancels.

Owns no table (``activity`` records). May be called by: ``api``. It never hears of results, never talks to a
device. Cancelling a run is its half: it records the wish, ``dispatch`` carries it to the device.
"""

from borealis_engine.jobs.desktop import DesktopAction, desktop_job
from borealis_engine.jobs.models import FileUpload, Launched, LaunchedRun, LaunchRequest
from borealis_engine.jobs.playbooks import PlaybookRequest
from borealis_engine.jobs.service import JobService
from borealis_engine.jobs.variables import environment_of

__all__ = [
    "DesktopAction",
    "FileUpload",
    "JobService",
    "LaunchRequest",
    "Launched",
    "LaunchedRun",
    "PlaybookRequest",
    "desktop_job",
    "environment_of",
]
