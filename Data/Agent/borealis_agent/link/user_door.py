"""The signed-in user's agent at the SYSTEM agent's socket: borrows access tokens and claims runs (see ``user_broker``).

Speaks only to a process that the kernel says is root's, or whoever owns the SYSTEM agent's folder: another one that
took the socket's place could name an Engine of its own.
"""

import asyncio
import contextlib
import json
import logging
import random
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from borealis_agent.core.errors import Retryable
from borealis_agent.http import Enroller
from borealis_agent.identity import AccessToken, DeviceIdentity
from borealis_agent.link.callers import peer_uid
from borealis_agent.link.user_broker import MAX_LINE_BYTES
from borealis_agent.trust import TrustedKeys, TrustStore
from borealis_base.backoff import Backoff
from borealis_base.clock import Clock
from borealis_wire import strict_json
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.keys import VerifyKey
from borealis_wire.refusal import Refused

ANSWER_SECONDS: Final = 60.0
LONGEST_WAIT: Final = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Loan:
    """What the SYSTEM agent lends. ``keys`` are the signing keys to trust; ``access.user`` is whom it takes us for."""

    guid: str
    access: AccessToken
    engine_url: str
    ca_pin: str
    ca_pem: str
    keys: TrustedKeys


class BrokerUnavailable(Retryable):
    """The SYSTEM agent cannot be asked now, or says no for now."""


