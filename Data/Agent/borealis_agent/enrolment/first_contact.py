"""Whom to speak to, before anything was sent: the CA that an operator's token names, and no other (contract 2).

A handshake that trusts nothing shows the chain; the certificate whose key is the pin becomes the one CA of a new
context, with which the agent connects again. Nothing of the first connection is used for anything else.
"""

import logging
from dataclasses import dataclass
from urllib.parse import urlsplit

from borealis_agent.core.certificates import find_pinned, read_pem
from borealis_agent.core.errors import Retryable
from borealis_agent.http.errors import WrongEngine
from borealis_agent.http.tls import fetch_chain, fingerprints, first_use_anchor

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Anchor:
    """The Engine to speak to and the CA to trust for that. Fulfils ``http.ports.TrustPort`` while nothing is pinned."""

    engine_url: str
    ca_pin: str
    ca_pem: str
    signing_key_base64: str = ""

    def reload(self) -> bool:
        """Nothing lies on disk yet."""
        return False

    def replace_ca_certificate(self, pem: str) -> None:
        """Take another certificate of the same key. Raises ``ValueError`` for another key."""
        if read_pem(pem)[0].pin != self.ca_pin:
            raise ValueError("the certificate does not belong to the pin")
        self.ca_pem = pem


async def find_anchor(url: str, *, ca_pin: str) -> Anchor:
    """Look for the pinned CA in the chain that ``url`` shows.

    Args:
        url: ``https://host[:port]``.
        ca_pin: hex SHA-256 of the CA's SPKI, from an operator's token or pinned before.

    Raises:
        WrongEngine: the chain does not hold the key; the sentence shows both fingerprints.
        Retryable: no connection.
    """
    chain = await _chain(url)
    found = find_pinned(chain, ca_pin)
    if found is None:
        raise WrongEngine(
            f"refused: {url} is not the Engine that the enrolment token names. Expected CA {ca_pin}; seen "
            f"{', '.join(fingerprints(chain)) or 'no certificate'}. Nothing was sent",
            advice="Get a fresh enrolment token on the Engine (borealis codes create). If that changes nothing, "
            "somebody may sit between this machine and the Engine.",
        )
    return Anchor(url, ca_pin, found.pem)


async def trust_first(url: str) -> Anchor:
    """``--trust-on-first-use``: take whatever CA answers, and say loudly which.

    Raises:
        WrongEngine: the chain holds no readable certificate.
        Retryable: no connection.
    """
    found = first_use_anchor(await _chain(url))
    if found is None:
        raise WrongEngine(f"refused: {url} shows no certificate that can be read", advice="Check the address.")
    log.warning(
        "trust on first use: %s answers with the CA %s. Compare it with the one that `borealis codes create` shows at "
        "the end of its token; until then anybody could be in between",
        url,
        found.pin,
    )
    return Anchor(url, found.pin, found.pem)


async def _chain(url: str) -> list[bytes]:
    parts = urlsplit(url)
    try:
        return await fetch_chain(parts.hostname or "", parts.port or 443)
    except TimeoutError as error:
        raise Retryable(f"the Engine at {url} did not answer") from error
    except OSError as error:
        raise Retryable(f"the Engine at {url} cannot be reached ({error})") from error
