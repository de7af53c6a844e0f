"""Heartbeats: the first after 15 s, then one a minute, and one whenever a session begins (upstream-contract 3.1)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from borealis_agent.core.errors import AgentError, Fatal
from borealis_agent.http import AgentHttpClient
from borealis_agent.platform import machine
from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_wire import PROTOCOL_VERSION
from borealis_wire.events import SERVICE_MODES, Rest, RunContext
from borealis_wire.limits import FIRST_HEARTBEAT_SECONDS, HEARTBEAT_SECONDS

log = logging.getLogger(__name__)
_MAX_TEXT: Final = 256


class HeartbeatLoop:
    """Tells the Engine how the device is, over REST, whether there is a socket or not."""

    def __init__(
        self,
        *,
        http: AgentHttpClient,
        clock: Clock,
        role_health: Callable[[], Mapping[str, Any]],
        build_id: str = "",
        hostname: Callable[[], str] = machine.hostname,
    ) -> None:
        self._http = http
        self._clock = clock
        self._role_health = role_health
        self._build_id = build_id
        self._hostname = hostname
        self._cpu = machine.CpuMeter()
        self._operating_system = ""
        self._now = asyncio.Event()
        self._trouble = ""

    def session_changed(self, online: bool) -> None:
        """A session began or ended; a beginning one wants a heartbeat at once."""
        if online:
            self._now.set()

    async def run(self) -> None:
        """Beat as long as the agent runs.

        Raises:
            Fatal: only a person can go on from here.
        """
        await self._wait(FIRST_HEARTBEAT_SECONDS)
        while True:
            self._now.clear()
            await self.beat()
            await self._wait(HEARTBEAT_SECONDS)

    async def beat(self) -> None:
        """Send one; a failure is said once, and the next one tries again."""
        try:
            await self._http.ensure_authenticated()  # before the message: it names the GUID
            await self._http.post_json(Rest.HEARTBEAT, self.message())
        except Fatal:
            raise
        except AgentError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("heartbeat: %s", error.diagnostics())
        else:
            self._trouble = ""

    def message(self) -> dict[str, Any]:
        """The heartbeat as JSON."""
        hostname = self._hostname()
        self._operating_system = self._operating_system or machine.operating_system()[:_MAX_TEXT]
        active = machine.active_user()[:_MAX_TEXT] if self._http.context is RunContext.SYSTEM else ""
        return {
            "guid": self._http.guid,
            "hostname": hostname,
            "metrics": {
                "service_mode": SERVICE_MODES[self._http.context],
                "uptime": machine.uptime_seconds(),
                "hostname": hostname,
                "username": machine.current_user()[:_MAX_TEXT],
                "cpu_percent": self._cpu.percent(),
                "memory_percent": machine.memory_percent(),
                "operating_system": self._operating_system,
                **({"active_user": active} if active else {}),
            },
            "inventory": {},
            "agent_build_id": self._build_id,
            "roles": dict(self._role_health()),
            "protocol_version": PROTOCOL_VERSION,
        }

    async def _wait(self, seconds: float) -> None:
        async with Supervisor() as tasks:  # leaving it ends whichever of the two still waits
            resting = tasks.start("rest between heartbeats", self._clock.sleep(seconds))
            woken = tasks.start("wait for a session", self._now.wait())
            await asyncio.wait({resting, woken}, return_when=asyncio.FIRST_COMPLETED)
