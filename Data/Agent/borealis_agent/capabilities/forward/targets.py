"""Which targets a device forwards to. Decided on addresses, after names were resolved: a name proves nothing."""

import ipaddress
from collections.abc import Callable
from typing import Final

from borealis_agent.capabilities.entry.entry import is_own

ANY: Final = "any"
DEVICE: Final = "device"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_THIS_HOST: Final = ipaddress.ip_network("0.0.0.0/8")
_NOT_ONE: Final = frozenset({ipaddress.ip_address("255.255.255.255"), ipaddress.ip_address("::")})
_METADATA: Final = ipaddress.ip_address("fd00:ec2::254")


class Targets:
    """A policy.

    Args:
        setting: the words ``any`` (what the device reaches, as its own scripts do) or ``device`` (the device itself),
            addresses or networks, with commas between them. Empty: ``any``. Words that are none of these allow
            nothing: a slip of the pen never opens more than was meant.
        own: whether this machine has an address.
    """

    def __init__(self, setting: str = "", *, own: Callable[[str], bool] = is_own) -> None:
        self._own = own
        self._words: set[str] = set()
        self._networks: list[Network] = []
        self.mistakes: list[str] = []
        """Words of the setting that say nothing."""
        for word in (setting or ANY).replace(",", " ").split():
            if word.lower() in {ANY, DEVICE}:
                self._words.add(word.lower())
                continue
            try:
                self._networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                self.mistakes.append(word)

    def objection(
        self, address: Address, *, closed: frozenset[Address], engine: frozenset[Address] = frozenset()
    ) -> str:
        """Why no connection goes to an address, as a sentence; empty where one may.

        Args:
            address: as resolved.
            closed: the tunnel's own ends, which are never a target.
            engine: the Engine's own addresses, where the port is the one that it is called at.
        """
        address = plain(address)
        if address.is_multicast or address in _NOT_ONE or address in _THIS_HOST:
            return f"{address} is not the address of one machine."
        if address in closed:
            return f"{address} is an end of the tunnel itself: the Engine forwards nothing into it."
        if address in engine or (self._is_here(address) and any(map(self._is_here, engine))):
            # Whoever may forward is an operator and has a way there; by this one the Engine would see the device call.
            return f"{address} is the Engine itself, which is called directly."
        if any(address in network for network in self._networks):
            return ""
        if address.is_link_local or address == _METADATA:
            # What answers there believes everybody who can ask: the metadata of a cloud's machine hands out keys.
            return f"{address} is link-local. The device forwards there only if BOREALIS_FORWARD_HOSTS names it."
        if ANY in self._words or (DEVICE in self._words and self._is_here(address)):
            return ""
        return f"BOREALIS_FORWARD_HOSTS on the device does not name {address}."

    def _is_here(self, address: Address) -> bool:
        return address.is_loopback or self._own(str(address))


def plain(address: Address) -> Address:
    """An IPv4 address that was written as an IPv6 one, as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
