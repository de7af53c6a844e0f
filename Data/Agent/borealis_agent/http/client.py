"""``AgentHttpClient``: authenticated REST calls whose access token is always fresh (upstream-contract 2.3)."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp

from borealis_agent.core.errors import ReenrolRequired, Retryable
from borealis_agent.core.ids import Randomness
from borealis_agent.core.settings import DEFAULT_URL, AgentSettings, read_server_url
from borealis_agent.http.answer import Answer
from borealis_agent.http.errors import DeviceRevoked, EngineNotTrusted, RequestRejected
from borealis_agent.http.ports import Enroller, TrustPort
from borealis_agent.http.tokens import ATTEMPTS, LONGEST_WAIT_HERE, REVOKED_ADVICE, TokenKeeper, busy
from borealis_agent.http.transport import DEFAULT_TIMEOUT, EngineTransport
from borealis_agent.http.verdicts import Verdict, read_request
from borealis_agent.identity import AccessToken, DeviceIdentity
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock
from borealis_wire.messages import agent_id

log = logging.getLogger(__name__)


class AgentHttpClient:
    """REST towards the Engine, for one agent; used on the event loop only.

    Attributes:
        context: the run context this agent works in.
        enroller: who gets the device enrolled when tokens are of no more use; None lets ``ReenrolRequired`` through.

    ``user``: the signed-in user whom the access token is to name, in the interactive context.
    """

    def __init__(
        self,
        *,
        settings: AgentSettings,
        identity: DeviceIdentity,
        trust: TrustPort,
        clock: Clock,
        randomness: Randomness,
        rng: random.Random | None = None,
        enroller: Enroller | None = None,
        user: str = "",
    ) -> None:
        self.context = settings.run_context
        self.enroller = enroller
        self._settings = settings
        self._trust = trust
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  jitter
        self._transport = EngineTransport(url=lambda: self.base_url, trust=trust, context_label=settings.context_label)
        self._tokens = TokenKeeper(
            identity=identity,
            trust=trust,
            transport=self._transport,
            clock=clock,
            randomness=randomness,
            rng=self._rng,
            user=user,
        )
        self._turn = asyncio.Lock()

    def on_shut_out(self, listener: Callable[[str], None]) -> None:
        """Have ``listener(reason)`` called when the Engine revoked this device, or takes its tokens no more."""
        self._tokens.on_shut_out = listener

    @property
    def guid(self) -> str:
        """This device's GUID; empty before enrolment."""
        return self._tokens.guid

    @property
    def base_url(self) -> str:
        """The Engine's address now, without trailing slash."""
        return effective_url(self._settings, pinned_url=self._trust.engine_url)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session whose connector trusts the pinned CA alone; add :meth:`auth_headers` to each request.

        Raises:
            ReenrolRequired: nothing is pinned yet.
        """
        return self._transport.session()

    def socket_session(self) -> aiohttp.ClientSession:
        """A session for one socket (``AsyncClient(http_session=…)``): take a new one for each connection and close it.

        Raises:
            ReenrolRequired: nothing is pinned yet.
        """
        return self._transport.new_session()

    @property
    def access(self) -> AccessToken | None:
        """The access token at hand with its expiry; None where there is none."""
        return self._tokens.access

    def agent_id(self, hostname: str) -> str:
        """Upstream's agent id of this agent on a machine of that name."""
        return agent_id(hostname, self.guid, self._settings.context_label)

    def auth_headers(self) -> dict[str, str]:
        """Context, user agent and, once there is an access token, ``Authorization``. Refreshes nothing."""
        headers = self._transport.headers()
        if self._tokens.token:
            headers["Authorization"] = f"Bearer {self._tokens.token}"
        return headers

    async def ensure_authenticated(self) -> str:
        """A fresh access token: the one at hand, a refreshed one, or one from a new enrolment, which may take long.

        Raises:
            Retryable: the Engine cannot be reached, is not the pinned one, or revoked this device.
            ReenrolRequired: tokens are of no more use, and there is no ``enroller``.
            Fatal: only a person can go on from here.
        """
        token = self._tokens.fresh_token
        if token:
            return token
        async with self._turn:
            return self._tokens.fresh_token or await self._obtain()

    async def renew(self) -> str:
        """Give up the access token at hand and get another: for a socket that the Engine refused.

        Raises:
            AgentError: as :meth:`ensure_authenticated`; ``DeviceRevoked`` tells why a socket was cut.
        """
        self._tokens.give_up()
        return await self.ensure_authenticated()

    async def post_json(
        self, path: str, payload: Mapping[str, Any], *, require_auth: bool = True, timeout: float = DEFAULT_TIMEOUT
    ) -> dict[str, Any]:
        """POST a JSON object and give the answer's; up to three attempts while the Engine is away or busy.

        Args:
            path: below the Engine's address, with leading slash.
            payload: what is sent.
            require_auth: false for the few calls that need no access token.
            timeout: seconds for each attempt.

        Raises:
            RequestRejected: the Engine said no for good.
            Retryable, ReenrolRequired, Fatal: as :meth:`ensure_authenticated`.
        """
        backoff = Backoff(first=0.5, longest=LONGEST_WAIT_HERE)
        refused = False
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = await self._send(path, payload, require_auth, timeout)
            except _Unreachable as error:
                if last:
                    raise error.reason from error
                await self._clock.sleep(backoff.next_delay(self._rng))
                continue
            reading = read_request(answer)
            match reading.verdict:
                case Verdict.OK:
                    return answer.body
                case Verdict.REVOKED:
                    raise self._tokens.note_revoked(reading.retry_after)
                case Verdict.REFRESH | Verdict.RELOAD if require_auth and not refused:
                    refused = True
                    self._tokens.give_up()
                case Verdict.REFRESH | Verdict.RELOAD if require_auth:
                    raise Retryable(
                        f"the Engine refuses a token that it has just issued ({answer.status} {answer.code})",
                        retry_after=60,
                    )
                case Verdict.WAIT:
                    delay = reading.retry_after if reading.retry_after is not None else backoff.next_delay(self._rng)
                    if last or delay > LONGEST_WAIT_HERE:
                        raise busy(answer)
                    await self._clock.sleep(delay)
                case _:
                    raise RequestRejected(answer.status, answer.code, answer.detail)
        raise Retryable("the Engine refused the access token, and was not asked again")

    async def download(self, path: str, target: Path, *, size: int, timeout: float = DEFAULT_TIMEOUT) -> None:
        """GET a file of ``size`` bytes; up to three attempts, each from its beginning. What it holds is not checked.

        Args:
            path: below the Engine's address, with leading slash.
            target: written anew.
            size: bytes; no more are taken.
            timeout: seconds without a byte.

        Raises:
            RequestRejected: the Engine said no for good, or the disk does.
            Retryable, ReenrolRequired, Fatal: as :meth:`ensure_authenticated`.
            OSError: the file cannot be made.
        """
        backoff = Backoff(first=0.5, longest=LONGEST_WAIT_HERE)
        for attempt in range(1, ATTEMPTS + 1):
            await self.ensure_authenticated()
            try:
                with target.open("wb") as file:
                    answer = await self._transport.fetch(
                        path, _Sink(file), headers=self.auth_headers(), most=size, timeout=timeout
                    )
                    received = file.tell()
            except EngineNotTrusted:
                raise
            except Retryable:
                if attempt == ATTEMPTS:
                    raise
                await self._clock.sleep(backoff.next_delay(self._rng))
                continue
            if answer is None and received == size:
                return
            if answer is None:
                raise Retryable(f"the Engine sent {received} bytes, and should have sent {size}")
            match read_request(answer).verdict:
                case Verdict.REFRESH | Verdict.RELOAD:
                    self._tokens.give_up()
                case Verdict.WAIT:
                    await self._clock.sleep(backoff.next_delay(self._rng))
                case _:
                    raise RequestRejected(answer.status, answer.code, answer.detail)
        raise Retryable("the Engine did not hand out the file")

    async def async_post_json(self, path: str, payload: Mapping[str, Any], require_auth: bool = True) -> dict[str, Any]:
        """:meth:`post_json` under upstream's name."""
        return await self.post_json(path, payload, require_auth=require_auth)

    def load_server_signing_key(self) -> str | None:
        """The Engine's pinned signing key, base64 SPKI (upstream's name)."""
        return self._trust.signing_key_base64 or None

    def store_server_signing_key(self, value: str) -> bool:
        """Upstream's name; whether ``value`` is the pinned key. A pinned key is never replaced this way.

        Only an enrolment, or a statement signed by a trusted key, changes what this device trusts.
        """
        same = bool(value) and value == self._trust.signing_key_base64
        if not same:
            log.warning("signature: somebody offered another signing key outside a signed statement; ignored")
        return same

    async def close(self) -> None:
        """Hang up."""
        await self._transport.close()

    async def _send(self, path: str, payload: Mapping[str, Any], require_auth: bool, timeout: float) -> Answer:
        """One attempt. Raises ``_Unreachable`` where another one may help."""
        if require_auth:
            await self.ensure_authenticated()
        headers = self.auth_headers() if require_auth else {}
        try:
            return await self._transport.post(path, payload, headers=headers, timeout=timeout)
        except EngineNotTrusted as error:
            log.error("%s", error.diagnostics())
            if require_auth and self.enroller is not None and self.enroller.names_other_engine():
                await self.renew()  # an operator has just said which Engine to trust instead
                raise _Unreachable(error) from error
            raise
        except Retryable as error:
            raise _Unreachable(error) from error

    async def _obtain(self) -> str:
        enroller, revoked_for = self.enroller, self._tokens.revoked_for
        if enroller is not None and enroller.names_other_engine():
            return await self._enrol(enroller, "an operator gave a token for another Engine", anew=True)
        may_enrol_anew = enroller is not None and enroller.has_unused_code()
        if revoked_for and not may_enrol_anew:
            raise DeviceRevoked("this device is revoked", retry_after=revoked_for, advice=REVOKED_ADVICE)
        try:
            return await self._tokens.refresh()
        except EngineNotTrusted as error:
            log.error("%s", error.diagnostics())
            raise
        except DeviceRevoked as error:
            if enroller is None or not may_enrol_anew:
                raise
            reason, anew = str(error), True
        except ReenrolRequired as error:
            if enroller is None:
                raise
            reason, anew = str(error), False
        return await self._enrol(enroller, reason, anew=anew)

    async def _enrol(self, enroller: Enroller, reason: str, *, anew: bool) -> str:
        log.info("enrolment needed: %s", reason)
        await enroller.enrol(reason, anew=anew)
        self._tokens.forget()
        return await self._tokens.refresh()


class _Unreachable(Exception):
    """The Engine was not reached this time; ``reason`` is for the caller if it stays so."""

    def __init__(self, reason: Retryable) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Sink:
    """Writes pieces. A disk that is full must not look like a broken line, whose errors are OSErrors too."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __call__(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise RequestRejected(0, "disk", f"{self._file.name} cannot be written ({error})") from error


def effective_url(settings: AgentSettings, *, pinned_url: str) -> str:
    """The Engine's address: command line or environment, then ``server_url.txt``, then the one that was pinned."""
    return settings.given_url or read_server_url(settings.paths) or pinned_url or DEFAULT_URL
