"""Two machines with one identity, as a copied disk image makes them (threats 15): how they give themselves away.

Pure: watches what agents of one device do, and says once when it must be two of them. Two signs:

* sessions of one run context replace each other again and again, from two addresses in turn, or very often from
  one: both agents reconnect as soon as the other has thrown them out;
* the time of the last boot goes back and forth: a machine boots later and later, so the older boot is another's.
  Going back once is a clock that was set.

What this does not see: two machines behind one address of which one has no session and no uptime.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from borealis_wire.events import RunContext

WINDOW_SECONDS: Final = 600.0
SWAPS_TWO_ADDRESSES: Final = 3
SWAPS_ONE_ADDRESS: Final = 8
BOOT_SLACK_SECONDS: Final = 180.0
BOOT_RETURNS: Final = 3


@dataclass(slots=True)
class IdentityWatch:
    """What is remembered of one device. Times are seconds of the steady clock."""

    _swaps: dict[RunContext, deque[tuple[float, str, str]]] = field(default_factory=dict)
    _last_boot: float = float("-inf")
    _returns: int = 0

    def session_replaced(self, context: RunContext, old: str, new: str, now: float) -> str | None:
        """A live session from address ``old`` was replaced by one from ``new``; gives the reason for suspicion."""
        swaps = self._swaps.setdefault(context, deque(maxlen=SWAPS_ONE_ADDRESS))
        swaps.append((now, old, new))
        while swaps and swaps[0][0] <= now - WINDOW_SECONDS:
            swaps.popleft()
        crossings = [{before, after} for _, before, after in swaps if before != after]
        if len(crossings) >= SWAPS_TWO_ADDRESSES and all(pair == crossings[-1] for pair in crossings):
            return (
                f"Agents at {' and '.join(sorted(crossings[-1]))} keep replacing each other's {context.value} session."
            )
        if len(swaps) >= SWAPS_ONE_ADDRESS:
            return f"Agents keep replacing each other's {context.value} session, all from {new}."
        return None

    def uptime_reported(self, uptime: float, now: float) -> str | None:
        """A heartbeat said how long the machine is up; gives the reason for suspicion."""
        boot = now - uptime
        apart = self._last_boot - boot
        if apart < BOOT_SLACK_SECONDS:
            self._last_boot = max(boot, self._last_boot)
            return None
        self._last_boot = boot
        self._returns += 1
        if self._returns < BOOT_RETURNS:
            return None
        return f"Heartbeats come in turn from machines that were started {int(apart)} s apart."
