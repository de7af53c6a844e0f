"""Pure decisions about who is at the door: the peer's address, whether it is this machine, and its origin.

Used by both doors, ``api`` and ``gateway``, so that they cannot come to differ. Owns nothing, does no I/O.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from borealis_engine.core.errors import Forbidden


def peer_address(socket_peer: str, forwarded_for: str | None, trusted_proxies: Iterable[str]) -> str:
    """The address that limits and the audit log count by.

    ``X-Forwarded-For`` is read from the right, past trusted proxies only: what stands left of the first
    stranger was written by a stranger.
    """
    networks = [network for text in trusted_proxies if (network := _network(text)) is not None]
    if not forwarded_for or not networks or not _inside(socket_peer, networks):
        return socket_peer
    for text in reversed(forwarded_for.split(",")):
        address = text.strip()
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return socket_peer
        if not _inside(address, networks):
            return address
    return socket_peer


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def check_same_origin(
    *, origin: str | None, fetch_site: str | None, host: str, public_url: str, origin_required: bool
) -> None:
    """Refuse a request that another site's page made the browser send.

    Does not check the CSRF token.

    Raises:
        Forbidden: ``cross_site``.
    """
    if fetch_site is not None and fetch_site not in {"same-origin", "none"}:
        raise _cross_site()
    if origin is None:
        if origin_required and fetch_site != "same-origin":
            raise _cross_site()
        return
    # A browser reaches the Engine over TLS only, also where a proxy ends it; an http page is not our page.
    # Compared whole, not taken apart: what two parsers read differently is nobody's origin.
    own = {f"https://{name.lower()}" for name in (host, urlsplit(public_url).netloc) if name}
    if origin.lower() not in own:
        raise _cross_site()


def _cross_site() -> Forbidden:
    return Forbidden("cross_site", "The request comes from another site. Use the Engine's own address.")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _inside(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
