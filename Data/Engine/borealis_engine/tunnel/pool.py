"""Which address a device gets; pure. The first free one, as upstream does."""

import ipaddress


class PoolExhausted(Exception):
    """Every address of the network is taken."""


class AddressPool:
    """Addresses of one network, but for the network's own, its broadcast and the Engine's."""

    def __init__(self, network: ipaddress.IPv4Network, engine: ipaddress.IPv4Address) -> None:
        self._network = network
        self._first = int(network.network_address) + 1
        self._last = int(network.broadcast_address) - 1
        self._engine = int(engine)
        self._taken: set[int] = set()
        self._next = self._first
        """No address below it is free."""

    def take(self) -> str:
        """The lowest free address.

        Raises:
            PoolExhausted: there is none.
        """
        for number in range(self._next, self._last + 1):
            if number != self._engine and number not in self._taken:
                self._taken.add(number)
                self._next = number + 1
                return str(ipaddress.IPv4Address(number))
        self._next = self._last + 1
        raise PoolExhausted(f"all addresses of {self._network} are taken")

    def give_back(self, address: str) -> None:
        """It may be taken again; once more does nothing."""
        number = int(ipaddress.IPv4Address(address))
        if number in self._taken:
            self._taken.discard(number)
            self._next = min(self._next, max(number, self._first))

    def reserve(self, address: str) -> None:
        """Take this very one, which has to fit and be free."""
        self._taken.add(int(ipaddress.IPv4Address(address)))

    def fits(self, address: str) -> bool:
        """Whether an address, given under settings of before, is one of this pool's and free."""
        number = int(ipaddress.IPv4Address(address))
        return self._first <= number <= self._last and number != self._engine and number not in self._taken

    def __len__(self) -> int:
        return len(self._taken)
