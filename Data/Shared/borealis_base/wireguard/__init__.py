"""WireGuard as Agent and Engine both need it: keys, texts, and an interface on Linux. Knows nothing of Borealis.

``keys`` and ``texts`` are pure; ``linux`` drives ``ip``, ``wg``, ``nft`` and, where the kernel has no WireGuard,
``wireguard-go``. Import the parts, not this package: the last one is of no use on other systems.
"""
