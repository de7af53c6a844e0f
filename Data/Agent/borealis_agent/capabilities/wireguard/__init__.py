"""The device's end of the tunnel to its Engine (role ``WireGuardTunnel``).

``decide`` says what has to happen, without I/O; ``tunnel`` does it through ``ports.Driver``, of which ``linux`` and
``windows`` are the two. Owns the key pair in ``Certificates/VPN_Client`` and ``Settings/WireGuard``.
"""
