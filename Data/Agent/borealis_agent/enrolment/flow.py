"""Drives an enrolment to its end: lock, code, first contact, ``asking``, and keeping what the Engine gives.

One enrolment serves both agents of a device. Whoever holds the lock enrols; the other waits, and uses the credentials
that appear. An agent that has no code, or one that was refused, waits without the lock: the other may have a good one.
Everything that can be waited out is waited out here, with back-off and jitter, and said in the log.
"""

import logging
import math
import random
from collections.abc import Callable
from typing import Final

from borealis_agent.core.config import AgentConfig
from borealis_agent.core.errors import Fatal, Retryable
from borealis_agent.core.ids import Randomness
from borealis_agent.core.locks import process_lock
from borealis_agent.core.settings import AgentSettings, read_server_url, write_server_url
from borealis_agent.enrolment.asking import REMIND_SECONDS, Asking, StartOver
from borealis_agent.enrolment.codes import CodeBook, Offer
from borealis_agent.enrolment.first_contact import Anchor, find_anchor, trust_first
from borealis_agent.enrolment.keeping import Approval, keep_approval, read_approval
from borealis_agent.enrolment.machine import CODE_ADVICE, Outcome, Reading, backoff_for
from borealis_agent.enrolment.pending import PendingFile
from borealis_agent.http.answer import Answer
from borealis_agent.http.client import effective_url
from borealis_agent.http.tokens import TOKEN_LOCK, TOKEN_LOCK_SECONDS
from borealis_agent.http.transport import EngineTransport
from borealis_agent.identity import DeviceIdentity
from borealis_agent.platform import machine as this_machine
from borealis_agent.trust import TrustStore
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock
from borealis_wire.refusal import Refused

LOCK_FILE: Final = "enrollment.lock"
LOCK_SECONDS: Final = 180.0
NO_CODE_SECONDS: Final = 15.0
APPEARED_SECONDS: Final = 3.0
"""How often an agent without a code looks whether the other one has enrolled the device: people wait for that."""

log = logging.getLogger(__name__)


class _CodeRefused(Exception):
    """The Engine does not take this code, and will not: the lock is given up before anything else is tried."""

    def __init__(self, reading: Reading, offer: Offer) -> None:
        super().__init__(reading.sentence)
        self.reading = reading
        self.offer = offer


