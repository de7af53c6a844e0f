"""The enrolment under way, on disk: an agent that is restarted while an operator decides goes on where it was.

Without it each restart would ask for a new challenge, and the Engine could not tell it from a second machine.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_agent.core.config import read_object
from borealis_agent.core.errors import Fatal
from borealis_agent.core.ownership import require_private
from borealis_agent.enrolment.machine import Challenge
from borealis_base.clock import Clock
from borealis_base.files import write_atomic

PENDING_FILE: Final = "enrolment_pending.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a challenge was asked for with: it is of no use for anything else."""

    ca_pin: str
    code_digest: str
    fingerprint: str


class PendingFile:
    """Reads and writes the one file."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._path = folder / PENDING_FILE
        self._clock = clock

    def load(self, purpose: Purpose) -> Challenge | None:
        """The challenge under way for ``purpose``; None where there is none, or it is for something else."""
        try:
            require_private(self._path)
        except Fatal as error:
            log.warning("%s", error)
            return None
        content = read_object(self._path, clock=self._clock)
        if content is None:
            return None
        named = [content.get(name) for name in ("ca_pin", "code_digest", "fingerprint")]
        texts = [content.get(name) for name in ("reference", "server_nonce", "client_nonce")]
        if named != [purpose.ca_pin, purpose.code_digest, purpose.fingerprint]:
            return None
        reference, server_nonce, client_nonce = texts
        if not isinstance(reference, str) or not isinstance(server_nonce, str) or not isinstance(client_nonce, str):
            return None
        return Challenge(reference, server_nonce, client_nonce)

    def store(self, purpose: Purpose, challenge: Challenge) -> None:
        """Keep the challenge. Raises ``OSError``."""
        content = {
            "ca_pin": purpose.ca_pin,
            "code_digest": purpose.code_digest,
            "fingerprint": purpose.fingerprint,
            "reference": challenge.reference,
            "server_nonce": challenge.server_nonce,
            "client_nonce": challenge.client_nonce,
        }
        write_atomic(self._path, json.dumps(content).encode("utf-8"))

    def clear(self) -> None:
        """Forget it."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be removed: %s", self._path, error)
