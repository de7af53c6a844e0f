"""What the parts of this room share, and how they tell the rest of the Engine what happened."""

from dataclasses import dataclass
from typing import Final

from borealis_base.clock import Clock
from borealis_engine.audit import AuditLog
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.core.metrics import Metrics
from borealis_engine.enrolment.models import EnrolmentLimits
from borealis_engine.enrolment.ports import Devices
from borealis_engine.enrolment.tls import EngineCertificates
from borealis_engine.enrolment.tokens import AccessTokens
from borealis_engine.signing import SigningService
from borealis_engine.storage import Database
from borealis_wire.events import OperatorEvent

MAX_ADDRESS: Final = 64
WIDE_LIMIT_KEYS: Final = 1000
"""How many addresses a limit of more than a thousand events remembers: 40 MB at worst."""

log = get_logger("device_enrollment")


@dataclass(frozen=True, slots=True)
class Ground:
    """Handed to each part. ``url`` is how agents reach the Engine."""

    db: Database
    clock: Clock
    randomness: Randomness
    feed: ChangeFeed
    audit: AuditLog
    devices: Devices
    signing: SigningService
    certificates: EngineCertificates
    access_tokens: AccessTokens
    limits: EnrolmentLimits
    url: str
    metrics: Metrics | None = None

    def now(self) -> int:
        """Unix seconds, whole as the tables keep them."""
        return int(self.clock.now())

    def approval_changed(self, reference: str, status: str, site_id: int | None) -> None:
        """Tell operators who look at approvals."""
        self.feed.publish(
            Change(
                OperatorEvent.APPROVALS_CHANGED, {"approval_reference": reference, "status": status}, site_id=site_id
            )
        )

    def count(self, outcome: str) -> None:
        """Count an outcome of enrolment."""
        if self.metrics is not None:
            self.metrics.enrolments.labels(outcome).inc()
