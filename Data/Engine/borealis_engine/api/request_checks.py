"""Pure decisions about a request before anything else sees it: its path, its peer, its origin, its body.

Owns nothing, does no I/O. Called by ``auth_middleware`` and, for sockets, by nobody else.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from borealis_engine.core.errors import Forbidden, Invalid, TooLarge
from borealis_wire import strict_json

SAFE_METHODS: Final = frozenset({"GET"})
CSRF_HEADER: Final = "x-borealis-csrf"
MAX_PATH_BYTES: Final = 2048
_ENCODED_TRICKS: Final = (b"%2f", b"%5c", b"%00", b"%2e%2e", b"%3b")


def is_plain_path(raw_path: bytes) -> bool:
    """Whether a request path means only what it says.

    Refused are encoded separators, dot and empty segments, a trailing slash, parameters after ``;``, back
    slashes and control characters: each has made some server find another handler than its guard did
    (CVE-2024-1709).
    """
    path = raw_path.split(b"?", 1)[0]
    if path == b"/":
        return True
    lowered = path.lower()
    if len(path) > MAX_PATH_BYTES or not path.startswith(b"/") or any(trick in lowered for trick in _ENCODED_TRICKS):
        return False
    if any(byte <= 0x20 or byte >= 0x7F or byte in b"\\;" for byte in path):
        return False
    return all(segment.replace(b"%2e", b".") not in {b"", b".", b".."} for segment in lowered[1:].split(b"/"))


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
    parts = urlsplit(origin)
    own = {host.lower(), urlsplit(public_url).netloc.lower()}
    # A browser reaches the Engine over TLS only, also where a proxy ends it; an http page is not our page.
    if parts.scheme != "https" or parts.netloc.lower() not in own or parts.path or parts.query:
        raise _cross_site()


def check_media_type(content_type: str | None, content_encoding: str | None) -> bool:
    """Whether the body claims to be plain UTF-8 JSON."""
    kind, _, parameters = (content_type or "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    return (
        kind.strip() == "application/json"
        and charset in {"", "charset=utf-8", "charset=utf8"}
        and (content_encoding or "identity").lower() == "identity"
    )


def parse_body(body: bytes, annotation: Any, *, max_bytes: int) -> Any:
    """Bytes to what the handler declared, strictly.

    Raises:
        Invalid: ``invalid_json`` for what is not JSON as we accept it, ``invalid_request`` for another form.
        TooLarge: ``too_large``.
    """
    if len(body) > max_bytes:
        raise too_large(max_bytes)
    try:
        value = strict_json.loads(body, max_bytes=max_bytes)
    except strict_json.JsonError as error:
        raise Invalid("invalid_json", f"The body is not JSON as accepted here: {_clean(str(error))}.") from error
    try:
        return msgspec.convert(value, annotation, strict=True)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise Invalid("invalid_request", f"The request has another form: {_clean(str(error))}.") from error


def too_large(max_bytes: int) -> TooLarge:
    """The error for a body over its limit."""
    return TooLarge("too_large", f"The body is larger than the {max_bytes} bytes that this address takes.")


def _clean(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:300]


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
