"""The fleet at a glance: counts of now, and how they went over the last days. Site limits hold in both.

Owns overview_samples. May be called by: ``api`` and ``app``. It counts what other rooms have and changes nothing there.
"""

from borealis_engine.overview.build import AgentBuild
from borealis_engine.overview.models import Bar, Bars, Counts, Glance, Point, Series
from borealis_engine.overview.service import OverviewService

__all__ = ["AgentBuild", "Bar", "Bars", "Counts", "Glance", "OverviewService", "Point", "Series"]
