"""What must survive a crash: which runs were begun (journal), and results the Engine does not have yet (outbox).

Owns the files ``Spool/journal`` and ``Spool/outbox``. May be called by: ``intake``, ``app``. Does not decide whether
an order holds (``trust``), and sends nothing (``link``).
"""

from borealis_agent.outbox.journal import BegunRun, Journal
from borealis_agent.outbox.outbox import Outbox, OutboxEntry
from borealis_agent.outbox.spool import Spool, open_spool

__all__ = ["BegunRun", "Journal", "Outbox", "OutboxEntry", "Spool", "open_spool"]
