"""Machines without an agent: devices that the Engine itself reaches, by ssh, winrm or psrp, and how it knows them.

Owns the table ``machines`` and the memory of it. May be called by: ``jobs`` (which runs need which credential),
``controller`` (where to connect) and ``api``. A machine is a device record like any other, without a key of its own; it
is never online, for nothing of ours is there to say so. First contact is never blind: an ssh host key is confirmed by a
person, a Windows machine is known by its certificate.
"""

from borealis_engine.machines.models import CONNECTIONS, TLS_MODES, Connection, Machine, MachineTls, ShownKey
from borealis_engine.machines.service import MachineService

__all__ = ["CONNECTIONS", "TLS_MODES", "Connection", "Machine", "MachineService", "MachineTls", "ShownKey"]
