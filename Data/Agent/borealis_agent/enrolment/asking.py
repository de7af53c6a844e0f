"""One enrolment in the Engine's hands: the request, the challenge, and polls with proofs until an operator decided."""

import logging
import math
import random
from collections.abc import Callable
from typing import Final

from borealis_agent.core.errors import Retryable
from borealis_agent.core.ids import Randomness
from borealis_agent.enrolment.codes import Offer
from borealis_agent.enrolment.first_contact import Anchor
from borealis_agent.enrolment.machine import Challenge, Outcome, Reading, read_poll, read_request
from borealis_agent.enrolment.pending import PendingFile, Purpose
from borealis_agent.http.answer import Answer
from borealis_agent.http.transport import DEFAULT_TIMEOUT, EngineTransport
from borealis_agent.identity import DeviceIdentity
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock
from borealis_wire import PROTOCOL_VERSION, base64s
from borealis_wire.events import Rest
from borealis_wire.limits import NONCE_BYTES
from borealis_wire.proof import proof_message, proof_v2_message

REMIND_SECONDS: Final = 600.0

log = logging.getLogger(__name__)


class StartOver(Exception):
    """This attempt ended; another one is due after a wait."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading.sentence)
        self.reading = reading


class Asking:
    """Asks to be let in, on connections that ``flow`` gives."""

    def __init__(
        self,
        *,
        identity: DeviceIdentity,
        pending: PendingFile,
        hostname: Callable[[], str],
        clock: Clock,
        randomness: Randomness,
        rng: random.Random,
    ) -> None:
        self._identity = identity
        self._pending = pending
        self._hostname = hostname
        self._clock = clock
        self._randomness = randomness
        self._rng = rng

    async def challenge(self, transport: EngineTransport, anchor: Anchor, offer: Offer) -> tuple[Challenge, float]:
        """Something to prove the key with, and the seconds until the first poll; the one under way if there is one.

        Raises:
            StartOver: the Engine said no.
            Retryable: not reachable, busy, or not the pinned Engine.
        """
        purpose = Purpose(anchor.ca_pin, offer.digest, self._identity.fingerprint)
        known = self._pending.load(purpose)
        if known is not None:
            log.debug("-- enrolment: going on with %s", known.reference)
            return known, 1.0
        nonce = base64s.encode(self._randomness.token_bytes(NONCE_BYTES))
        payload = {
            "hostname": self._hostname(),
            "enrollment_code": offer.code,
            "agent_pubkey": self._identity.key.public.spki_base64,
            "client_nonce": nonce,
            "protocol_version": PROTOCOL_VERSION,
        }
        answer = await transport.post(Rest.ENROLL_REQUEST, payload, timeout=DEFAULT_TIMEOUT)
        reading, challenge = read_request(answer, nonce)
        if challenge is None:
            raise StartOver(reading)
        try:
            self._pending.store(purpose, challenge)
        except OSError as error:
            log.warning("the enrolment under way cannot be kept on disk (%s); a restart will ask anew", error)
        return challenge, reading.wait or 1.0

    async def poll_until_decided(self, transport: EngineTransport, challenge: Challenge, wait: float) -> Answer:
        """The answer that lets this device in; waits as long as an operator takes.

        Raises:
            StartOver: denied, expired, unknown, or the proof was refused.
        """
        said, trouble = -math.inf, Backoff(first=2, longest=60, floor=1)
        while True:
            if self._clock.monotonic() - said >= REMIND_SECONDS:
                said = self._clock.monotonic()
                log.info(
                    "enrolment: waiting for approval %s. An operator compares this device's fingerprint %s and then "
                    "says: borealis approve %s",
                    challenge.reference,
                    self._identity.fingerprint,
                    challenge.reference,
                )
            await self._clock.sleep(wait)
            try:
                answer = await self._poll(transport, challenge)
            except Retryable as error:
                wait = max(trouble.next_delay(self._rng), error.retry_after or 0.0)
                log.warning("enrolment: %s Asking again in %.0f s", error.diagnostics(), wait)
                continue
            reading = read_poll(answer)
            if reading.outcome is Outcome.APPROVED:
                return answer
            if reading.outcome is Outcome.PENDING:
                trouble.reset()
                wait = reading.wait or 5.0
            elif reading.outcome is Outcome.BUSY:
                wait = max(trouble.next_delay(self._rng), reading.wait or 0.0)
            else:
                raise StartOver(reading)

    async def _poll(self, transport: EngineTransport, challenge: Challenge) -> Answer:
        key = self._identity.key
        server_nonce, client_nonce = base64s.decode(challenge.server_nonce), base64s.decode(challenge.client_nonce)
        proof = proof_message(server_nonce, challenge.reference, client_nonce)
        poll = {
            "approval_reference": challenge.reference,
            "client_nonce": challenge.client_nonce,
            "proof_sig": base64s.encode(key.sign(proof)),
        }

        def with_leaf(leaf_der: bytes) -> dict[str, str]:
            bound = proof_v2_message(server_nonce, challenge.reference, client_nonce, leaf_der)
            return {**poll, "proof_v2": base64s.encode(key.sign(bound))}

        return await transport.post_bound(Rest.ENROLL_POLL, with_leaf, timeout=DEFAULT_TIMEOUT)
