"""Keeps an access token fresh: refresh, rotation, and turns between the two agents of a device (contract 3).

Owns: the token lock. A refresh rotates the refresh token, so the agents take turns: whoever holds the lock reads the
tokens from disk again, uses them, writes the successor, and lets go. If the other agent was faster, what it wrote is
used. So no agent ever shows a token that the other has followed up, which the Engine would take for a theft.
"""

import logging
import random
from collections.abc import Callable
from typing import Final

from borealis_agent.core.errors import ReenrolRequired, Retryable
from borealis_agent.core.ids import Randomness
from borealis_agent.core.locks import process_lock
from borealis_agent.http.answer import Answer
from borealis_agent.http.errors import DeviceRevoked, EngineNotTrusted
from borealis_agent.http.ports import TrustPort
from borealis_agent.http.transport import EngineTransport
from borealis_agent.http.verdicts import Reading, Verdict, read_refresh
from borealis_agent.identity import AccessToken, DeviceIdentity, TokenVault
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock
from borealis_wire.events import HEADER_DPOP, Rest
from borealis_wire.limits import CLOCK_SKEW_SECONDS, REFRESH_EARLY_SECONDS

REFRESH_TIMEOUT: Final = 20.0
ATTEMPTS: Final = 3
EXPIRY_MARGIN_SECONDS: Final = 5
TOKEN_LOCK: Final = "token.lock"
TOKEN_LOCK_SECONDS: Final = 90.0
MAX_EXPIRES_IN: Final = 24 * 3600
LONGEST_WAIT_HERE: Final = 5.0
REVOKED_ADVICE: Final = "Only a new enrolment, with a fresh enrolment token, brings it back."

log = logging.getLogger(__name__)


