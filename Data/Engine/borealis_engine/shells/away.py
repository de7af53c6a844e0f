"""Shells whose operators are away: whether they may still come back, and how the device is told where they may not.

While somebody is connected, ``gateway`` asks for their rights, and the connection carries the end of a shell. Here
nobody is: rights are asked for by the credential's own id, and the end goes by a connection made for it, if the way
to the device is up. Where it is not, the device has ended its shells with its tunnel.
"""

import asyncio
import contextlib
from typing import Final

from borealis_base.clock import Clock
from borealis_engine.core.errors import EngineError
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.lines import Rights, Sealer, Way
from borealis_engine.operators.permissions import Permission
from borealis_engine.shells.line import SHELL, ShellLine
from borealis_engine.shells.session import Session
from borealis_wire.envelope import SHELL_TYPE
from borealis_wire.lines import BadLine
from borealis_wire.shell import MAX_SEEN, SHELL_ORDER_SECONDS, ShellOrder

END_SECONDS: Final = 15.0

log = get_logger("agents")


class Away:
    """What is to be done for who is not there."""

    def __init__(
        self, *, rights: Rights, way: Way, signing: Sealer, clock: Clock, randomness: Randomness, port: int
    ) -> None:
        self._rights = rights
        self._way = way
        self._signing = signing
        self._clock = clock
        self._randomness = randomness
        self._port = port

    async def may_come_back(self, session: Session) -> bool:
        """Whether its operator would get the shell again.

        Raises:
            EngineError: nobody can tell now.
        """
        now = await self._rights.rights_now(session.principal)
        return now is not None and now.may(Permission.SHELL) and now.sees_site(session.site_id)

    async def end(self, session: Session) -> None:
        """Have a device end a shell that nobody is connected to. Never raises."""
        now = self._clock.now()
        order = ShellOrder(
            order_id=self._randomness.uuid(),
            session_id=session.session_id,
            device_guid=session.guid,
            asked_by=session.principal.username,
            columns=80,
            rows=24,
            issued_at=now,
            expires_at=now + SHELL_ORDER_SECONDS,
            seen=MAX_SEEN,  # whatever it printed: nobody reads it
        )
        try:
            async with asyncio.timeout(END_SECONDS), self._way.there(session.record, port=self._port) as place:
                envelope = self._signing.seal(SHELL_TYPE, order.to_payload())
                line = await ShellLine.open(place, envelope, self._clock, SHELL)
                try:
                    await line.write("close")
                    with contextlib.suppress(BadLine):
                        while await line.read() is not None:
                            pass
                finally:
                    line.cut()
        except EngineError as error:
            if error.code not in {"shell_gone", "tunnel_down"}:
                log.warning("a device did not end a shell; it ends it by itself", guid=session.guid, reason=error.code)
        except (OSError, TimeoutError) as error:
            log.warning("a device did not end a shell; it ends it by itself", guid=session.guid, reason=str(error))
