"""Who is let in at the socket door, and whether somebody who is in may stay.

Decides with the same tokens, records and limits as the REST door. Called by ``gateway.service`` before a WebSocket
is accepted; never sees an event.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from borealis_base.clock import Clock
from borealis_engine.core.callers import check_same_origin
from borealis_engine.core.errors import EngineError, RateLimited, Unauthenticated
from borealis_engine.core.rate_limit import SlidingWindow
from borealis_engine.enrolment.standing import MAY_CONNECT, require_standing
from borealis_engine.gateway.handshake import Knock, check_context
from borealis_engine.gateway.ports import Devices, Operators, Tokens
from borealis_engine.operators.models import OWNER_PREFIX, TOKEN_PREFIX
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.events import RunContext

WINDOW_SECONDS: Final = 60.0
DEVICE_CONNECTS: Final = 30
"""Connects of one device, context and user in a window. Not by address: a whole site may share one."""
FAILED_KNOCKS: Final = 30
"""Refused knocks of one address in a window; further ones are not even answered in Socket.IO."""
OPERATOR_CONNECTS: Final = 120


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """A device whose token held when it connected. ``user``: the signed-in user whom it named; empty for none."""

    guid: str
    context: RunContext
    fingerprint: str
    token_version: int
    peer: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """An operator, and the credential to ask about again."""

    principal: Principal
    kind: Literal["session", "bearer"]
    secret: str = field(repr=False)
    peer: str
    direct: bool

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything that role and scopes both allow."""
        return frozenset(permission for permission in Permission if self.principal.may(permission))


class Admission:
    """Lets in, and asks again."""

    def __init__(
        self, *, clock: Clock, tokens: Tokens, devices: Devices, operators: Operators, public_url: Callable[[], str]
    ) -> None:
        self._clock = clock
        self._tokens = tokens
        self._devices = devices
        self._operators = operators
        self._public_url = public_url
        self._connects = SlidingWindow(DEVICE_CONNECTS, WINDOW_SECONDS, max_keys=50_000)
        self._failures = SlidingWindow(FAILED_KNOCKS, WINDOW_SECONDS)
        self._operator_knocks = SlidingWindow(OPERATOR_CONNECTS, WINDOW_SECONDS)
        self.refused = 0

    async def admit(self, knock: Knock) -> DeviceIdentity | OperatorIdentity:
        """Who knocks, proven.

        Raises:
            EngineError: with upstream's code: not to be let in. ``RateLimited`` where an answer is not deserved.
        """
        try:
            return await self._admit(knock)
        except RateLimited:
            self.refused += 1
            raise
        except EngineError:
            self.refused += 1
            self._failures.check(knock.peer, self._clock.monotonic())
            raise

    async def ask_again(self, operator: OperatorIdentity) -> OperatorIdentity:
        """The same operator with the rights of now.

        Raises:
            Unauthenticated: the credential does not hold any more.
            Unavailable: nobody can tell now.
        """
        return await self._operator(operator.kind, operator.secret, operator.peer, direct=operator.direct)

    def still_stands(self, device: DeviceIdentity) -> bool:
        """Whether a device that is connected may stay: same key, not revoked, not gone."""
        state = self._devices.auth_state(device.guid)
        return (
            state is not None
            and state.status in MAY_CONNECT
            and state.fingerprint == device.fingerprint
            and state.token_version == device.token_version
        )

    async def _admit(self, knock: Knock) -> DeviceIdentity | OperatorIdentity:
        # A browser names the page it acts for. No foreign page gets in, whatever credentials it was lent.
        check_same_origin(
            origin=knock.origin,
            fetch_site=knock.fetch_site,
            host=knock.host,
            public_url=self._public_url(),
            origin_required=knock.bearer is None and knock.session is not None,
        )
        if knock.bearer is not None:
            if knock.bearer.startswith((TOKEN_PREFIX, OWNER_PREFIX)):
                self._operator_knocks.check(knock.peer, self._clock.monotonic())
                return await self._operator("bearer", knock.bearer, knock.peer, direct=knock.direct)
            return self._device(knock.bearer, knock)
        if knock.session is not None:
            self._operator_knocks.check(knock.peer, self._clock.monotonic())
            return await self._operator("session", knock.session, knock.peer, direct=knock.direct)
        raise Unauthenticated("missing_authorization", "Send the access token as Authorization: Bearer, or sign in.")

    def _device(self, token: str, knock: Knock) -> DeviceIdentity:
        claims = self._tokens.verify(token, self._clock.now())
        require_standing(claims, self._devices.auth_state(claims.guid))
        check_context(knock.context, claims.context)
        self._connects.check(f"{claims.guid} {claims.context} {claims.user}", self._clock.monotonic())
        return DeviceIdentity(
            claims.guid, claims.context, claims.fingerprint, claims.token_version, knock.peer, claims.user
        )

    async def _operator(
        self, kind: Literal["session", "bearer"], secret: str, peer: str, *, direct: bool
    ) -> OperatorIdentity:
        if kind == "session":
            signed_in = await self._operators.authenticate_session(secret)
            return OperatorIdentity(signed_in.principal, kind, secret, peer, direct)
        principal = await self._operators.authenticate_bearer(secret, peer=peer, direct=direct)
        return OperatorIdentity(principal, kind, secret, peer, direct)
