"""Work by polling, for devices whose socket is blocked (contract 4): only while there is no socket, and for real."""

import asyncio
import logging
import random
from typing import Any, Final

from borealis_agent.core.errors import AgentError, Fatal
from borealis_agent.http import AgentHttpClient
from borealis_agent.link.driver import Link
from borealis_agent.link.ports import Inbox
from borealis_base.clock import Clock
from borealis_wire.events import Rest
from borealis_wire.limits import SCRIPT_POLL_SECONDS

FIRST_POLL_SECONDS: Final = 20.0
SHORTEST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 300.0

log = logging.getLogger(__name__)


class PollingLoop:
    """Asks for work while the socket is down."""

    def __init__(self, *, http: AgentHttpClient, link: Link, inbox: Inbox, clock: Clock, rng: random.Random) -> None:
        self._http = http
        self._link = link
        self._inbox = inbox
        self._clock = clock
        self._rng = rng
        self._offline = asyncio.Event()
        self._offline.set()

    def session_changed(self, online: bool) -> None:
        """A session began or ended."""
        if online:
            self._offline.clear()
        else:
            self._offline.set()

    async def run(self) -> None:
        """Poll as long as the agent runs and has no socket.

        Raises:
            Fatal: only a person can go on from here.
        """
        while True:
            await self._offline.wait()
            wait = FIRST_POLL_SECONDS
            while self._offline.is_set():
                await self._clock.sleep(wait * self._rng.uniform(0.9, 1.1))
                if self._offline.is_set():
                    wait = await self.poll()

    async def poll(self) -> float:
        """Ask once, hand over what comes; gives the seconds until the next time."""
        try:
            await self._http.ensure_authenticated()
            answer = await self._http.post_json(Rest.SCRIPT_REQUEST, {"guid": self._http.guid})
        except Fatal:
            raise
        except AgentError as error:
            log.debug("-- polling: %s", error)
            return max(float(SCRIPT_POLL_SECONDS), getattr(error, "retry_after", None) or 0.0)
        for payload in _listed(answer, "cancels"):
            await self._inbox.cancel_arrived(payload)
        jobs = _listed(answer, "jobs")
        if jobs:
            log.info("polling brought %d jobs", len(jobs))
        for payload in jobs:
            await self._inbox.job_arrived(payload, polled=True)
        return _seconds(answer.get("poll_after_ms"))


def _listed(answer: dict[str, Any], name: str) -> list[Any]:
    value = answer.get(name)
    return value if isinstance(value, list) else []


def _seconds(milliseconds: Any) -> float:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return float(SCRIPT_POLL_SECONDS)
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, milliseconds / 1000))
