"""The label by which an agent knows the processes that it started for itself (``life``). Loads nothing."""

import os
from typing import Final

VARIABLE: Final = "BOREALIS_AGENT_LIFE"
"""``<agent>.<session>.<life>``; whoever gives a child an environment of its own passes it on."""


def own_label() -> dict[str, str]:
    """What a child's environment gets, where it is not the agent's own."""
    return {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}
