"""``Place`` as this system has it."""

import sys

if sys.platform == "win32":
    from borealis_agent.capabilities.files.places_windows import Place
else:
    from borealis_agent.capabilities.files.places import Place

__all__ = ["Place"]
