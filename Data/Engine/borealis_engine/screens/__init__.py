"""Looking at devices' screens: pictures, lists of monitors and windows, and live views (issue: role ``screenshot``).

Owns no table: pictures and frames pass through memory, bounded, and are never stored; who looked is in the audit log.
May be called by ``api`` and ``gateway``. Every look is an order sealed for one device and one run context.
"""

from borealis_engine.screens.models import (
    Picture,
    PictureAsked,
    ScreenList,
    WatchAsked,
    Watcher,
    WindowList,
)
from borealis_engine.screens.mosaic import FrameHead, Mosaic, Update
from borealis_engine.screens.service import ScreenService
from borealis_engine.screens.watches import Key, Viewer

__all__ = [
    "FrameHead",
    "Key",
    "Mosaic",
    "Picture",
    "PictureAsked",
    "ScreenList",
    "ScreenService",
    "Update",
    "Viewer",
    "WatchAsked",
    "Watcher",
    "WindowList",
]
