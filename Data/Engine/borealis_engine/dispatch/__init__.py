"""Handing runs to devices: leases on sessions, resend, polling, expiry, cancel.

Owns no table. May be called by: ``jobs`` (submit, cancel), ``gateway`` and ``api`` (what devices say). Delivery is
at least once, a device executes at most once (its journal), and a result is recorded once (``activity``). The
sockets come through ``ports.DeviceLink``, filled in by ``app`` with ``bind_link``.
"""

from borealis_engine.dispatch.service import Dispatcher

__all__ = ["Dispatcher"]