class UserDoor:
    """One connection to the SYSTEM agent, kept as long as this agent lives: it says who is signed in."""

    def __init__(self, path: Path, *, trusted_uids: frozenset[int]) -> None:
        self.path = path
        self._trusted_uids = trusted_uids
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def borrow(self, *, renew: bool = False) -> Loan:
        """An access token, and whom to trust.

        Raises:
            BrokerUnavailable: not now; the sentence says why.
        """
        answer = await self._ask({"op": "token", "renew": renew})
        try:
            return _read_loan(answer)
        except (ValueError, KeyError, TypeError) as error:
            raise BrokerUnavailable("what the SYSTEM agent lends cannot be read", retry_after=60.0) from error

    async def claim(self, envelope: Any) -> None:
        """Have an interactive run journalled as begun, for all users of this device.

        Raises:
            Refused: it was begun before, or does not hold.
            OSError: not now; the run has not begun.
        """
        try:
            answer = await self._ask({"op": "claim", "envelope": envelope})
        except BrokerUnavailable as error:
            raise OSError(str(error)) from error
        if answer["status"] == "refused":
            code = str(answer.get("reason", ""))
            known = RefusalCode(code) if code in set(RefusalCode) else RefusalCode.MALFORMED
            raise Refused(known, str(answer.get("detail", ""))[:200])

    async def close(self) -> None:
        """Hang up."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await self._exchange(request)
            except (OSError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
                await self.close()
                raise BrokerUnavailable(f"the SYSTEM agent of this device cannot be asked ({error})") from error
        if answer.get("status") not in {"ok", "refused"}:
            wait = answer.get("retry_after")
            raise BrokerUnavailable(
                f"the SYSTEM agent says: {str(answer.get('detail', 'no'))[:300]}",
                retry_after=float(wait) if isinstance(wait, int | float) and 0 <= wait <= 3600 else None,
            )
        return answer

    async def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._writer is None or self._reader is None:
            await self._connect()
        assert self._reader is not None and self._writer is not None
        self._writer.write(json.dumps(request).encode("ascii") + b"\n")
        await self._writer.drain()
        line = await self._reader.readline()
        if not line:
            raise ConnectionResetError("it hung up; this account may not be one that it lets in")
        answer = strict_json.loads(line, max_bytes=MAX_LINE_BYTES)
        if not isinstance(answer, dict):
            raise ValueError("an answer is an object")
        return answer

    async def _connect(self) -> None:
        if sys.platform == "win32":
            raise OSError("there are no such sockets here")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, str(self.path))
            uid = peer_uid(connection)
            if uid not in self._trusted_uids:
                raise PermissionError(f"uid {uid} answers in its place")
        except BaseException:
            connection.close()
            raise
        self._reader, self._writer = await asyncio.open_connection(sock=connection, limit=MAX_LINE_BYTES)


class BorrowingEnroller:
    """Fulfils ``http.ports.Enroller`` for the signed-in user's agent: the SYSTEM agent has enrolled this device.

    Where there is no SYSTEM agent, and only then, a token that the user gave enrols this agent as a device of its own.
    """

    def __init__(
        self,
        *,
        door: UserDoor,
        identity: DeviceIdentity,
        trust: TrustStore,
        own: Enroller,
        clock: Clock,
        rng: random.Random,
        user: str = "",
    ) -> None:
        self._door = door
        self._user = user
        self._identity = identity
        self._trust = trust
        self._own = own
        self._clock = clock
        self._rng = rng
        self._last = ""

    def has_unused_code(self) -> bool:
        """Whether a token was given; it counts only where there is no SYSTEM agent."""
        return not self._door.path.exists() and self._own.has_unused_code()

    def names_other_engine(self) -> bool:
        """Whether such a token is for another Engine."""
        return not self._door.path.exists() and self._own.names_other_engine()

    async def enrol(self, reason: str, *, anew: bool = False) -> None:
        """Borrow a token and keep it; waits for the SYSTEM agent for as long as that takes.

        Raises:
            Fatal: only where this agent enrols by itself.
        """
        backoff, said = Backoff(first=2.0, longest=LONGEST_WAIT, floor=0.5), ""
        while True:
            if self.has_unused_code():
                await self._own.enrol(reason, anew=anew)
                return
            try:
                # Asked again for what was just lent: the Engine did not take it.
                loan = await self._door.borrow(renew=anew)
                if loan.access.token == self._last:
                    loan = await self._door.borrow(renew=True)
                self._keep(loan)
                return
            except Retryable as error:
                delay = max(backoff.next_delay(self._rng), error.retry_after or 0.0)
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting for the SYSTEM agent: %s", error.diagnostics())
            except (OSError, ValueError) as error:
                delay = backoff.next_delay(self._rng)
                log.error("what the SYSTEM agent lends cannot be kept: %s", error)
            await self._clock.sleep(delay)

    def _keep(self, loan: Loan) -> None:
        trust = self._trust
        known = (trust.ca_pin, trust.ca_pem, trust.engine_url, trust.keys)
        if known != (loan.ca_pin, loan.ca_pem, loan.engine_url, loan.keys):
            trust.pin(engine_url=loan.engine_url, ca_pem=loan.ca_pem, ca_pin=loan.ca_pin, keys=loan.keys)
        if self._identity.load_guid() != loan.guid:
            self._identity.store_guid(loan.guid)
        # Under our own name, whatever the other end calls us: it is only where this agent looks for it again.
        access = AccessToken(loan.access.token, loan.access.expires_at, self._user)
        self._identity.vault(loan.ca_pin).store_access(RunContext.INTERACTIVE, access)
        self._last = loan.access.token


def pinned_to_json(trust: TrustStore, engine_url: str) -> dict[str, Any]:
    """What the SYSTEM agent's trust is, for :class:`UserDoor`; nothing of it is secret."""
    return {
        "engine_url": engine_url,
        "ca_pin": trust.ca_pin,
        "ca_certificate": trust.ca_pem,
        "signing_keys": [key.spki_base64 for key in trust.keys.keys.values()],
        "revoked": sorted(trust.keys.revoked),
        "issued_at": trust.keys.issued_at,
    }


def _read_loan(answer: dict[str, Any]) -> Loan:
    pinned = answer["pinned"]
    keys = [VerifyKey.from_spki_base64(text) for text in pinned["signing_keys"]]
    trusted = TrustedKeys(
        {key.key_id: key for key in keys},
        frozenset(str(key_id) for key_id in pinned["revoked"]),
        float(pinned["issued_at"]),
    )
    access = AccessToken(str(answer["access_token"]), float(answer["expires_at"]), str(answer.get("user", "")))
    return Loan(
        str(answer["guid"]),
        access,
        str(pinned["engine_url"]),
        str(pinned["ca_pin"]),
        str(pinned["ca_certificate"]),
        trusted,
    )
