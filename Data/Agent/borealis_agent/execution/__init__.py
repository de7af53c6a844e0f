"""Runs scripts in this agent's own account, and leaves neither process nor file behind.

Owns: processes of runs, ``Agent/Temp`` and ``Spool/output``. May be called by: ``intake``, ``roles`` (through
``role_api.ExecutionPort``), ``app``. Does not decide whether a script may run (``trust``) or has run (``outbox``).

What happens to what a script leaves running:

* time-out and cancel end everything it started, wherever it hid: new sessions, orphans, emptied environments;
* when it ends by itself, it has a second for its output to close. Then whatever still is in its session or holds its
  output is ended. A daemon that made a session of its own and let go of the output lives on: to start one
  (a service where there is no systemd) may be what the script was for.
"""

from borealis_agent.execution.executor import Executor, RunCancelled, starter_for
from borealis_agent.execution.interpreters import Interpreters, interpreters_for

__all__ = ["Executor", "Interpreters", "RunCancelled", "interpreters_for", "starter_for"]
