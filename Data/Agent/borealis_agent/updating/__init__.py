"""The agent replaces itself: fetches what an order names, has it staged, ends for it, and proves itself afterwards.

Owns ``update.json`` (``borealis_base.trial``) while the agent runs, the folder ``Update``, and ``updater.log``. May be
called by ``intake``, which verified the order, and by ``app``. What starts the agent decides what is started.
"""

from borealis_agent.updating.service import Restart, Updating, World

__all__ = ["Restart", "Updating", "World"]
