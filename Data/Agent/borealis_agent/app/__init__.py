"""The composition root: builds every room of the agent, gives each what it needs, runs them under one supervisor.

Called by ``agent.py``. What ends the agent, and with which exit status:

* 0: SIGTERM or SIGINT (Ctrl-C). Scripts that run are ended and reported as Interrupted, with what they printed;
  what the Engine does not take within two seconds waits in the outbox for the next start.
* 4: another version of the agent is to be started (``updating``), with everything in good order as with 0.
* 3: only a person can go on (``Fatal``). One sentence on standard error and in the log.
* 1: a fault of ours. Traceback in ``agent.error.log``. Also what ``watchdog`` ends: an event loop that stands still,
  more memory than the agent may hold.
"""

from borealis_agent.app.agent import Agent
from borealis_agent.app.program import PERSON_MUST_ACT, refuse_root_as_user, run, say_fatal
from borealis_agent.app.rooms import spool_of

__all__ = ["PERSON_MUST_ACT", "Agent", "refuse_root_as_user", "run", "say_fatal", "spool_of"]
