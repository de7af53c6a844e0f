"""This machine's address as the world sees it, from a service that the operator chose. Nothing is asked by default."""

from typing import Final

SECONDS: Final = 3.0
_MAX_ANSWER: Final = 256


def fetch_external_address(url: str, timeout: float = SECONDS) -> str:
    """Ask the service; it answers with the address as text.

    Raises:
        OSError: not reached, or the answer is no address.
        ValueError: the address of the service is not http or https.
    """
    import ipaddress
    import urllib.request

    if not url.startswith(("https://", "http://")):
        raise ValueError("BOREALIS_EXTERNAL_IP_URL is an http or https address")
    request = urllib.request.Request(url, headers={"User-Agent": "Borealis-Agent", "Accept": "text/plain"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
        text = answer.read(_MAX_ANSWER).decode("ascii", "replace").strip()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise OSError("the external address service did not answer with an address") from error