class EnrolmentFlow:
    """Enrols this device; fulfils ``http.ports.Enroller``."""

    def __init__(
        self,
        *,
        settings: AgentSettings,
        identity: DeviceIdentity,
        trust: TrustStore,
        clock: Clock,
        randomness: Randomness,
        rng: random.Random | None = None,
        config: AgentConfig | None = None,
        hostname: Callable[[], str] = this_machine.hostname,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._trust = trust
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  jitter
        self._codes = CodeBook(settings, clock=clock, config=config)
        self._pending = PendingFile(settings.paths.settings, clock=clock)
        self._asking = Asking(
            identity=identity,
            pending=self._pending,
            hostname=hostname,
            clock=clock,
            randomness=randomness,
            rng=self._rng,
        )
        self._backoffs: dict[Outcome, Backoff] = {}
        self._refused: set[str] = set()
        self._before: tuple[str, str] | None = None

    def has_unused_code(self) -> bool:
        """Whether an operator gave a code or token that did not lead to an enrolment yet."""
        return any(not offer.used for offer in self._codes.offers())

    def names_other_engine(self) -> bool:
        """Whether an operator gave an unused token for another Engine than the pinned one."""
        pin = self._trust.ca_pin
        offer = self._codes.best(ca_pin=pin)
        return (
            bool(pin) and offer is not None and not offer.used and offer.token is not None and offer.token.ca_pin != pin
        )

    async def enrol(self, reason: str, *, anew: bool = False) -> None:
        """Return when GUID, tokens and trust are on disk; may take as long as an operator takes.

        Args:
            reason: for the log.
            anew: also where there are tokens already, because an operator gave an unused code.

        Raises:
            Fatal: the Engine at the address is not the one the token names, or a bare code came without
                ``--trust-on-first-use``.
        """
        self._before = self._credentials() if anew else None
        lock = self._settings.paths.settings / LOCK_FILE
        log.info("enrolment: %s; this device's fingerprint is %s", reason, self._identity.fingerprint)
        while True:
            await self._wait_for_code()
            try:
                async with process_lock(
                    lock, timeout=LOCK_SECONDS, clock=self._clock, step=1.0, give_up=self._have_appeared
                ) as held:
                    if not held or self._have_appeared():
                        log.info("the other agent of this device has enrolled it; using its credentials")
                        return
                    if await self._until_enrolled():
                        return
            except _CodeRefused as refused:
                self._refused.add(refused.offer.digest)
                await self._wait(refused.reading, refused.offer)
            except TimeoutError:
                log.info("the other agent of this device is still enrolling it; waiting")
            except OSError as error:
                log.error("enrolment: %s cannot be locked (%s). Trying again in %.0f s", lock, error, NO_CODE_SECONDS)
                await self._clock.sleep(NO_CODE_SECONDS)

    async def _until_enrolled(self) -> bool:
        """Try as long as there is a code; ``False`` when there is none any more."""
        while (offer := self._best_code()) is not None:
            try:
                await self._attempt(offer)
                return True
            except StartOver as end:
                if end.reading.outcome is Outcome.CODE_REFUSED:
                    raise _CodeRefused(end.reading, offer) from end
                await self._wait(end.reading, offer)
            except Retryable as error:
                await self._wait(Reading(Outcome.BUSY, error.diagnostics(), error.retry_after), offer)
            except OSError as error:
                await self._wait(
                    Reading(Outcome.BUSY, f"the credentials cannot be kept on disk ({error})", 30.0), offer
                )
        return False

    async def _wait_for_code(self) -> None:
        """Return when there is a code to enrol with, or when the other agent has enrolled this device."""
        said = -math.inf
        while self._best_code() is None and not self._have_appeared():
            if self._clock.monotonic() - said >= REMIND_SECONDS:
                said = self._clock.monotonic()
                log.error(
                    "an enrolment token is needed. %s, or write it as installer_code into %s",
                    CODE_ADVICE,
                    self._settings.config_path,
                )
            await self._clock.sleep(APPEARED_SECONDS)

    async def _wait(self, reading: Reading, offer: Offer) -> None:
        backoff = self._backoffs.setdefault(reading.outcome, backoff_for(reading.outcome))
        delay = max(backoff.next_delay(self._rng), reading.wait or 0.0)
        level = logging.WARNING if reading.outcome in {Outcome.BUSY, Outcome.FINALIZED} else logging.ERROR
        log.log(level, "enrolment: %s. Trying again in %.0f s", reading.sentence.rstrip("."), delay)
        until = self._clock.monotonic() + delay
        while (left := until - self._clock.monotonic()) > 0:
            await self._clock.sleep(min(left, NO_CODE_SECONDS))
            if self._best_code() != offer:
                return  # an operator gave another code meanwhile

    def _best_code(self) -> Offer | None:
        return self._codes.best(ca_pin=self._trust.ca_pin, refused=self._refused)

    async def _attempt(self, offer: Offer) -> None:
        anchor = await self._anchor(offer)
        transport = EngineTransport(
            url=lambda: anchor.engine_url, trust=anchor, context_label=self._settings.context_label
        )
        try:
            challenge, wait = await self._asking.challenge(transport, anchor, offer)
            answer = await self._asking.poll_until_decided(transport, challenge, wait)
            await self._keep(answer, anchor, offer)
        except StartOver:
            self._pending.clear()
            raise
        finally:
            await transport.close()

    async def _anchor(self, offer: Offer) -> Anchor:
        self._trust.reload()
        pin, given = self._trust.ca_pin, self._settings.given_url
        if offer.token is not None:
            url = given or offer.token.url
            if offer.token.ca_pin == pin:
                return self._pinned_anchor(effective_url(self._settings, pinned_url=url) if offer.used else url)
            return await find_anchor(url, ca_pin=offer.token.ca_pin)
        url = effective_url(self._settings, pinned_url=self._trust.engine_url)
        if pin:
            return self._pinned_anchor(url)
        if not self._settings.trust_on_first_use:
            raise Fatal(
                "a bare enrolment code does not say which Engine to trust",
                advice="Use the whole enrolment token that `borealis codes create` shows. Or give --trust-on-first-use "
                "and compare the fingerprint that the agent then writes to its log.",
            )
        return await trust_first(url)

    def _pinned_anchor(self, url: str) -> Anchor:
        return Anchor(url, self._trust.ca_pin, self._trust.ca_pem)

    async def _keep(self, answer: Answer, anchor: Anchor, offer: Offer) -> None:
        approval = self._read(answer, anchor, offer)
        context, lock = self._settings.run_context, self._settings.paths.settings / TOKEN_LOCK
        async with process_lock(lock, timeout=TOKEN_LOCK_SECONDS, clock=self._clock):
            keep_approval(approval, anchor, trust=self._trust, identity=self._identity, context=context)
        self._backoffs.clear()
        self._refused.clear()
        try:
            if not self._settings.given_url and read_server_url(self._settings.paths) != anchor.engine_url:
                write_server_url(self._settings.paths, anchor.engine_url)
            self._codes.mark_used(offer)
        except OSError as error:
            log.warning("the used enrolment code cannot be blanked: %s", error)
        self._pending.clear()
        log.info("enrolled: an operator approved this device, GUID %s", approval.guid)

    def _read(self, answer: Answer, anchor: Anchor, offer: Offer) -> Approval:
        same_engine = anchor.ca_pin == self._trust.ca_pin
        try:
            return read_approval(
                answer, pinned=self._trust.keys, same_engine=same_engine, fresh=not offer.used, now=self._clock.now()
            )
        except ValueError as error:
            raise StartOver(Reading(Outcome.REJECTED, f"the Engine's approval cannot be used: {error}")) from error
        except Refused as refusal:
            sentence = (
                f"signature: {refusal.detail}. Nothing was changed. If the Engine really has a new signing key, "
                f"give this device a fresh enrolment token. {CODE_ADVICE}"
            )
            raise StartOver(Reading(Outcome.CODE_REFUSED, sentence)) from refusal

    def _credentials(self) -> tuple[str, str] | None:
        self._trust.reload()
        if not self._trust.ca_pin or not self._identity.load_guid():
            return None
        refresh = self._identity.vault(self._trust.ca_pin).peek_refresh()
        return (self._trust.ca_pin, refresh) if refresh else None

    def _have_appeared(self) -> bool:
        now = self._credentials()
        return now is not None and now != self._before
