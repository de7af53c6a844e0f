"""Tunnels: one WireGuard interface, a peer for each device that is connected, and the leases of their addresses.

Owns the tables ``tunnels`` (a row for each tunnel there was: a lease while it is up, then history) and
``device_vpn_config``, and the key pair in ``Certificates/VPN_Server``. May be called by ``api``, ``gateway`` and
``app``; whoever wants to reach a device's port asks :meth:`TunnelService.reach`. ``service`` decides, ``linux``
drives the system through ``ports.Wires``, ``pool``, ``rules`` and ``watching`` are pure.
"""

from borealis_engine.tunnel.models import SCRIPT_NAME, SCRIPT_TYPE, KeyFiles, Lease, PortList, Reached, TunnelRow
from borealis_engine.tunnel.ports import Wires
from borealis_engine.tunnel.service import TunnelService
from borealis_engine.tunnel.wiring import make_tunnels

__all__ = [
    "SCRIPT_NAME",
    "SCRIPT_TYPE",
    "KeyFiles",
    "Lease",
    "PortList",
    "Reached",
    "TunnelRow",
    "TunnelService",
    "Wires",
    "make_tunnels",
]
