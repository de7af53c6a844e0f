"""The socket door: one Socket.IO server for devices and operators (contract 5).

Owns no table. May be called by ``app``. Implements ``dispatch.ports.DeviceLink``; hands what devices say to
``dispatch`` and decides nothing about runs. Nobody is answered without credentials that hold; what each may send is
in ``rules.EVENT_RULES``.
"""

from borealis_engine.gateway.rules import EVENT_RULES
from borealis_engine.gateway.service import Gateway

__all__ = ["EVENT_RULES", "Gateway"]
