"""Under which names and addresses this machine can be reached: what the Engine's own leaf has to say.

Asks the operating system; a resolver that does not answer costs two seconds, not a start.
"""

import ipaddress
import socket
import threading
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import psutil

from borealis_engine.core.settings import EngineSettings
from borealis_engine.enrolment.certificate_making import MAX_NAMES, clean_name

FQDN_SECONDS: Final = 2.0
ALWAYS: Final = ("localhost", "127.0.0.1", "::1")


def local_names(settings: EngineSettings) -> frozenset[str]:
    """The names that the leaf needs on this machine, now."""
    hostname = socket.gethostname()
    return choose_names(
        public_url=settings.public_url,
        bound_host=settings.host,
        hostnames=(hostname, _fqdn(hostname)),
        addresses=_interface_addresses(),
    )


def choose_names(
    *, public_url: str, bound_host: str, hostnames: Iterable[str], addresses: Iterable[str]
) -> frozenset[str]:
    """Pick at most 100 names that a certificate can hold; the first ones matter most. Pure.

    Args:
        public_url: its host is how agents come in, if it is set.
        bound_host: the address that the Engine listens on; ``0.0.0.0`` and ``::`` say nothing.
        hostnames: of this machine.
        addresses: of its interfaces; link-local ones are left out, nobody enrols over them.
    """
    try:
        public_host = urlsplit(public_url).hostname or ""
    except ValueError:
        public_host = ""
    chosen: dict[str, None] = {}
    for text in (*ALWAYS, public_host, bound_host, *hostnames, *sorted(addresses)):
        name = clean_name(text)
        if name is not None and not _useless(name):
            chosen.setdefault(name)
    return frozenset(list(chosen)[:MAX_NAMES])


def _useless(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_unspecified or address.is_link_local or address.is_multicast


def _interface_addresses() -> list[str]:
    families = {socket.AF_INET, socket.AF_INET6}
    try:
        interfaces = psutil.net_if_addrs()
    except OSError:
        return []
    return [item.address for items in interfaces.values() for item in items if item.family in families]


def _fqdn(hostname: str) -> str:
    # getfqdn asks a resolver and takes no time-out; a daemon thread that hangs ends with the program.
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(socket.getfqdn(hostname)), daemon=True)
    asking.start()
    asking.join(FQDN_SECONDS)
    return found[0] if found else ""
