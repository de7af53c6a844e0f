"""Plays playbooks on machines without an agent: it stands where an agent's session would, for devices that have none.

Owns ``Data/Controller``: Ansible's environments, and a folder for each run under way. May be called by: ``dispatch``
(through its port ``DeviceLink``), which it answers as a device does, and ``app``. It decides nothing about who may run
what; it refuses orders that the signing key did not seal. The playing itself is ``borealis_playbooks.elsewhere``, in a
process that can reach nothing of the Engine.
"""

from borealis_engine.controller.links import Links
from borealis_engine.controller.service import Controller

__all__ = ["Controller", "Links"]