class TokenKeeper:
    """The access token of one agent. Call from one task at a time; ``client`` sees to that.

    ``user``: the signed-in user whom the token names; empty for SYSTEM's own.
    """

    def __init__(
        self,
        *,
        identity: DeviceIdentity,
        trust: TrustPort,
        transport: EngineTransport,
        clock: Clock,
        randomness: Randomness,
        rng: random.Random,
        user: str = "",
    ) -> None:
        self._identity = identity
        self._user = user
        self._trust = trust
        self._transport = transport
        self._clock = clock
        self._randomness = randomness
        self._rng = rng
        self._guid: str | None = None
        self._access: AccessToken | None = None
        self._fresh_until = 0.0
        self._refused_token = ""
        self._revoked_until = 0.0
        self._clock_offset = 0.0
        self.on_shut_out: Callable[[str], None] = lambda reason: None
        """Hears it when the Engine says that it does not want this device any more. Never waits."""

    @property
    def guid(self) -> str:
        """This device's GUID; empty before enrolment."""
        if self._guid is None:
            self._guid = self._identity.load_guid()
        return self._guid or ""

    @property
    def token(self) -> str:
        """The access token at hand, fresh or not; empty where there is none."""
        return self._access.token if self._access else ""

    @property
    def access(self) -> AccessToken | None:
        """The access token at hand with its expiry."""
        return self._access

    @property
    def fresh_token(self) -> str:
        """The access token at hand if it is good for a minute or more, else empty."""
        return self._access.token if self._access is not None and self._is_usable(self._access) else ""

    @property
    def revoked_for(self) -> float:
        """Seconds for which a revoked device does not ask again; 0 where it may."""
        return max(0.0, self._revoked_until - self._clock.monotonic())

    def give_up(self) -> None:
        """The Engine refused the token at hand: never use it again."""
        if self._access is not None:
            self._refused_token = self._access.token
            self._access = None

    def forget(self) -> None:
        """A new enrolment took place: whatever was known is old."""
        self._access, self._guid, self._revoked_until = None, None, 0.0

    def note_revoked(self, retry_after: float | None) -> DeviceRevoked:
        """Say that an operator revoked this device, ask seldom from now on, and give the error to raise."""
        wait = (retry_after or 0.0) * self._rng.uniform(0.8, 1.2)
        self._revoked_until = self._clock.monotonic() + wait
        self.give_up()
        self.on_shut_out("this device was revoked by an operator")
        log.error("this device was revoked by an operator. Asking again in %.0f s. %s", wait, REVOKED_ADVICE)
        return DeviceRevoked("this device was revoked by an operator", retry_after=wait, advice=REVOKED_ADVICE)

    async def refresh(self) -> str:
        """A new access token: the other agent's news from disk, or one from the Engine.

        Raises:
            ReenrolRequired: no GUID, no refresh token, or the Engine does not take it any more.
            DeviceRevoked: by an operator.
            Retryable: not reachable, not the pinned Engine, busy, or the disk is full.
        """
        lock = self._identity.paths.settings / TOKEN_LOCK
        try:
            async with process_lock(lock, timeout=TOKEN_LOCK_SECONDS, clock=self._clock):
                return await self._refresh_locked()
        except TimeoutError as error:
            raise Retryable("the other agent of this device is still refreshing the tokens", retry_after=10) from error
        except OSError as error:
            raise Retryable(
                f"the tokens cannot be kept on disk ({error})", retry_after=30, advice="Free some disk space."
            ) from error

    async def _refresh_locked(self) -> str:
        self._trust.reload()
        self._guid = self._identity.load_guid()
        if not self._trust.ca_pin:
            raise ReenrolRequired("this device has no pinned Engine")
        vault = self._identity.vault(self._trust.ca_pin)
        stored = vault.load_access(self._identity.context)
        if stored is not None and self._guid and stored.user == self._user and self._is_usable(stored):
            return self._take(stored)
        refresh_token = vault.load_refresh()
        if not self._guid or refresh_token is None:
            raise ReenrolRequired("this device has no GUID or no refresh token")
        answer, reading = await self._ask(self._guid, refresh_token)
        match reading.verdict:
            case Verdict.OK:
                return self._take(self._keep(vault, answer))
            case Verdict.REVOKED:
                raise self.note_revoked(reading.retry_after)
            case Verdict.REENROL:
                # We hold the lock and have just read it: nobody else's newer token is thrown away here.
                vault.clear()
                self._access = None
                self.on_shut_out("the Engine does not take this device's tokens any more")
                raise ReenrolRequired(f"the Engine does not take our refresh token any more ({answer.code})")
            case Verdict.WAIT:
                raise busy(answer)
            case Verdict.NEW_PROOF:
                raise Retryable(
                    f"the Engine does not take our proof of possession: {answer.detail}",
                    retry_after=60,
                    advice="Check the clocks of Engine and device.",
                )
            case _:
                raise Retryable(f"the token refresh was refused ({answer.status} {answer.code})", retry_after=60)

    async def _ask(self, guid: str, refresh_token: str) -> tuple[Answer, Reading]:
        payload = {"guid": guid, "refresh_token": refresh_token, **({"user": self._user} if self._user else {})}
        backoff = Backoff(first=0.5, longest=LONGEST_WAIT_HERE)
        attempt = 1
        while True:
            try:
                answer = await self._transport.post(
                    Rest.TOKEN_REFRESH, payload, headers={HEADER_DPOP: self._proof()}, timeout=REFRESH_TIMEOUT
                )
            except EngineNotTrusted:
                raise
            except Retryable:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1
                await self._clock.sleep(backoff.next_delay(self._rng))
                continue
            reading = read_refresh(answer)
            if reading.verdict is not Verdict.NEW_PROOF or attempt == ATTEMPTS:
                return answer, reading
            attempt += 1
            self._follow_clock(answer)

    def _proof(self) -> str:
        from borealis_agent.http.dpop import make_proof  # PyJWT: not before it is needed

        return make_proof(
            self._identity.key,
            method="POST",
            url=self._transport.base_url + Rest.TOKEN_REFRESH,
            now=self._clock.now() + self._clock_offset,
            proof_id=self._randomness.token_urlsafe(24),
        )

    def _follow_clock(self, answer: Answer) -> None:
        # A device whose clock is wrong must still come back: proofs carry the Engine's time, told over pinned TLS.
        if answer.server_time is None:
            return
        offset = answer.server_time - self._clock.now()
        self._clock_offset = offset if abs(offset) > CLOCK_SKEW_SECONDS else 0.0
        if self._clock_offset:
            log.warning(
                "this device's clock differs from the Engine's by %.0f s: set it, or jobs may be refused", offset
            )

    def _keep(self, vault: TokenVault, answer: Answer) -> AccessToken:
        expires_in = answer.body.get("expires_in")
        usable = isinstance(expires_in, int | float) and not isinstance(expires_in, bool)
        seconds = float(expires_in) if usable and expires_in is not None else 0.0
        if not 0 < seconds <= MAX_EXPIRES_IN:
            raise Retryable("the Engine's answer to the token refresh cannot be read", retry_after=60)
        successor = answer.body.get("refresh_token")
        if isinstance(successor, str) and successor:
            vault.store_refresh(successor)  # before the access token: losing that one costs a refresh only
        expires_at = self._clock.now() + seconds - EXPIRY_MARGIN_SECONDS
        access = AccessToken(str(answer.body["access_token"]), expires_at, self._user)
        vault.store_access(self._identity.context, access)
        log.debug("-- access token refreshed, good for %.0f s", seconds)
        return access

    def _take(self, access: AccessToken) -> str:
        self._access = access
        left = access.expires_at - self._clock.now() - REFRESH_EARLY_SECONDS
        self._fresh_until = self._clock.monotonic() + max(0.0, left)
        return access.token

    def _is_usable(self, access: AccessToken) -> bool:
        if access.token == self._refused_token or access.expires_at - self._clock.now() < REFRESH_EARLY_SECONDS:
            return False
        # A clock that was set back must not make an old token young again.
        known = self._access is not None and self._access.token == access.token
        return not known or self._clock.monotonic() < self._fresh_until


def busy(answer: Answer) -> Retryable:
    """The error for an Engine that has no time now."""
    said = f"{answer.status} {answer.code}".strip()
    return Retryable(f"the Engine is busy or away ({said})", retry_after=answer.retry_after)
