"""Decides when to look at the machine and when to send what was found; sends it. Runs in the agent.

The first inventory is sent whole right after the start, a second look follows when the machine has settled, then
one at each interval. Only what differs from the last inventory that the Engine acknowledged is sent, so that
nothing is lost by a failure: it still differs next time.
"""

import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from borealis_agent.capabilities.inventory.child import Report
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock

SHORTEST_INTERVAL: Final = 300.0
LONGEST_INTERVAL: Final = 7 * 86400.0
SETTLE_SECONDS: Final = 15.0
"""At boot, adapters and sessions come up while the agent already runs."""
WHOLE_AGAIN_SECONDS: Final = 86400.0
"""Sent anew after this long even if nothing changed: an Engine restored from a backup heals."""
EXTERNAL_ADDRESS_SECONDS: Final = 900.0
_SPREAD: Final = 0.05
"""Up to this part later than the interval, so that a fleet started at once does not stay in step."""


class Collect(Protocol):
    """Looks at the machine: ``child.collect_in_child``, or a test's stand-in."""

    async def __call__(self, known: Mapping[str, Any] | None, external_ip_url: str = "", /) -> Report:
        """As ``child.collect_in_child``."""


def interval_seconds(setting: Any) -> float:
    """The setting ``audit_interval_minutes`` as seconds: at least five minutes; five where it is no number."""
    if isinstance(setting, str):
        try:
            setting = float(setting)
        except ValueError:
            return SHORTEST_INTERVAL
    if isinstance(setting, bool) or not isinstance(setting, int | float) or not math.isfinite(setting):
        return SHORTEST_INTERVAL
    return min(max(SHORTEST_INTERVAL, setting * 60), LONGEST_INTERVAL)


@dataclass(slots=True)
class AuditState:
    """How it went, for the role's health. Times are Unix seconds, 0 for never."""

    looked_at: float = 0.0
    sent_at: float = 0.0
    facts: int = 0
    milliseconds: float = 0.0
    failure: str = ""
    failures: int = 0
    notes: tuple[str, ...] = field(default=())


class Auditor:
    """One machine's audit.

    Args:
        collect: looks at the machine.
        send: ``await send(report)`` posts its details to the Engine and returns once it has stored it; may raise.
        clock: time.
        rng: jitter.
        log: writes a line into the role's log.
        interval: gives the present interval in seconds.
        external_ip_url: the service that tells this machine's external address, or empty.
    """

    def __init__(
        self,
        *,
        collect: Collect,
        send: Callable[[Report], Awaitable[object]],
        clock: Clock,
        rng: random.Random,
        interval: Callable[[], float],
        log: Callable[[str], None],
        external_ip_url: str = "",
    ) -> None:
        self.state = AuditState()
        self._collect = collect
        self._send = send
        self._clock = clock
        self._rng = rng
        self._interval = interval
        self._log = log
        self._external_ip_url = external_ip_url
        self._external: tuple[str, float] = ("", -math.inf)
        self._sent: Mapping[str, Any] | None = None
        self._sent_at = -math.inf
        self._settled = False
        self._backoff = Backoff(first=5.0, longest=SHORTEST_INTERVAL, floor=1.0)

    async def run(self) -> None:
        """Audit until cancelled."""
        while True:
            await self._clock.sleep(await self.audit())

    async def audit(self) -> float:
        """Look once, send what is new, and give the seconds to wait before the next look. Never raises but to stop."""
        try:
            await self._look_and_send()
        except Exception as error:  # noqa: BLE001  (whatever the port raises: tell it in the health, and try again)
            return self._failed(error)
        self.state.failure, self.state.failures = "", 0
        self._backoff.reset()
        if not self._settled:
            self._settled = True
            return SETTLE_SECONDS
        return self._interval() * (1 + self._rng.uniform(0, _SPREAD))

    async def _look_and_send(self) -> None:
        now = self._clock.monotonic()
        known = None
        if self._sent is not None and now - self._sent_at < WHOLE_AGAIN_SECONDS:
            known = {"fingerprint": self._sent, "external_ip": self._fresh_external(now)}
        elif external := self._fresh_external(now):
            known = {"external_ip": external}
        report = await self._collect(known, self._external_ip_url)
        if report.external_ip and report.external_ip != self._fresh_external(now):
            self._external = (report.external_ip, now)
        self.state.looked_at = self._clock.now()
        self.state.facts, self.state.milliseconds, self.state.notes = (
            report.facts,
            report.milliseconds,
            tuple(report.notes[:20]),
        )
        if not report.has_details:
            return
        await self._send(report)
        self._sent, self._sent_at = report.fingerprint, now
        self.state.sent_at = self._clock.now()
        self._log(f"inventory sent: {report.facts} facts, collected in {report.milliseconds:.0f} ms")

    def _fresh_external(self, now: float) -> str:
        address, when = self._external
        return address if now - when < EXTERNAL_ADDRESS_SECONDS else ""

    def _failed(self, error: Exception) -> float:
        self.state.failures += 1
        self.state.failure = str(error)[:300] or type(error).__name__
        delay = self._backoff.next_delay(self._rng)
        asked = getattr(error, "retry_after", None)
        if isinstance(asked, int | float) and math.isfinite(asked):
            delay = max(delay, min(float(asked), LONGEST_INTERVAL))
        self._log(f"inventory not sent, next attempt in {delay:.0f} s: {self.state.failure}")
        return delay

    def health(self) -> dict[str, Any]:
        """The role's ``health_report``: flat, and steady from one look to the next."""
        told: dict[str, Any] = {"sent_at": int(self.state.sent_at)}
        reason = self.state.failure or "; ".join(self.state.notes)
        return told | {"state": "degraded", "reason": reason[:500]} if reason else told | {"state": "running"}
