"""What comes from the Engine: verify, journal, hand to a role, and see the result through to the Engine.

May be called by: ``app``. Fulfils ``link.ports.Inbox``. The order of a job's checks: signature and validity
(``trust.policy``), replay (journal), a role for its type, room; only then it is journalled, acknowledged and begun.
"""

from borealis_agent.intake.delivery import Delivery
from borealis_agent.intake.intake import Intake
from borealis_agent.intake.ports import Router, Trust

__all__ = ["Delivery", "Intake", "Router", "Trust"]
